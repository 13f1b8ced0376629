"""How the kernels are compiled: once, cached on disk, and never from an older source.

numba checks a cached function against its own file only; what it has inlined from other files may
have changed since. A correction of a bound that a stale cache undoes is no correction, so here the
stamp of every cached function covers all sources of this package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


NO_KERNELS = frozenset({"__init__.py", "engine.py", "folding.py", "layers.py"})
"""Files that nothing compiled depends on: plain Python that calls the kernels."""


@lru_cache(maxsize=1)
def sources_digest() -> str:
    """SHA-256 of every source file of this package that may enter a kernel, in hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name in NO_KERNELS:
            continue
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def jit(function: F) -> F:
    """Compile a kernel: IEEE semantics (no fast-math), no interpreter lock, cached on disk.

    Where nothing can be cached (a read-only installation, another numba) it is compiled anew.
    """
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled.enable_caching()
    except RuntimeError:  # no folder that could be written to
        return compiled  # type: ignore[no-any-return]
    file = getattr(compiled._cache, "_cache_file", None)
    if file is None or not hasattr(file, "_source_stamp"):
        return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]
    file._source_stamp = sources_digest()
    return compiled  # type: ignore[no-any-return]
