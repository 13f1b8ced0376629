"""SMT-LIB 2 files of every condition, for dReal and for solvers that keep to the standard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from certify.smtlib import smtlib
from proofs.export.artifact import Artifact, ImpossibleError, LeftOut, Written
from proofs.export.names import commented, file_stem
from proofs.export.source import Source

Dialect = Literal["dreal", "standard"]
UNSAT: Mapping[Dialect, str] = {
    "dreal": '"unsat" means that the condition holds: {claim}. "delta-sat" is only a lead',
    "standard": '"unsat" means that the condition holds: {claim}',
}


def write_smt2(source: Source) -> Written:
    """NAME.DIALECT.smt2 for every condition of the certificate."""
    if not source.conditions:
        raise ImpossibleError("there is no certificate, and so there are no conditions to state")
    artifacts, left_out = [], []
    for name, condition in source.conditions.items():
        origin = (f"Condition: {name}. {condition.claim}", *source.origin)
        for dialect, meaning in UNSAT.items():
            try:
                text = smtlib(condition, dialect=dialect)
            except ValueError as error:
                left_out.append(LeftOut("smt2", f"{name} ({dialect})", str(error)))
                continue
            artifacts.append(
                Artifact(
                    f"smt2/{file_stem(name)}.{dialect}.smt2",
                    (commented(origin, ";") + text).encode("utf-8"),
                    f"the violation of {condition.claim}",
                    name,
                    meaning.format(claim=condition.claim),
                )
            )
    return Written(tuple(artifacts), tuple(left_out))
