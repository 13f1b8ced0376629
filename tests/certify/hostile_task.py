"""A worker's task that misbehaves as it is told, and the command that runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

from certify.backends import worker
from certify.conditions import Condition

SLEEP = "import time; time.sleep(600)"


def command(_: str) -> list[str]:
    """In the place of ``child.worker_command``."""
    return [sys.executable, "-P", "-c", f"from {__name__} import run; run()"]


def run() -> None:
    """The worker as it is, with this task."""
    worker.TASKS = {"hostile": __name__}
    sys.exit(worker.main("hostile"))


def task(condition: Condition, options: Mapping[str, object]) -> object:
    """``options``: "do" names one of the functions below."""
    return _DEEDS[str(options["do"])]()


def _abort() -> object:
    os.abort()


def _kill_itself() -> object:
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def _hang() -> object:
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    print("pid", os.getpid(), file=sys.stderr, flush=True)
    while True:
        time.sleep(1)


def _leave_a_grandchild() -> object:
    """It holds all three pipes open."""
    subprocess.Popen([sys.executable, "-c", SLEEP])
    return worker.open_("left a process behind")


def _leave_a_grandchild_of_its_own_group() -> object:
    left = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    return worker.open_(f"left process {left.pid} behind")


def _use_all_memory() -> object:
    return len(bytearray(1 << 33))


def _noise() -> object:
    for _ in range(1000):
        print("=" * 65_535)
    sys.stdout.flush()
    os.write(1, b'{"no_violation": true, "said": "unsat"}\n')
    return worker.open_("made noise")


def _huge_answer() -> object:
    return worker.open_("x" * (1 << 25))


def _raise() -> object:
    raise RuntimeError("a solver's own trouble\nin two lines, with \x1b[31m colour")


def _none() -> object:
    return None


_DEEDS = {
    "abort": _abort,
    "kill itself": _kill_itself,
    "hang": _hang,
    "leave a grandchild": _leave_a_grandchild,
    "leave a grandchild of its own group": _leave_a_grandchild_of_its_own_group,
    "use all memory": _use_all_memory,
    "noise": _noise,
    "huge answer": _huge_answer,
    "raise": _raise,
    "none": _none,
    "no JSON": lambda: object(),
    "not a form": lambda: {"unsat": True},
    "a form and more": lambda: {**worker.no_violation(), "points": []},
    "not true": lambda: {"no_violation": 1, "said": "unsat"},
    "points of text": lambda: {"points": ["0x1p0"], "said": "sat"},
    "points of numbers": lambda: {"points": [[0.75]], "said": "sat"},
    "ragged points": lambda: worker.points([[0.75], [0.75, 0.5]]),
    "words for a number": lambda: {"points": [["three quarters"]], "said": "sat"},
    "half a point": lambda: {"points": [["0x1p0"]]},
    "no points": lambda: worker.points([]),
    "a point of nothing": lambda: worker.points([[]]),
    "two lines": lambda: worker.open_("one\ntwo\x1b[2J\u202e" + "z" * 100_000),
    "a tree of nothing": lambda: {**worker.no_violation(), "tree": {"axis": [0]}},
    "the point": lambda: worker.points([[0.75]]),
    "no violation": lambda: worker.no_violation(),
}
