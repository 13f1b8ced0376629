"""What dReal needs on this system: its package, the shared libraries beside it, or its executable.

Nothing is imported and hardly anything loaded, so that asking is quick and cannot fail.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

INSTALL_PACKAGE = "pip install 'stableproof[dreal]'"
INSTALL_IBEX = (
    "sudo add-apt-repository ppa:dreal/dreal && sudo apt-get update "
    "&& sudo apt-get install libibex-dev"
)
INSTALL_ON_MACOS = "brew tap dreal/dreal && brew install dreal"


@dataclass(frozen=True)
class Library:
    """A shared library that the wheel does not carry, and the Debian package that has it."""

    file: str
    what: str
    package: str | None = None


LINUX = (
    Library("libibex.so", "IBEX, dReal's build of it, which is not in Debian"),
    Library("libClp.so.1", "coin-or CLP", "coinor-libclp1"),
    Library("libClpSolver.so.1", "coin-or CLP", "coinor-libclp1"),
    Library("libCoinUtils.so.3", "coin-or CLP", "coinor-libcoinutils3v5"),
    Library("libnlopt.so.0", "NLopt", "libnlopt0"),
    Library("liblapack.so.3", "LAPACK", "liblapack3"),
    Library("libblas.so.3", "BLAS", "libblas3"),
)
MACOS = (
    Library("libibex.dylib", "IBEX"),
    Library("libClp.1.dylib", "coin-or CLP"),
    Library("libnlopt.0.dylib", "NLopt"),
)

FOLDERS = (
    "/opt/libibex/2.7.4/lib",  # where the wheel looks first
    "/opt/homebrew/lib",
    "/usr/local/lib",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
)


@dataclass(frozen=True)
class Parts:
    """What was found: ``version`` of the package, libraries it lacks, an executable."""

    version: str | None
    missing: tuple[Library, ...]
    executable: str | None

    @property
    def loads(self) -> bool:
        """Whether the package is there with all that it needs."""
        return self.version is not None and not self.missing

    def missing_lines(self) -> tuple[str, ...]:
        lines = [f"{library.file} ({library.what})" for library in self.missing]
        if self.version is None:
            lines.insert(0, "the package dreal, or the executable dreal on the PATH")
        return tuple(lines)

    def install_lines(self) -> tuple[str, ...]:
        """The commands to run here."""
        lines = [INSTALL_PACKAGE] if self.version is None else []
        if not self.missing:
            return tuple(lines)
        if sys.platform == "darwin":
            return (*lines, INSTALL_ON_MACOS)
        packages = sorted({x.package for x in self.missing if x.package is not None})
        if packages:
            lines.append(f"sudo apt-get install {' '.join(packages)}")
        if any(x.package is None for x in self.missing):
            lines.append(INSTALL_IBEX)
        return tuple(lines)


def find_parts() -> Parts:
    """Look for all of it. Never raises."""
    folder = _package_folder()
    found = None if folder is None else _package_version()
    return Parts(found, _missing(folder), shutil.which("dreal"))


def _package_folder() -> Path | None:
    try:
        spec = find_spec("dreal")
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin:
        return None
    return Path(spec.origin).parent


def _package_version() -> str:
    try:
        return version("dreal")
    except (PackageNotFoundError, ValueError):
        return "of unknown version"


def _missing(folder: Path | None) -> tuple[Library, ...]:
    """The libraries that the package there, or one to be installed, would lack."""
    if folder is not None and not any(folder.glob("*.so")):
        return ()
    wanted = MACOS if sys.platform == "darwin" else LINUX
    places = [*os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep), *FOLDERS]
    if folder is not None:
        places.append(str(folder))
    cache = _loader_cache()
    return tuple(x for x in wanted if not _is_there(x.file, places, cache))


def _is_there(file: str, places: Sequence[str], cache: bytes) -> bool:
    """By its name where possible: loading a library costs time, and may start threads."""
    if any(place and os.path.exists(os.path.join(place, file)) for place in places):
        return True
    if b"\0" + file.encode() + b"\0" in cache:
        return True
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def _loader_cache() -> bytes:
    """The names that the dynamic loader knows (glibc); nothing where there is no such file."""
    try:
        return Path("/etc/ld.so.cache").read_bytes()
    except OSError:
        return b""
