"""A headless Chromium for tests, told what to do over its debugging pipe. No network is involved.

The protocol is JSON between zero bytes: the browser reads descriptor 3 and writes descriptor 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 120.0
"""Seconds after which a browser that does not answer is given up; no test measures time by it."""


def executable() -> str | None:
    """The browser that is installed, if one is. STABLEPROOF_CHROMIUM may name another."""
    named = os.environ.get("STABLEPROOF_CHROMIUM")
    return named or next((path for n in NAMES if (path := shutil.which(n))), None)


class Browser:
    """A browser with one page open."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.messages: list[str] = []
        """Errors and warnings of the console, exceptions, and requests to the network."""

    def attach(self) -> None:
        """Open the page that all other calls are about."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its result. Raises RuntimeError where the browser refuses it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._reading], [], [], PATIENCE)[0]:
                raise RuntimeError("the browser does not answer")
            piece = os.read(self._reading, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._buffer += piece
        raw, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(raw)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        event, told = message.get("method"), message.get("params", {})
        if event == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.messages.append(json.dumps(told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.messages.append(json.dumps(told["entry"]))
        elif event == "Network.requestWillBeSent":
            url = told["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "about:")):
                self.messages.append(f"a request to {url}")

    def size(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """The window; a phone has a coarse pointer."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])

    def open(self, file: Path, ready: str = "document.readyState === 'complete'") -> None:
        """Load a file and wait until the expression ``ready`` is true."""
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.wait(ready)

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true. Raises RuntimeError where it never is."""
        end = time.monotonic() + PATIENCE
        while not self.value(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise RuntimeError(f"never true: {condition}; {self.messages}")
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a place in the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, name: str) -> None:
        """Press a key such as ArrowLeft."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def screenshot(self, *, whole: bool = False) -> bytes:
        """The window, or the whole page, as a PNG file."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def printed(self) -> bytes:
        """The page as a PDF file."""
        answer = self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        return base64.b64decode(answer["data"])


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser that ends with the block, with its profile in an empty folder."""
    path = executable()
    assert path is not None
    (ours_in, its_out), (its_in, ours_out) = os.pipe(), os.pipe()
    # Out of the way of 3 and 4, which are to be theirs.
    high_in, high_out = (fcntl.fcntl(f, fcntl.F_DUPFD, 20) for f in (its_in, its_out))

    def place() -> None:
        os.dup2(high_in, 3)
        os.dup2(high_out, 4)

    process = subprocess.Popen(
        [
            path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-extensions", "--disable-background-networking",
            "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
            f"--user-data-dir={profile}", "about:blank",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=place, pass_fds=(3, 4), env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    for descriptor in (its_in, its_out, high_in, high_out):
        os.close(descriptor)
    try:
        opened = Browser(ours_in, ours_out)
        opened.attach()
        yield opened
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(ours_in)
        os.close(ours_out)
