"""Children of backends that start in milliseconds: forks of a server that has imported it all.

A test that asks hundreds of times would otherwise spend its minutes on importing solvers. What
runs in a child is the worker itself, on the same input, under the same limits.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PRELOADED = ["tests.certify.warm_start", __name__]


def run_child(command: Sequence[str], stdin: bytes, seconds: float) -> bytes | None:
    """In the place of :func:`certify.backends.child.run_child`, for commands of the worker."""
    from certify.backends import child
    from certify.backends.base import BackendError

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        question, answer, noise = (Path(folder) / name for name in ("in", "out", "err"))
        question.write_bytes(stdin)
        process = context.Process(target=serve, args=(command[-1], question, answer, noise))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            return None
        if process.exitcode:
            raise BackendError(child._why(process.exitcode, noise.read_bytes()))
        return answer.read_bytes()


def serve(task: str, question: Path, answer: Path, noise: Path) -> None:
    """One run of the worker, with files for its streams."""
    os.setsid()
    os.dup2(os.open(question, os.O_RDONLY), 0)
    os.dup2(os.open(answer, os.O_WRONLY | os.O_CREAT), 1)
    os.dup2(os.open(noise, os.O_WRONLY | os.O_CREAT), 2)
    from certify.backends import worker

    with open(0, encoding="utf-8", closefd=False) as sys.stdin:
        sys.exit(worker.main(task))
