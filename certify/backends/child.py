"""A solver in a process of its own, which can be stopped, and cannot take the run down with it.

What goes in and what comes out is JSON. The child's answer is not trusted to be one.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from certify.backends.base import BackendError, NoViolation, Open, Points
from certify.budget import Budget, seconds_words
from certify.condition_json import condition_to_json
from certify.conditions import Condition
from certify.split_tree import SplitTree
from certify.tree_code import decode_tree
from systems.errors import InputError

MEMORY = 4 << 30
"""Bytes of address space that a solver may take beyond what its process starts with."""

GRACE = 5.0
"""Seconds beyond the budget, for starting up and for a solver that keeps the time itself."""

MOST_OUTPUT = 1 << 24
MOST_NOISE = 1 << 16
PIECE = 1 << 16


def solve_in_child(
    task: str,
    condition: Condition,
    budget: Budget,
    options: Mapping[str, object] | None = None,
    *,
    trust: tuple[str, ...] = (),
    memory: int = MEMORY,
) -> NoViolation | Points | Open:
    """The answer of a task of :mod:`certify.backends.worker` on the condition.

    ``options`` is JSON data for the task, beside "seconds", which it gets from the budget.
    ``trust`` is what a proof rests on. Raises BackendError where the child dies, or answers
    nonsense.
    """
    if budget.seconds <= 0:
        return Open("no time is left")
    request = {
        "condition": condition_to_json(condition),
        "options": {**(options or {}), "seconds": budget.seconds},
        "memory": memory,
    }
    text = run_child(worker_command(task), json.dumps(request).encode(), budget.seconds + GRACE)
    if text is None:
        limit = seconds_words(budget.seconds)
        return Open(f"the time limit of {limit} ran out, and it was stopped")
    return _read(text, trust, condition)


def worker_command(task: str) -> list[str]:
    # -P: a folder named certify where the command is run is none of ours
    return [sys.executable, "-P", "-m", "certify.backends.worker", task]


def run_child(command: Sequence[str], stdin: bytes, seconds: float) -> bytes | None:
    """Its standard output, or None where it had to be stopped. Raises BackendError where it fails.

    The whole process group is ended, whatever happens, and no output that a child goes on making,
    or a process that it left behind, fills the memory or holds up the caller.
    """
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise BackendError(f"could not be started: {error}") from None
    try:
        conversation = _Conversation(child, stdin)
        ended = conversation.wait(seconds)
    finally:
        _end(child)
    out, err = conversation.finish()
    if len(out) > MOST_OUTPUT:
        raise BackendError("gave an answer of more than 16 MB")
    if not ended:
        return None
    if child.returncode:
        raise BackendError(_why(child.returncode, err))
    return out


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()


class _Conversation:
    """Threads that feed a child, and keep the beginning of its answer and the end of its noise."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes) -> None:
        self._child, self._stdin = child, stdin
        self._out, self._err = bytearray(), bytearray()
        self._waiting = threading.Thread(target=self._await_end, daemon=True)
        jobs = (self._feed, self._read_answer, self._read_noise)
        self._talking = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in (self._waiting, *self._talking):
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether the child ended by itself in that time (or was stopped for saying too much)."""
        self._waiting.join(seconds)
        return not self._waiting.is_alive()

    def finish(self) -> tuple[bytes, bytes]:
        """What was read. A process that escaped the group may hold the pipes: it is not awaited."""
        for thread in self._talking:
            thread.join(1.0)
        return bytes(self._out), bytes(self._err)

    def _await_end(self) -> None:
        """Without reaping it where that can be done: its group's number is then nobody else's."""
        if hasattr(os, "waitid"):
            with suppress(OSError):
                os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._child.wait()

    def _feed(self) -> None:
        assert self._child.stdin is not None
        with suppress(OSError, ValueError), self._child.stdin as stream:
            stream.write(self._stdin)

    def _read_answer(self) -> None:
        assert self._child.stdout is not None
        with suppress(OSError, ValueError), self._child.stdout as stream:
            while piece := os.read(stream.fileno(), PIECE):
                self._out += piece
                if len(self._out) > MOST_OUTPUT:
                    self._child.kill()
                    return

    def _read_noise(self) -> None:
        assert self._child.stderr is not None
        with suppress(OSError, ValueError), self._child.stderr as stream:
            while piece := os.read(stream.fileno(), PIECE):
                self._err += piece
                del self._err[:-MOST_NOISE]


_SIGNS_OF_NO_MEMORY = ("memoryerror", "std::bad_alloc", "out of memory", "allocate memory")


def _why(code: int, stderr: bytes) -> str:
    """Why a child ended as it did."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")[:300]
    if any(sign in last.lower() for sign in _SIGNS_OF_NO_MEMORY):
        return "ran out of memory"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"died of {name}{': ' + last if last else ''}"
    return f"ended with code {code}{': ' + last if last else ''}"


def _read(text: bytes, trust: tuple[str, ...], condition: Condition) -> NoViolation | Points | Open:
    """The child's answer. Raises BackendError unless it has exactly one of the four forms."""
    nonsense = BackendError("gave an answer that is none")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise nonsense from None
    match data:
        case {"open": str(reason), **rest} if not rest:
            return Open(reason)
        case {"no_violation": True, "said": str(said), **rest} if not rest:
            return NoViolation(trust, said=said)
        case {"no_violation": True, "said": str(said), "tree": tree, **rest} if not rest:
            return NoViolation(trust, _tree(tree, condition), said)
        case {"points": list(points), "said": str(said), **rest} if not rest:
            try:
                array = np.array([_row(row) for row in points], dtype=np.float64)
            except (TypeError, ValueError):
                raise nonsense from None
            return Points(array, said)
    raise nonsense


def _tree(data: object, condition: Condition) -> SplitTree:
    """One forest over the regions, whose leaves' reasons speak of the constraints."""
    try:
        return decode_tree(data, condition.regions, len(condition.violation), "tree")
    except InputError as error:
        raise BackendError(f"gave a split tree that is none: {error}") from None


def _row(data: object) -> list[float]:
    if not isinstance(data, list):
        raise TypeError
    return [_number(v) for v in data]


def _number(value: object) -> float:
    """A float as the worker writes it; what is none becomes NaN."""
    if not isinstance(value, str):
        raise TypeError
    try:
        return float.fromhex(value)
    except (ValueError, OverflowError):
        return math.nan
