"""Beside the proved region: other regions of the same plant, and why it is no larger."""

from __future__ import annotations

from collections.abc import Mapping

from certify.result import StabilityResult
from proofs.report_words import rounded_down, text

SEEN = 1.001
"""Two volumes that differ by less are told as one."""


def beside(result: StabilityResult, told: Mapping[str, object]) -> list[str]:
    """A sentence each, in Markdown, for what a run's record holds; nothing of what it does not.

    Of ``told``: ``no_larger_region``, a reason; ``region``, ``larger_ellipsoid`` and ``lqr``, each
    with the ``volume`` that was proved.
    """
    if result.theorem is None:
        return []
    lines = []
    reason = told.get("no_larger_region")
    if isinstance(reason, str):
        lines.append(
            "A larger region was looked for first, between two levels of the candidate's V; that "
            f"search ended open: {text(reason)}."
        )
    own = 0.0 if result.plain_volume is None else result.plain_volume.at_least
    best = _volume(told.get("region"))
    if best is not None and best > SEEN * own:
        own = best
        lines.append(
            "A search has proved more, with an ellipsoid inside the region: a volume of at least "
            f"{rounded_down(best)}. The certificate does not hold that search, so that `check` "
            "tells the smaller volume."
        )
    larger, lqr = _volume(told.get("larger_ellipsoid")), _volume(told.get("lqr"))
    if larger is not None:
        lines.append(
            "An ellipsoid of its own shape is larger: `--claim local-stability` proves a volume "
            f"of at least {rounded_down(larger)}."
        )
    if lqr is not None:
        share = f", of which ours has {own / lqr:.3g}" if own > 0 else ""
        lines.append(
            "LQR's own gain, with its own quadratic and by the same method, has a region of at "
            f"least {rounded_down(lqr)}{share}."
        )
    return [part for line in lines for part in (line, "")]


def _volume(found: object) -> float | None:
    volume = found.get("volume") if isinstance(found, Mapping) else None
    return volume if isinstance(volume, float) and 0.0 < volume < float("inf") else None
