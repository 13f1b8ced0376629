"""What every training needs around it: torch itself, one thread, and nothing left changed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from systems.errors import InputError
from systems.threads import single_threaded_blas


def require_torch(learner: str) -> None:
    """Raises InputError with the command that installs torch, where it is missing."""
    if importlib.util.find_spec("torch") is None:
        raise InputError(f'{learner} needs torch: pip install "stableproof[train]"')


@contextmanager
def one_thread() -> Iterator[None]:
    """torch and BLAS on the calling thread alone, as small networks like it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with single_threaded_blas():
            yield
    finally:
        torch.set_num_threads(before)
