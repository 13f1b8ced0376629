"""``stableproof systems NAME`` shows the equations and the running cost."""

from __future__ import annotations

from tests.cli.conftest import Run


def test_the_equations_and_the_cost_are_shown(stableproof: Run) -> None:
    out = stableproof("systems", "lorenz").out
    assert "x2' = 28*x1 - x2 - x1*x3" in out
    assert "x1**2 + x2**2 + x3**2 + u**2" in out
    data = stableproof("systems", "van-der-pol", "--json").data["system"]
    assert data["dynamics"] == {"x1": "x2", "x2": "-x1 + (1 - x1**2)*x2 + u"}
    assert data["cost"] == {"Q": "x1**2 + x2**2", "R": "u**2"}
