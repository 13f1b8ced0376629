"""Inputs to a reader of certificates, in processes that are watched.

A process may die or hang, and it is another one that goes on. While an input is read, an audit hook
notes every attempt to write a file, to start a program, or to run code.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from benchmarks.documents import Document
from benchmarks.fuzz_inputs import fuzz_input
from benchmarks.fuzz_large import large_input

Reader = Literal["checker", "loader"]
Source = Literal["fuzz", "large"]

MEMORY = 6 * 2**30
"""Address space of a process, in bytes: a bomb ends it, and not the machine."""
FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "exec",
    "compile", "import", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "socket.connect", "urllib.Request", "shutil.", "tempfile.",
    "ctypes.dlopen", "pickle.find_class", "webbrowser.open",
)  # fmt: skip


@dataclass(frozen=True)
class Read:
    """What became of an input.

    ``status`` is the checker's; of the loader, "loaded" or "refused"; "crash" where an exception
    left it, "died" or "hung" where the process did, "acted" where it did what is forbidden.
    ``data`` is the input itself where it was taken; ``memory`` the process's peak so far, in bytes.
    """

    number: int
    family: str
    status: str
    message: str
    seconds: float
    memory: int
    data: bytes | None = None
    claim_hash: str | None = None


@dataclass(frozen=True)
class Task:
    """Inputs ``start`` to ``stop``, by ``step``, of a source, for one of the readers."""

    reader: Reader
    source: Source
    seed: int
    start: int
    stop: int
    step: int = 1


def run_tasks(
    subjects: Sequence[Document], tasks: Sequence[Task], processes: int, limit: float
) -> Iterator[Read]:
    """All inputs of the tasks; each may take ``limit`` seconds."""
    pending, watched = list(reversed(tasks)), dict[Any, _Watched]()
    try:
        while pending or watched:
            while pending and len(watched) < processes:
                new = _Watched(subjects, pending.pop())
                watched[new.connection] = new
            for ready in wait(list(watched), timeout=1.0):
                assert isinstance(ready, Connection)
                yield from _received(watched, ready, pending)
            for key, one in list(watched.items()):
                # What has answered waits for us: judging what was read may take long, too.
                if time.monotonic() - one.since > limit and not one.connection.poll():
                    watched.pop(key).end()
                    yield one.lost("hung", f"more than {limit:g} s")
                    pending += one.rest()
    finally:
        for one in watched.values():
            one.end()


def _received(
    watched: dict[Any, _Watched], ready: Connection, pending: list[Task]
) -> Iterator[Read]:
    one = watched[ready]
    try:
        found: Read | float = ready.recv()
    except EOFError:
        watched.pop(ready).end()
        if not one.finished:
            yield one.lost("died", "the process ended")
            pending += one.rest()
        return
    if isinstance(found, float):  # an input is made, and reading it began then
        one.since = found
    else:
        one.since = time.monotonic()
        one.next = found.number + one.task.step
        yield found


class _Watched:
    """A process at work on a task, and how far it is."""

    def __init__(self, subjects: Sequence[Document], task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.task, self.next, self.subjects = task, task.start, subjects
        self.connection, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(theirs, subjects, task), daemon=True)
        self.process.start()
        theirs.close()
        self.since = time.monotonic()

    @property
    def finished(self) -> bool:
        return self.next >= self.task.stop

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def lost(self, status: str, message: str) -> Read:
        family, data = _input(self.subjects, self.task, self.next)
        kept = data if len(data) < 10**7 else None
        return Read(self.next, family, status, message, time.monotonic() - self.since, 0, kept)

    def rest(self) -> list[Task]:
        task, start = self.task, self.next + self.task.step
        if start >= task.stop:
            return []
        return [Task(task.reader, task.source, task.seed, start, task.stop, task.step)]


def _input(subjects: Sequence[Document], task: Task, number: int) -> tuple[str, bytes]:
    if task.source == "large":
        return large_input(subjects[0], number)
    return fuzz_input(subjects, task.seed, number)


def _work(connection: Connection, subjects: Sequence[Document], task: Task) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with tempfile.TemporaryDirectory() as folder:
        read = READERS[task.reader](Path(folder))
        read(_input(subjects, Task(task.reader, "fuzz", -1, 0, 1), 0)[1], lambda: None)
        acts = _Acts()
        sys.addaudithook(acts.note)
        for number in range(task.start, task.stop, task.step):
            family, data = _input(subjects, task, number)
            connection.send(time.monotonic())
            found = _one(read, data, acts)
            peak = _peak_memory()
            kept = data if found[0] in ("valid", "crash", "acted") and len(data) < 10**7 else None
            connection.send(Read(number, family, *found[:3], peak, kept, found[3]))


def _peak_memory() -> int:
    """The most memory this program has held, in bytes.

    What getrusage tells begins, on Linux, with the peak of the process that started this one.
    """
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


Outcome = tuple[str, str, float, str | None]
ReadOne = Callable[[bytes, Callable[[], None]], tuple[str, str, str | None]]


def _one(read: ReadOne, data: bytes, acts: _Acts) -> Outcome:
    acts.seen.clear()
    began = time.perf_counter()
    try:
        status, message, claim = read(data, acts.arm)
    except Exception as error:  # whatever leaves a reader is a finding
        status, message, claim = "crash", f"{type(error).__name__}: {error}"[:300], None
    finally:
        acts.armed = False
    seconds = time.perf_counter() - began
    if acts.seen:
        status, message = "acted", ", ".join(sorted(acts.seen))[:300]
    return status, message, seconds, claim


class _Acts:
    """What is forbidden and was tried all the same, while ``armed``."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.armed = False

    def arm(self) -> None:
        self.armed = True

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: it stays for as long as the process does."""
        if not self.armed:
            return
        if event == "open":
            _, mode, flags = arguments
            writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writing or (isinstance(mode, str) and set(mode) & set("wax+")):
                self.seen.add(f"open for writing: {arguments[0]!r}")
        elif event.startswith(FORBIDDEN):
            self.seen.add(f"{event}{arguments!r}"[:100])


def _checker(folder: Path) -> ReadOne:
    from proofs.checker import check_bytes

    def read(data: bytes, arm: Callable[[], None]) -> tuple[str, str, str | None]:
        arm()
        found = check_bytes(data, 1)
        return found.status, found.message, found.claim_hash

    return read


def _loader(folder: Path) -> ReadOne:
    from proofs.certificate_reader import load_certificate
    from systems.errors import InputError

    path = folder / "certificate.json"

    def read(data: bytes, arm: Callable[[], None]) -> tuple[str, str, str | None]:
        path.write_bytes(data)
        arm()
        try:
            load_certificate(path)
        except InputError as error:
            one_line = "\n" not in str(error)
            return ("refused" if one_line else "crash"), str(error)[:300], None
        return "loaded", "", None

    return read


READERS: dict[Reader, Callable[[Path], ReadOne]] = {"checker": _checker, "loader": _loader}
