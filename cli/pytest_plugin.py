"""A pytest plugin with one fixture, ``assert_proved``: a test that a controller is proved stable.

    def test_the_pendulum_is_stable(assert_proved):
        assert_proved("pendulum", "runs/pendulum/candidate.json", region="0.029")

Importing this module costs nothing: whatever a proof needs is imported by the first test that asks
for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested
    from cli.gate.assertion import Proof
    from systems.dynamics import ControlAffineSystem

OPTION = "--stableproof-certificates"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("stableproof").addoption(
        OPTION,
        metavar="DIR",
        default=None,
        help="Folder for the certificates of assert_proved (default: each test's tmp_path).",
    )


@pytest.fixture
def assert_proved(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Proof]:
    """``assert_proved(system, candidate, region=None, **claim)``: prove it, or fail the test.

    ``system`` is a name of the zoo, a system file or a system; ``candidate`` a candidate file, a
    run's folder or a candidate. ``region`` is what the certified region has to be: a box as
    ``{"theta": (-0.1, 0.1), …}`` that it has to hold, a level c2, or a
    :class:`certify.result.Requested`; without it, the largest that is found will do. ``claim`` are
    ``theorem``, ``rate``, ``c1``, ``c2``, ``mu``, ``epsilon``, ``minimum_volume``, ``time_budget``
    (seconds) and ``seed``, as in a gate file. Numbers are taken exactly as they print: 0.029 is
    29/1000.

    The certificate is checked by the independent checker too, and kept in ``tmp_path`` or in the
    folder of ``--stableproof-certificates``. Returns a Proof: its path, c2 and volume. The test
    fails in one line: with the counterexample, the reason, or what cannot be read.
    """
    chosen = request.config.getoption(OPTION)
    folder = tmp_path if chosen is None else Path(str(chosen))
    calls = 0

    def prove(
        system: str | PathLike[str] | ControlAffineSystem,
        candidate: str | PathLike[str] | Candidate,
        region: Mapping[str, Any] | Requested | str | float | Fraction | None = None,
        **claim: Any,
    ) -> Proof:
        __tracebackhide__ = True
        from cli.gate.assertion import NotProvedError, prove_for_test
        from systems.errors import InputError

        nonlocal calls
        calls += 1
        path = folder / f"{_file_name(request.node.nodeid, calls)}.json"
        try:
            return prove_for_test(system, candidate, region, path, **claim)
        except NotProvedError as error:
            reason = str(error)
        except InputError as error:
            reason = f"input error: {' '.join(str(error).split())}"
        pytest.fail(reason)  # outside of the handler: nobody wants to see how it came here

    return prove


def _file_name(nodeid: str, call: int) -> str:
    """A name of a test's own, whatever stands in its parameters."""
    from cli.gate.file import slugs_of

    own = hashlib.sha256(f"{nodeid} {call}".encode()).hexdigest()[:8]
    return f"{slugs_of([nodeid.rpartition('::')[2]])[0]}-{own}"
