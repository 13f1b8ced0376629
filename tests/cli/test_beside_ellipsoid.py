"""What a run tells of the ellipsoid beside its region: only where that is larger, and as much."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import FAST, Run

LORENZ = ("run", "lorenz", "--learner", "lqr")
"""V's level sets are needles along a diagonal of the domain."""


def test_a_larger_ellipsoid_is_told(stableproof: Run, tmp_path: Path) -> None:
    told = stableproof(*LORENZ, "--json").data
    larger, region = told["larger_ellipsoid"], told["region"]
    assert larger["volume"] > 10 * region["volume"]
    assert told["claim"] == "asymptotic stability"
    line = next(r for r in stableproof(*LORENZ).out.splitlines() if r.startswith("ellipsoid"))
    assert f"{larger['volume'] / region['volume']:.3g} times the volume" in line
    stated = float(line.split("volume >= ")[1])
    assert 0.999 * larger["volume"] < stated <= larger["volume"]
    alone = stableproof(*LORENZ, "--claim", "local-stability", "--json").data
    assert alone["region"]["volume"] == pytest.approx(larger["volume"], rel=0.05)
    assert alone["larger_ellipsoid"] is None


@pytest.mark.parametrize(
    "options", [("--c2", "0.01"), ("--mu", "1/10000"), ("--claim", "exponential-stability")]
)
def test_whoever_states_what_is_to_be_proved_hears_of_nothing_else(
    stableproof: Run, options: tuple[str, ...]
) -> None:
    told = stableproof(*LORENZ, *options, "--json").data
    assert told["verdict"] == "proved" and told["larger_ellipsoid"] is None


def test_one_that_is_no_larger_is_not_told(stableproof: Run) -> None:
    assert stableproof("run", *FAST, "--json").data["larger_ellipsoid"] is None
    assert "\nellipsoid " not in stableproof("run", "double-integrator").out
