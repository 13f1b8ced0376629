"""What is read off the Hamiltonian, and features that keep to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.elm_features import draw_adapted, draw_uniform
from learners.elm_least_squares import Basis, effective_rank, regularised
from learners.elm_start import first_policy
from learners.elm_structure import Structure, detect_structure, unstructured
from learners.numeric import Plant, boundary_dense_points
from systems import zoo
from systems.box import Box

Array = NDArray[np.float64]


def structure_of(name: str) -> Structure:
    plant = Plant(zoo.system(name))
    return detect_structure(plant, first_policy(plant, None, None).policy)


def test_the_synthetic_system_decouples_and_every_state_may_flip() -> None:
    found = structure_of("synthetic-3")
    assert found.blocks == ((0,), (1,), (2,))
    assert len(found.signs) == 8 and not found.coupled


def test_lorenz_flips_its_first_two_states_together_only() -> None:
    found = structure_of("lorenz")
    assert sorted(found.signs.tolist()) == [[-1, -1, 1], [1, 1, 1]]
    assert found.blocks == ((0, 1, 2),)


def test_path_tracking_has_no_symmetry() -> None:
    assert structure_of("path-tracking").signs.tolist() == [[1, 1]]


def test_a_domain_that_is_not_centred_breaks_the_symmetry() -> None:
    system = replace(zoo.system("pendulum"), domain=Box.of([(-1, 2), (-1, 1)]))
    plant = Plant(system)
    found = detect_structure(plant, first_policy(plant, None, None).policy)
    assert found.signs.tolist() == [[1, 1]]


def test_an_unsymmetric_first_policy_breaks_the_symmetry() -> None:
    plant = Plant(zoo.system("pendulum"))
    found = detect_structure(plant, lambda x: -40 * x[:, :1] - x[:, 1:] + x[:, :1] ** 2)
    assert found.signs.tolist() == [[1, 1]]


@pytest.mark.parametrize("name", ["synthetic-3", "lorenz", "pendulum", "path-tracking"])
@pytest.mark.parametrize("neurons", [1, 7, 60])
def test_features_respect_the_budget_the_blocks_and_the_symmetry(name: str, neurons: int) -> None:
    structure = structure_of(name)
    features = draw_adapted(neurons, structure, "tanh", seed=3)
    assert features.neurons <= max(neurons, len(structure.signs))
    rows = features.W[features.members]
    for row in rows:
        assert any(set(np.flatnonzero(row)) <= set(block) for block in structure.blocks)
    beta = np.random.default_rng(0).normal(size=features.count)
    W, b = features.hidden_layer(np.zeros(structure.dimension), np.ones(structure.dimension))
    x = np.random.default_rng(1).uniform(-1, 1, (20, structure.dimension))
    V = np.tanh(x @ W.T + b) @ features.output_layer(beta)
    for sign in structure.signs:
        flipped = np.tanh((sign * x) @ W.T + b) @ features.output_layer(beta)
        assert np.allclose(flipped, V, rtol=1e-12, atol=1e-12 * np.abs(beta).sum())


def test_a_prefix_is_a_smaller_set_of_the_same_features() -> None:
    features = draw_adapted(100, structure_of("lorenz"), "tanh", seed=0)
    half = features.prefix(features.count // 2)
    assert np.array_equal(half.b, features.b[: half.count])
    # Both have dense rows, and rows of one coordinate.
    for some in (half, features):
        supports = (some.W[0] != 0).sum(axis=1)
        assert {1, 3} <= set(supports.tolist())


def test_uniform_features_are_the_papers() -> None:
    """W, b in [−1, 1] as functions of the raw state, wherever the equilibrium is."""
    x_star, h = np.array([1.5, -2.0]), np.array([2.0, 0.3])
    W, b = draw_uniform(200, h, x_star, "tanh", seed=0).hidden_layer(x_star, h)
    assert W.shape == (200, 2) and np.abs(W).max() <= 1 and np.abs(W).max() > 0.95
    assert np.abs(b).max() <= 1 + 1e-12 and np.abs(b).max() > 0.95


ODD = Structure(np.array([[1.0, 1.0], [-1.0, -1.0]]), ((0, 1),), frozenset({(0, 1)}))


@pytest.mark.parametrize("structure", [unstructured(2), ODD], ids=["none", "odd"])
def test_the_gradient_basis_is_the_derivative_of_the_anchored_value(structure: Structure) -> None:
    """For an odd plant, too, where the two members of every orbit are computed as one."""
    features = draw_adapted(30, structure, "tanh", seed=0)
    x_star, h = np.array([0.5, -1.0]), np.array([2.0, 0.5])
    beta = np.random.default_rng(0).normal(size=features.count)
    x = x_star + h * np.random.default_rng(1).uniform(-1, 1, (10, 2))
    W, b = features.hidden_layer(x_star, h)
    output = features.output_layer(beta)

    def V(points: Array) -> Array:
        at_rest = np.tanh(W @ x_star + b)
        slope = (output * (1 - at_rest**2)) @ W
        out: Array = (np.tanh(points @ W.T + b) - at_rest) @ output - (points - x_star) @ slope
        return out

    assert np.allclose(features.values((x - x_star) / h, beta), V(x), atol=1e-12)
    basis = Basis.at(features, x, x_star, h)
    assert len(basis.slopes) == 1
    gradient = basis.gradient(beta)
    step = 1e-6
    for axis in range(2):
        e = step * np.eye(2)[axis]
        assert np.allclose((V(x + e) - V(x - e)) / (2 * step), gradient[:, axis], atol=1e-7)
    velocity = np.random.default_rng(2).normal(size=x.shape)
    assert np.allclose(basis.along(velocity) @ beta, (gradient * velocity).sum(axis=1), atol=1e-12)


def test_regularised_least_squares_solves_the_normal_equations() -> None:
    generator = np.random.default_rng(0)
    A, r = generator.normal(size=(40, 12)), generator.normal(size=40)
    penalty, level = generator.uniform(0.5, 2.0, 12), 1e-2
    beta, R = regularised(A, r, penalty, level)
    ridge = level * np.linalg.norm(A / penalty)
    expected = np.linalg.solve(A.T @ A + np.diag((ridge * penalty) ** 2), A.T @ r)
    assert np.allclose(beta, expected, rtol=1e-10)
    sigma = np.linalg.svd(A / penalty, compute_uv=False)
    rank = float((sigma**2 / (sigma**2 + ridge**2)).sum())
    assert effective_rank(R, level) == pytest.approx(rank, rel=1e-9)


def test_soft_rows_are_rows_like_the_others() -> None:
    generator = np.random.default_rng(0)
    A, r = generator.normal(size=(20, 5)), generator.normal(size=20)
    penalty = generator.uniform(0.5, 2.0, 5)
    whole, _ = regularised(A, r, penalty, 1e-3)
    parts, _ = regularised(A[:14], r[:14], penalty, 1e-3, (A[14:], r[14:]))
    assert np.allclose(parts, whole, rtol=1e-12)


def test_dependent_columns_do_no_harm() -> None:
    column = np.random.default_rng(0).normal(size=(30, 1))
    A = np.hstack([column, column, 2 * column])
    beta, R = regularised(A, 3.0 * column[:, 0], np.ones(3), 1e-9)
    assert np.allclose(A @ beta, 3.0 * column[:, 0], atol=1e-7)
    assert effective_rank(R, 1e-9) == pytest.approx(1.0, abs=1e-6)


def test_collocation_points_are_inside_and_dense_at_the_boundary() -> None:
    box = Box.of([(-1, 1), (2, 6)])
    low, high = box.outer()
    x = boundary_dense_points((low, high), 2000, np.random.default_rng(0))
    assert ((low <= x) & (x <= high)).all()
    z = 2 * (x - low) / (high - low) - 1
    # Under the arcsine law a third of the points has |z| > cos(π/6).
    share = (np.abs(z) > np.cos(np.pi / 6)).mean(axis=0)
    assert np.allclose(share, 1 / 3, atol=0.02)
