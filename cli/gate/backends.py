"""The backends that a claim may name: those of :mod:`certify.backends`, and the checker.

``taylor`` finds the evidence; the checker, which shares no code with it, replays it, and is asked
in any case. The others are asked whether each condition of the certificate holds. A claim is
proved only if every backend that it names agrees.
"""

from __future__ import annotations

from collections.abc import Sequence

from systems.errors import InputError

PROVER, CHECKER = "taylor", "checker"


def check_backends(names: Sequence[str], where: str) -> None:
    """Raises InputError for a backend that there is not, or one named twice."""
    from certify.backends import names as registered
    from systems.formulas import did_you_mean

    available = (*registered(), CHECKER)
    for i, name in enumerate(names):
        if name not in available:
            hint = did_you_mean(name[:40], available)
            raise InputError(f"{where}: there is no backend {name[:40]!r}{hint}")
        if name in names[:i]:
            raise InputError(f"{where}: the backend {name!r} is named twice")


def may_prove(names: Sequence[str]) -> bool:
    """Whether one of them can find a proof; without, only an existing certificate is checked."""
    return PROVER in names


def must_agree(names: Sequence[str]) -> tuple[str, ...]:
    """Those that have to confirm what a certificate, which the checker accepted, proves."""
    return tuple(n for n in names if n not in (PROVER, CHECKER))
