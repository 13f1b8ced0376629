"""Definiteness by Z3 against our own exact tests, and against eigenvalues planted by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import ellipsoid
from certify.backends.z3 import Z3
from certify.backends.z3_matrices import (
    Definite,
    Indefinite,
    Intervals,
    lyapunov_decreases,
    positive_definite,
)
from certify.ellipsoid import Rows, product
from systems import quadratic

pytestmark = pytest.mark.skipif(
    not Z3().availability().available, reason="z3-solver is not installed"
)

Array = NDArray[np.float64]
HAIR = Fraction(1, 10**30)


def around(matrix: object, radius: object = 0) -> Intervals:
    r = Fraction(radius)  # type: ignore[arg-type]
    return [[(Fraction(v) - r, Fraction(v) + r) for v in row] for row in matrix]  # type: ignore[attr-defined]


def form(matrix: Rows, x: tuple[Fraction, ...]) -> Fraction:
    return sum(
        (matrix[i][j] * x[i] * x[j] for i in range(len(x)) for j in range(len(x))), Fraction(0)
    )


def symmetric(generator: np.random.Generator, n: int) -> Array:
    """Dyadic entries; definite about as often as not."""
    B = generator.integers(-8, 9, (n, n)) / 8
    return np.asarray(B + B.T + np.eye(n) * n * generator.integers(0, 9) / 8)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_random_matrices_are_judged_as_by_pivots(n: int) -> None:
    generator = np.random.default_rng(n)
    seen = set()
    for _ in range(12):
        P = symmetric(generator, n)
        answer = positive_definite(around(P))
        definite = ellipsoid.is_positive_definite(P)
        assert quadratic.is_positive_definite(ellipsoid.rationals(P)) is definite
        assert isinstance(answer, Definite if definite else Indefinite)
        if isinstance(answer, Indefinite):
            assert any(answer.vector) and answer.matrices == (ellipsoid.rationals(P),)
            assert form(answer.matrices[0], answer.vector) == answer.value
            assert answer.value < HAIR
        seen.add(definite)
    assert seen == {True, False}


@pytest.mark.parametrize("shift, kind", [(HAIR, Definite), (0, Indefinite), (-HAIR, Indefinite)])
def test_a_hair_decides(shift: Fraction | int, kind: type) -> None:
    """xᵀPx = (2x₁ − 3x₂ + x₃)² + x₂² + shift·x₃² has the null vector (…, 0, …) at shift 0 only."""
    rows = [[4, -6, 2], [-6, 10, -3], [2, -3, 1 + Fraction(shift)]]
    answer = positive_definite(around(rows))
    assert isinstance(answer, kind)
    if isinstance(answer, Indefinite):
        assert form(answer.matrices[0], answer.vector) == answer.value <= 0


def test_what_a_planted_eigenvector_shows_is_found() -> None:
    generator = np.random.default_rng(5)
    for _ in range(6):
        v = generator.integers(-4, 5, 3)
        v[0] = 1 + abs(v[0])
        B = generator.integers(-4, 5, (3, 3))
        definite = B @ B.T + np.eye(3, dtype=int)
        w = definite @ v
        # definite − k·w wᵀ/(wᵀv) has the value (1 − k)·vᵀ(definite)v at v.
        scale = Fraction(int(v @ w))
        for k, kind in ((Fraction(99, 100), Definite), (Fraction(101, 100), Indefinite)):
            rows = [
                [Fraction(int(definite[i, j])) - k * int(w[i] * w[j]) / scale for j in range(3)]
                for i in range(3)
            ]
            answer = positive_definite(around(rows))
            assert isinstance(answer, kind)
            assert quadratic.is_positive_definite(rows) is (kind is Definite)


@pytest.mark.parametrize(
    "radius, kind",
    [("1/4", Indefinite), (Fraction(1, 4) - HAIR, Definite), (Fraction(1, 4) + HAIR, Indefinite)],
)
def test_intervals_are_taken_whole(radius: object, kind: type) -> None:
    """[[1 ± r, ½ ± r], [½ ± r, 1 ± r]] is definite throughout iff ½ + r < 1 − r."""
    half = Fraction(1, 2)
    answer = positive_definite(around([[1, half], [half, 1]], radius))
    assert isinstance(answer, kind)
    if isinstance(answer, Indefinite):
        (matrix,) = answer.matrices
        r = Fraction(radius)  # type: ignore[arg-type]
        assert abs(matrix[0][0] - 1) <= r and abs(matrix[0][1] - half) <= r
        assert form(matrix, answer.vector) <= 0


@pytest.mark.parametrize("seed", range(4))
def test_lyapunov_inequalities_are_judged_as_by_pivots(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for _ in range(4):
        A = generator.integers(-8, 9, (2, 2)) / 4 - np.eye(2)
        P = symmetric(generator, 2)
        S = [
            [-(a + b) for a, b in zip(row, column, strict=True)]
            for row, column in _with_transpose(A, P)
        ]
        answer = lyapunov_decreases(around(A), around(P))
        decreases = quadratic.is_positive_definite(S)
        assert isinstance(answer, Definite if decreases else Indefinite)
        if isinstance(answer, Indefinite):
            assert -form(S, answer.vector) == answer.value


def _with_transpose(A: Array, P: Array) -> list[tuple[list[Fraction], list[Fraction]]]:
    """Rows and columns of PA."""
    PA = product(ellipsoid.rationals(P), ellipsoid.rationals(A))
    return list(zip(PA, [list(c) for c in zip(*PA, strict=True)], strict=True))


def test_an_uncertain_loop_decreases_up_to_a_radius() -> None:
    """x'' = −2x − 3x' with every entry of A uncertain; P solves AᵀP + PA = −I."""
    A = [[0, 1], [-2, -3]]
    P = [[Fraction(5, 4), Fraction(1, 4)], [Fraction(1, 4), Fraction(1, 4)]]
    assert isinstance(lyapunov_decreases(around(A, "1/16"), around(P)), Definite)
    assert isinstance(lyapunov_decreases(around(A, "1/16"), around(P, "1/64")), Definite)
    answer = lyapunov_decreases(around(A, "3/4"), around(P))
    assert isinstance(answer, Indefinite) and answer.value >= 0
    found, symmetric_part = answer.matrices
    assert 2 * form(product(symmetric_part, found), answer.vector) == answer.value
    assert all(
        abs(v - w) <= Fraction(3, 4)
        for row, known in zip(found, A, strict=True)
        for v, w in zip(row, known, strict=True)
    )
