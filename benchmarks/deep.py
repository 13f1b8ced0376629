"""The deep candidate: V 2-40-40-1 and a controller 2-10-10-1 for Van der Pol with |u| ≤ 1."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from benchmarks.measure import Timed, milliseconds, timed
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Claim, Proved, Requested
from certify.candidate_file import load_candidate
from systems import zoo

CANDIDATE = Path(__file__).parent / "candidates" / "van_der_pol_deep.json"
LIMIT = 0.3
PUBLISHED_VOLUME = 57.6
BUDGET = 60.0
COLUMNS = (
    "what is proved", "verdict", "c1", "c2", "volume at least", "volume at most", "boxes",
    "decrease", "searches", "in all",
)  # fmt: skip
NOTES = (
    "Trained by benchmarks/train_van_der_pol.py; its own networks, of the published sizes, on the "
    "published box ±(4.8, 10.8). Levels are those of V(x) = N(x) - N(0) - ∇N(0)·x, which starts at "
    "0; the published band 0.01 ≤ V ≤ 0.989 is of another network and another scale.",
    "Published for networks of this size (arXiv 2506.01356): α,β-CROWN on an RTX 5090 3.94 s, "
    "dReal 39,265 s; best region volume 57.6 ± 3.4. Those figures were not measured here.",
    "1-3: decrease, containment, small set, with fixed constants; with the origin: asymptotic "
    "stability. In all: with deriving and preparing the statement. The kernels are "
    "compiled before.",
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    candidate, name = load_candidate(CANDIDATE)
    system = zoo.system(name)
    proved = candidate.provenance["proved"]
    assert isinstance(proved, dict)
    c1, c2, mu, epsilon = (
        None if proved[k] is None else Fraction(proved[k]) for k in ("c1", "c2", "mu", "epsilon")
    )
    rows = []
    for words, asked, limit in (
        ("1-3, constants given", Requested(c1, c2, mu, epsilon, Claim.PRACTICAL_STABILITY), LIMIT),
        ("with the origin, constants given", Requested(c1, c2, mu, epsilon), LIMIT),
        ("with the origin, constants searched for", Requested(), None),
    ):
        found = timed(system, candidate, asked, BUDGET, settings.repeats)
        rows.append(_row(words, found, limit))
        settings.say("  ".join(rows[-1].cells))
    yield Report("deep", "Deep networks for Van der Pol, |u| ≤ 1", NOTES, COLUMNS, rows)


def _row(words: str, found: Timed, limit: float | None) -> Row:
    constants, paving = found.result.constants, found.result.paving
    proved = isinstance(found.result.verdict, Proved)
    reason = f"{found.verdict}: {found.reason}"
    bars = []
    if limit is not None:
        seconds = {"searches": found.search_seconds, "in all": found.seconds}
        bars += [Bar(k, limit, v if proved else None, reason=reason) for k, v in seconds.items()]
    volume = None if paving is None else paving.volume
    bars.append(
        Bar("volume, published", PUBLISHED_VOLUME, volume, unit="", at_least=True, reason=reason)
    )
    cells = (
        words, found.verdict if proved else reason,
        "–" if constants is None else f"{float(constants.c1):.4g}",
        "–" if constants is None else f"{float(constants.c2):.4g}",
        "–" if paving is None else f"{paving.volume:.2f}",
        "–" if paving is None else f"{paving.at_most:.2f}",
        str(found.result.boxes), milliseconds(found.searches.get("decrease", 0.0)),
        milliseconds(found.search_seconds), milliseconds(found.seconds),
    )  # fmt: skip
    return Row(cells, {"what": words, **found.data()}, bars)
