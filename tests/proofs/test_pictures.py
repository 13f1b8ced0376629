"""What the pictures are made of: solutions, units of time, legends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from certify import Claim
from proofs import picture_style as style
from proofs.figure_paving import TOGETHER
from proofs.picture_data import Scene
from proofs.picture_parts import decrease_leaves, draw_leaves, frame
from tests.certify.claims import plant
from tests.proofs import results


def test_solutions_together_are_those_one_by_one() -> None:
    scene = Scene(results.proved())
    starts = scene.starts(5)
    together, alone = scene._together(starts, 2.0, 20.0), scene._one_by_one(starts, 2.0, 20.0)
    assert together is not None
    # Their times differ: together, most lie at the beginning.
    smooth = CubicSpline(together.times, together.states, axis=1)
    np.testing.assert_allclose(smooth(alone.times), alone.states, atol=1e-5)


def test_a_solution_that_leaves_is_integrated_on_its_own() -> None:
    scene = Scene(results.proved())
    starts = np.array([[0.0, 0.0], [0.9, 0.9]])
    assert scene._together(starts, 5.0, 0.95) is None


def test_the_unit_of_time_is_read_from_the_states() -> None:
    result = results.proved()
    assert Scene(result).time_unit == "s"
    assert Scene(results.proved("synthetic-1")).time_unit == ""


def test_a_legend_names_only_the_reasons_that_are_drawn() -> None:
    scene = Scene(results.proved())
    leaves = decrease_leaves(scene)
    assert leaves is not None
    single = replace(leaves, kind=np.full_like(leaves.kind, leaves.words.index(TOGETHER)))
    figure = Figure()
    axes = figure.subplots()
    with style.styled():
        frame(axes, scene, 0, 1)
        draw_leaves(axes, scene, single, 0, 1)
    labels = axes.get_legend_handles_labels()[1]
    assert TOGETHER in labels and not set(leaves.words[:-1]) & set(labels)


def test_where_there_is_one_level_one_is_drawn() -> None:
    """Of local stability, c1 = c2 = core; a band has two."""
    loop = plant(["-x1 + x1**3"], domain=[(-2, 2)])
    assert Scene(loop.prove(Claim.LOCAL_STABILITY)).c1 is None
    banded = Scene(loop.prove(Claim.ASYMPTOTIC_STABILITY))
    assert banded.c1 is not None and banded.c2 is not None and banded.c1 < banded.c2
