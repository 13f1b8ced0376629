"""Every claim from the command line: what is told, what is in the JSON, what is refused."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run

LQR = ("--learner", "lqr")


def test_an_exponential_rate_is_found_and_told(stableproof: Run) -> None:
    ended = stableproof("run", "pendulum", *LQR, "--claim", "exponential-stability")
    assert ended.code == 0
    assert "P DF + DF'P + alpha P < 0" in ended.out
    assert "proved: exponentially stable" in ended.out and "at the rate 2.1" in ended.out


def test_a_rate_asked_for_is_exact(stableproof: Run) -> None:
    options = ("--claim", "exponential-stability", "--rate", "1/3", "--json")
    ended = stableproof("run", "pendulum", *LQR, *options)
    assert ended.code == 0 and ended.data["claim"] == "exponential stability"
    assert ended.data["requested"]["alpha"] == "1/3"
    region = ended.data["region"]
    assert region["exact"]["alpha"] == "1/3" and region["mu"] is None
    assert "exp(−0.3333 t)" in ended.data["reason"]


def test_a_rate_that_the_loop_lacks_is_not_proved(stableproof: Run) -> None:
    options = ("--claim", "exponential-stability", "--rate", "100", "--json")
    ended = stableproof("run", "pendulum", *LQR, *options)
    assert ended.code == 3 and ended.data["region"] is None
    assert "rate" in ended.data["reason"]


def test_a_discrete_loop(stableproof: Run) -> None:
    ended = stableproof("run", "pendulum-discrete", *LQR)
    assert ended.code == 0
    for told in ("F(x*) = x*", "DF'P DF - P < 0", "F in the domain where", "V(F) - V <=", "trap"):
        assert told in ended.out


def test_a_disturbance_that_moves_the_equilibrium(stableproof: Run) -> None:
    ended = stableproof("run", "pendulum-disturbed", *LQR, "--json")
    assert ended.code == 1
    assert "F(x*, w) is not 0 for every w" in ended.data["reason"]
    assert "claim practical-stability instead" in ended.data["reason"]
    ended = stableproof("run", "pendulum-disturbed", *LQR, "--claim", "practical-stability")
    assert ended.code == 0
    assert "practical stability for every disturbance" in ended.out
    assert ended.out.count("centre") == 1


def test_unsafe_sets_are_avoided(stableproof: Run) -> None:
    ended = stableproof("run", "double-integrator-unsafe", *LQR)
    assert ended.code == 0
    assert "on wall" in ended.out and "on too fast" in ended.out
    assert "meets nothing unsafe" in ended.out
    ended = stableproof("run", "double-integrator-unsafe", *LQR, "--c2", "3", "--json")
    assert ended.code == 1
    assert ended.data["counterexamples"][0]["condition"] == "avoid 1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pendulum", "--rate", "1"), "only exponential stability and set-point"),
        (
            ("pendulum", "--claim", "exponential-stability", "--mu", "1"),
            "exponential stability has a rate alpha, and no mu",
        ),
        (
            ("pendulum-discrete", *LQR, "--claim", "exponential-stability", "--rate", "1"),
            "below 1",
        ),
        (("pendulum", "--claim", "exponential-stability", "--rate", "-1"), "not positive"),
        (("pendulum", "--claim", "attraction"), "practical-stability"),
    ],
)
def test_constants_that_make_no_sense(
    stableproof: Run, arguments: tuple[str, ...], message: str
) -> None:
    ended = stableproof("run", *arguments)
    assert ended.code == 2 and message in ended.err and not ended.out
