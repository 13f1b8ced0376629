"""Boxes with exact ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems.box import Box

ENDS = st.fractions(-5, 5, max_denominator=30)
BOXES = st.lists(st.tuples(ENDS, ENDS).map(sorted), min_size=1, max_size=4).map(Box.of)


@given(BOXES, st.data())
def test_halves_cover_the_box_and_nothing_else(box: Box, data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, box.dimension - 1))
    left, right = box.split(axis)
    assert left.volume + right.volume == box.volume
    assert left.upper[axis] == right.lower[axis] == box.centre[axis]
    point = [data.draw(st.fractions(a, b)) for a, b in zip(box.lower, box.upper, strict=True)]
    assert left.contains(point) or right.contains(point)


@given(BOXES)
def test_outer_floats_enclose_the_ends(box: Box) -> None:
    low, high = box.outer()
    for i in range(box.dimension):
        assert Fraction(float(low[i])) <= box.lower[i]
        assert Fraction(float(high[i])) >= box.upper[i]
        assert abs(float(low[i]) - float(box.lower[i])) <= np.spacing(abs(float(box.lower[i])))


@given(BOXES)
def test_faces_lie_on_the_boundary(box: Box) -> None:
    faces = box.faces()
    assert len(faces) == 2 * box.dimension
    for face in faces:
        assert face.volume == 0
        assert box.contains(face.centre) and not box.contains_in_interior(face.centre)


@given(BOXES)
def test_scaling_keeps_the_centre(box: Box) -> None:
    half = box.scaled("1/2")
    assert half.centre == box.centre
    assert half.widths == tuple(w / 2 for w in box.widths)


def test_samples_lie_inside() -> None:
    box = Box.of([["-0.1", "0.3"], [2, 5]])
    points = box.sample(500, np.random.default_rng(0))
    assert points.shape == (500, 2)
    assert (points >= [-0.1, 2]).all() and (points <= [0.3, 5]).all()


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="interval 1 is empty"):
        Box.of([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="at least one"):
        Box((), ())
    with pytest.raises(ValueError, match="outside interval 0"):
        Box.of([[0, 1]]).split(0, at=2)
