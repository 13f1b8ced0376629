"""BLAS on one thread, where threads of its own would do harm.

On a busy machine the threads of a BLAS wait for each other, spinning: training took up to a hundred
times as long, and a search, whose chunks run on threads of ours, ten times.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import cast

from threadpoolctl import ThreadpoolController


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def single_threaded_blas() -> AbstractContextManager[object]:
    """A context in which matrix products and factorisations run on the calling thread."""
    return cast(AbstractContextManager[object], _blas().limit(limits=1))
