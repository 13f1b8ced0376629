"""LiRPA: linear relaxations, by the library auto_LiRPA: an independent cross-check."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from certify.backends.base import Availability, Backend, Lead, NoViolation, Soundness
from certify.backends.child import solve_in_child
from certify.backends.taylor import own_version
from certify.branch_and_bound import engine_of, search
from certify.budget import Budget
from certify.conditions import Condition
from certify.enclosure.engine import LINEAR
from systems.expression import Op
from systems.tape import Tape

METHODS = ("ibp", "crown-ibp", "crown", "alpha-crown")

_PACKAGES = {"torch": "torch", "tqdm": "tqdm", "appdirs": "appdirs", "auto-LiRPA": "auto_LiRPA"}
"""The module of each distribution that is needed."""

_EXTRA = "pip install 'stableproof[lirpa]'"
_LIBRARY = "pip install --no-deps auto-LiRPA==0.3"

_CUT_BY_RELAXATIONS = frozenset({Op.SIN, Op.COS, Op.TAN})


@dataclass(frozen=True)
class Lirpa(Backend):
    """Branch and bound over linear relaxations: our own, rigorous ones, or auto_LiRPA's bounds.

    ``method`` is None for our own; else "ibp" (interval bounds), "crown-ibp", "crown" (Zhang et al.
    2018, "Efficient neural network robustness certification with general activation functions") or
    "alpha-crown" (Xu et al. 2021, "Fast and complete") of the library, which takes no account of
    rounding: never a proof alone. Closing the leaves of such a proof's tree anew by our own
    enclosures (:func:`certify.reprove.reprove`) gives one that rests on nothing.
    Raises ValueError for another method.
    """

    method: str | None = None
    name: str = field(init=False)
    soundness: Soundness = field(init=False)

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            raise ValueError(f"the method {self.method[:40]!r} is none of {', '.join(METHODS)}")
        own = self.method is None
        object.__setattr__(self, "name", "lirpa" if own else f"lirpa:{self.method}")
        sound = Soundness.RIGOROUS if own else Soundness.NOT_FLOAT_SOUND
        object.__setattr__(self, "soundness", sound)

    def availability(self) -> Availability:
        if self.method is None:
            return Availability(True, own_version())
        found = {name: _version(name) for name in _PACKAGES}
        missing = [f"the package {name}" for name, v in found.items() if v is None]
        library = found["auto-LiRPA"]
        if library is not None and not is_supported(library):
            missing.append(f"auto-LiRPA 0.3, or 0.7 and later: {library[:20]} is installed")
        install = []
        if any(found[name] is None for name in ("torch", "tqdm", "appdirs")):
            install.append(_EXTRA)
        if library is None or not is_supported(library):
            install.append(_LIBRARY)
        return Availability(not missing, library, tuple(missing), tuple(install))

    def explain_unsupported(self, condition: Condition) -> str | None:
        if self.method is not None:
            reason = refused(condition, self.method, _version("auto-LiRPA") or "")
            if reason is not None:
                return reason
        try:
            engine_of(condition)  # at least it confirms counterexamples
        except ValueError as error:
            return str(error)
        return None

    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        if self.method is None:
            return search(condition, budget, order=LINEAR, seed=seed).verdict
        library = _version("auto-LiRPA") or ""
        options = {"method": self.method, "version": library, "boxes": budget.boxes, "seed": seed}
        trust = (
            f"auto_LiRPA {library}, method {self.method}: bounds without regard to rounding, "
            "not float-sound",
            f"torch {_version('torch')}",
        )
        lead = solve_in_child("lirpa", condition, budget, options, trust=trust)
        if isinstance(lead, NoViolation) and lead.evidence is None:
            return NoViolation(trust, said=f"{lead.said}, without a tree")
        return lead


def is_supported(library: str) -> bool:
    """Whether we know how to use that version: 0.3, or 0.7 and later."""
    try:
        major, minor = (int(part) for part in library.split(".")[:2])
    except ValueError:
        return False
    return (major, minor) == (0, 3) or (major, minor) >= (0, 7)


def refused(condition: Condition, method: str, library: str) -> str | None:
    """Why the library's bounds of the condition's tape are not to be used, or None.

    What is refused was seen to fail against ball arithmetic. Division, square roots, softplus,
    min, max and powers are spelt out in operations that did not (:mod:`lirpa_graph`).
    """
    outputs = [condition.tape.outputs[c.output] for c in condition.violation]
    tape: Tape = condition.tape.with_outputs(outputs)
    used = {tape.instructions[r].op for r in tape.needed if tape.varying[r]}
    if Op.STEP in used:
        return "the operation step is not supported: at 0 it takes every value of [0, 1]"
    cut = sorted(op.value for op in used & _CUT_BY_RELAXATIONS)
    if method != "ibp" and cut:
        why = (
            "auto_LiRPA 0.3 interpolates its lines in a table, and they cut the function by up to "
            "5e-6"
            if library.startswith("0.3")
            else f"the lines of auto_LiRPA {library} cut sums of such functions now and then"
        )
        return f"the operation {cut[0]} is not supported by {method}: {why}; lirpa:ibp takes it"
    return None


def _version(distribution: str) -> str | None:
    """The installed version, without an import; None where it cannot be imported."""
    try:
        found = version(distribution)
        return found if find_spec(_PACKAGES[distribution]) is not None else None
    except (PackageNotFoundError, ImportError, ValueError):
        return None
