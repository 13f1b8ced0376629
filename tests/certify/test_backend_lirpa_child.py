"""What the child of the LiRPA backend answers is doubted, and so are the bounds of the library."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import Budget, Condition, Constraint, Proved, Refuted, Unknown
from certify.backends import backend, child, worker
from certify.backends.base import BackendError, NoViolation, Open
from certify.backends.lirpa import Lirpa
from certify.backends.lirpa_graph import graph_of
from certify.backends.lirpa_task import grid
from certify.backends.lirpa_tester import BoundsTester
from certify.branch_and_bound import search
from certify.enclosure.engine import Levels
from certify.reprove import reprove
from certify.tree_code import encode_tree
from systems.box import Box
from tests.certify.planted import breaks, state
from tests.certify.test_backend_lirpa import ENOUGH, contracting, pretend
from tests.certify.test_branch_and_bound import bowl, condition
from tests.certify.test_reprove import cut

Array = NDArray[np.float64]


def told(monkeypatch: pytest.MonkeyPatch, data: object) -> None:
    """The child answers this."""
    pretend(monkeypatch)
    monkeypatch.setattr(child, "run_child", lambda *_: json.dumps(data).encode())


def test_a_tree_of_a_false_condition_does_not_make_it_true(monkeypatch: pytest.MonkeyPatch) -> None:
    false = bowl(2, twist=4.0)
    told(monkeypatch, worker.no_violation("unsat", cut(false.regions, 4), false))
    said = backend("lirpa:ibp").ask(false, Budget(10.0))
    assert isinstance(said.verdict, Refuted)
    assert breaks(false, said.verdict.counterexample.point)


BROKEN: dict[str, dict[str, object]] = {
    "no splits": {"splits": 2},
    "an axis that there is not": {"axes": "eNpjZGRkZAQAABwABw=="},
    "damaged": {"reasons": "!"},
    "a key too many": {"more": 1},
    "moved beyond": {"moved_count": 1},
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_tree_that_is_none_is_no_answer(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    true = bowl(2)
    tree = encode_tree(cut(true.regions, 3), true.regions, len(true.violation))
    told(monkeypatch, {"no_violation": True, "said": "unsat", "tree": tree | BROKEN[how]})
    verdict = backend("lirpa:ibp").check(true, Budget(10.0))
    assert isinstance(verdict, Unknown)
    assert verdict.reason.startswith("lirpa:ibp: gave a split tree that is none: tree")


def test_a_child_that_dies_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    program = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(child, "worker_command", lambda task: [sys.executable, "-c", program])
    verdict = backend("lirpa:ibp").check(bowl(2), Budget(10.0))
    assert verdict == Unknown("lirpa:ibp: died of SIGSEGV")


def test_no_tree_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {"no_violation": True, "said": "unsat"})
    lead = Lirpa("ibp").solve(bowl(2), Budget(10.0), 0)
    assert isinstance(lead, NoViolation) and lead.evidence is None and len(lead.trust) == 2
    told(monkeypatch, {"open": "no"})
    assert Lirpa("ibp").solve(bowl(2), Budget(10.0), 0) == Open("no")


def says_below(asked: Condition, above: float, budget: Budget = ENOUGH) -> BoundsTester:
    """Bounds that say every output lies below a number."""
    signs = np.array([float(c.sign) for c in asked.violation])
    graph = graph_of(asked.tape, [c.output for c in asked.violation], signs, np.zeros((1, 2)))

    def bounds(lower: Array, upper: Array) -> tuple[Array, Array, Array]:
        z = np.full((len(lower), len(asked.violation)), above)
        return np.full_like(z, -np.inf), z, np.ones(len(lower))

    return BoundsTester(graph, bounds, budget.started())


def test_a_bound_that_excludes_a_value_is_an_error() -> None:
    with pytest.raises(BackendError, match=r"bound of the library is wrong: .* a value on the box"):
        search(bowl(2), ENOUGH, tester=says_below(bowl(2), -100.0))


def test_a_margin_is_kept() -> None:
    whole = contracting()
    asked = replace(whole, violation=whole.violation[1:])
    levels = Levels.of(asked.violation)
    for excess, closed in ((1e-8, True), (1e-13, False), (0.0, False)):
        bound = float(levels.level[0]) - excess
        low = np.array([[0.5, 0.5]])
        found = says_below(asked, bound).test(low, low + 0.1, 1, levels, np.array([2.0, 2.0]))
        assert bool(found.reason[0] == 0) is closed


def test_out_of_time_leaves_boxes_open() -> None:
    low = np.zeros((9, 2))
    out = says_below(contracting(), -5.0, Budget(0.0)).test(
        low, low + 1, 1, Levels.of(contracting().violation), np.array([2.0, 2.0])
    )
    assert (out.reason == -1).all() and (out.axis >= 0).all() and np.isinf(out.upper).all()


@pytest.mark.parametrize("count", [1, 2, 64])
def test_a_grid_covers_the_regions(count: int) -> None:
    x = state(2)
    flat = condition(
        [x[0]], x, [Constraint(0, "at least", Fraction(9))],
        [Box.of([(-1, 1), ("1/3", "1/3")]), Box.of([(2, 2), (0, 5)])],
    )  # fmt: skip
    tree = grid(flat, count)
    assert tree.roots == 2 and tree.leaves >= count
    assert isinstance(reprove(flat, tree, ENOUGH).verdict, Proved)


@pytest.mark.skipif(
    not Lirpa("crown").availability().available, reason="auto_LiRPA is not installed"
)
def test_loading_the_library_leaves_the_recursion_limit_alone() -> None:
    """It would raise it to a million: a deeply nested file then overflows the stack."""
    program = (
        "import sys; before = sys.getrecursionlimit()\n"
        "from certify.backends.lirpa_compatibility import load\n"
        f"load({version('auto-LiRPA')!r}); print(before == sys.getrecursionlimit())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split()[-1] == "True"
