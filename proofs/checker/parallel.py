"""The leaves, shared out among processes that each read the whole certificate for themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from .document import Invalid, Unreadable, read
from .replay import Replay

FEW = 200
"""For fewer leaves a process is not worth its start."""
EVERY = 64


def check_all(
    replay: Replay,
    data: bytes,
    jobs: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Check every leaf. Raises Invalid, or Unreadable for a malformed tree."""
    total = replay.leaves
    report = on_progress or (lambda done, total: None)
    shares = max(1, min(jobs or os.cpu_count() or 1, total // FEW))
    if shares == 1:
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            if done % EVERY == 0:
                report(done, total)

        replay.check_leaves(on_leaf=count)
    else:
        _in_processes(data, shares, total, report)
    report(total, total)


def _in_processes(data: bytes, shares: int, total: int, report: Callable[[int, int], None]) -> None:
    # -P: a folder named proofs where the command is run is none of ours
    command = [sys.executable, "-P", "-m", __package__ or "proofs.checker", "--share"]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    told: SimpleQueue[tuple[int, str | None]] = SimpleQueue()
    workers = [
        subprocess.Popen([*command, f"{k}/{shares}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         env={**os.environ, "PYTHONPATH": path})
        for k in range(shares)
    ]  # fmt: skip
    try:
        for k, worker in enumerate(workers):
            threading.Thread(target=_feed, args=(worker, data), daemon=True).start()
            threading.Thread(target=_listen, args=(worker, k, told), daemon=True).start()
        done, ended = [0] * shares, [False] * shares
        first, failure = total + 1, Exception("")
        # After a failure the others go on up to it: what is told is the first leaf that fails.
        while not all(e or d >= first for e, d in zip(ended, done, strict=True)):
            k, line = told.get()
            if line is None:
                ended[k] = True
                if workers[k].wait() != 0:
                    raise Invalid("a process of the checker died; nothing is decided")
                continue
            message = json.loads(line)
            done[k] = message["done"]
            if "failure" in message and done[k] < first:
                kind = Unreadable if message["unreadable"] else Invalid
                first, failure = done[k], kind(message["failure"])
            report(min(sum(done) // shares, total), total)
        if first <= total:
            raise failure
        if min(done) != total:
            raise Invalid("a process of the checker left leaves out; nothing is decided")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _feed(worker: subprocess.Popen[bytes], data: bytes) -> None:
    assert worker.stdin is not None
    with suppress(OSError), worker.stdin:  # it ended early, and says why itself
        worker.stdin.write(data)


def _listen(
    worker: subprocess.Popen[bytes], k: int, told: SimpleQueue[tuple[int, str | None]]
) -> None:
    assert worker.stdout is not None
    with worker.stdout:
        for line in worker.stdout:
            told.put((k, line.decode("ascii")))
    told.put((k, None))


def work(share: str) -> int:
    """One process: a share "k/n" of the leaves of the certificate on standard input."""
    k, n = map(int, share.split("/"))
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen % EVERY == 0:
            print(json.dumps({"done": seen}), flush=True)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    told: dict[str, object] = {}
    try:
        Replay(read(sys.stdin.buffer.read())).check_leaves(k, n, count)
    except (Invalid, Unreadable) as error:
        told = {"failure": str(error), "unreadable": isinstance(error, Unreadable)}
    print(json.dumps({"done": seen, **told}), flush=True)
    return 0
