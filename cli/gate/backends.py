"""The backends that a claim may name. Whoever adds one adds it here, and nowhere else in the gate.

A prover finds evidence; a checker, which shares no code with it, replays the evidence. A claim is
proved only if every backend that it names agrees, and the checker is asked in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

from systems.errors import InputError

PROVERS = {"taylor": "branch and bound over Taylor models"}
CHECKERS = {"checker": "the independent checker, in ball arithmetic"}


def check_backends(names: Sequence[str], where: str) -> None:
    """Raises InputError for a backend that there is not, or one named twice."""
    available = {**PROVERS, **CHECKERS}
    for i, name in enumerate(names):
        if name not in available:
            known = ", ".join(available)
            raise InputError(f"{where}: there is no backend {name[:40]!r}; available: {known}")
        if name in names[:i]:
            raise InputError(f"{where}: the backend {name!r} is named twice")


def may_prove(names: Sequence[str]) -> bool:
    """Whether one of them can find a proof; without, only an existing certificate is checked."""
    return any(name in PROVERS for name in names)
