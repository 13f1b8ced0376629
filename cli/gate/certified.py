"""What a certificate certifies: theorem, constants, region. Read here, judged elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from certify.result import Requested
    from proofs.statement_reader import Statement
    from systems.box import Box


@dataclass(frozen=True, eq=False)
class Certified:
    """The statement of a certificate. ``volume`` is the lower bound of that of its region.

    ``value`` is the digest of V's tape: with the same V on the same box, levels can be compared.
    ``control`` and ``dynamics`` are those of the other programs of the closed loop.
    ``about`` is what else the regions of two certificates have to agree in to be compared, by name.
    ``statement_hash`` names the claim.
    """

    theorem: str
    system: str
    constants: Mapping[str, Fraction | None]
    domain: Box
    volume: Fraction | None
    unit: str
    value: str
    control: str | None
    dynamics: str
    about: Mapping[str, object]
    statement_hash: str

    @property
    def c2(self) -> Fraction:
        c2 = self.constants["c2"]
        assert c2 is not None  # every theorem has one
        return c2


def certified_by(document: Mapping[str, Any]) -> Certified:
    """The claim of a loaded certificate. Raises InputError where it is malformed."""
    from proofs.certificate_reader import statement_from

    statement, volume = statement_from(document), document["volume"]
    return Certified(
        statement.theorem,
        statement.system,
        statement.constants,
        statement.domain,
        None if volume is None else Fraction(float.fromhex(volume["at_least"])),
        "" if volume is None or volume["unit"] == "1" else str(volume["unit"]),
        statement.value.digest,
        None if statement.control is None else statement.control.digest,
        statement.dynamics.digest,
        _about(statement),
        str(document["sha256"]["statement"]),
    )


def _about(statement: Statement) -> dict[str, object]:
    """Volumes in other units are other numbers; and what a region withstands or avoids counts."""
    return {
        "time": statement.time,
        "set of states or units": statement.states,
        "equilibrium": statement.equilibrium,
        "set of disturbances": (statement.disturbances, statement.disturbance_range),
        "list of unsafe sets": _unsafe(statement),
    }


def _unsafe(statement: Statement) -> tuple[tuple[str, str], ...]:
    """Name and formulas of each. The sets that keep inputs off their limits count by name alone:
    their formulas are the controller's, which may be another one."""
    from certify.free_inputs import limit_labels

    labels: set[str] = set()
    if statement.converges:
        labels = {
            label for pair in limit_labels(q.name for q in statement.inputs) for label in pair
        }
    return tuple((a, "" if a in labels else tape.digest) for a, tape in statement.unsafe)


def gap_between(certified: Certified, asked: Requested, domain: Box) -> str | None:
    """Why the certificate is not for the theorem and constants asked for; None where it is.

    What was not asked for may be anything: the prover chooses it. It chooses a smaller box D than
    the system's only where no level is fixed.
    """
    if certified.theorem != asked.claim.value:
        return f"it is for {certified.theorem}, not {asked.claim.value}"
    for name in (f.name for f in fields(asked) if f.name != "claim"):
        wanted, stated = getattr(asked, name), certified.constants.get(name)
        if wanted is not None and stated != wanted:
            there = "none" if stated is None else f"{float(stated):.6g}"
            return f"it has {name} = {there}, not {float(wanted):.6g}"
    if (asked.c1 is not None or asked.c2 is not None) and certified.domain != domain:
        return "it is for a smaller domain than the system's"
    return None
