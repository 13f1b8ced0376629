"""The network of PINN-PI: its derivatives against finite differences, and the loss's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.elm_structure import Structure, unstructured
from learners.pinn_draw import draw_dense, draw_structured
from learners.pinn_equations import Equations, Origin
from learners.pinn_network import ACTIVATIONS, Network, SmoothActivation

Array = NDArray[np.float64]

LORENZ_LIKE = Structure(
    np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 1.0]]), ((0, 1, 2),), frozenset({(0, 1), (1, 2)})
)
TWO_BLOCKS = Structure(
    np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 1.0]]), ((0, 1), (2,)), frozenset({(0, 1)})
)


def networks(activation: SmoothActivation, depth: int) -> list[tuple[Network, Array]]:
    return [
        draw_dense(6, depth, 3, activation, 0),
        draw_structured(12, depth, LORENZ_LIKE, activation, 0),
        draw_structured(12, depth, TWO_BLOCKS, activation, 0),
        draw_structured(12, depth, unstructured(3), activation, 0),
    ]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivatives_agree_with_finite_differences(
    activation: SmoothActivation, depth: int
) -> None:
    generator = np.random.default_rng(1)
    z, v = generator.uniform(-1, 1, (5, 3)), generator.normal(size=(5, 3))
    weights = generator.normal(size=5)
    for network, theta in networks(activation, depth):
        slopes, J = network.slopes(theta, z, v)
        steps = 1e-6 * np.eye(network.count)
        numeric = np.array(
            [
                (network.slopes(theta + e, z, v)[0] - network.slopes(theta - e, z, v)[0]) / 2e-6
                for e in steps
            ]
        )
        assert np.abs(J).max() > 0.01
        np.testing.assert_allclose(J, numeric, atol=1e-7)
        np.testing.assert_allclose(network.pulled_back(theta, z, v, weights), J @ weights)
        gradient = network.gradient(theta, z)
        np.testing.assert_allclose(slopes, np.vecdot(gradient, v), atol=1e-12)
        numeric_gradient = [
            (network.values(theta, z + e) - network.values(theta, z - e)) / 2e-6
            for e in 1e-6 * np.eye(3)
        ]
        np.testing.assert_allclose(gradient.T, numeric_gradient, atol=1e-8)


@pytest.mark.parametrize("depth", [1, 2])
def test_structure_holds_whatever_the_weights_are(depth: int) -> None:
    network, theta = draw_structured(24, depth, TWO_BLOCKS, "tanh", 0)
    theta = theta + np.random.default_rng(0).normal(size=len(theta))
    z = np.random.default_rng(2).uniform(-1, 1, (7, 3))
    flipped = z * np.array([-1.0, -1.0, 1.0])
    V = network.values(theta, z)
    np.testing.assert_allclose(network.values(theta, flipped), V, atol=1e-12)
    first, second = z.copy(), z.copy()
    first[:, 2], second[:, :2] = 0.0, 0.0
    parts = network.values(theta, first) + network.values(theta, second)
    np.testing.assert_allclose(parts, V, atol=1e-12)
    assert not network.values(theta, np.zeros((1, 3))).any()
    assert not network.gradient(theta, np.zeros((1, 3))).any()


def test_weights_are_packed_in_the_order_they_are_unpacked() -> None:
    network, theta = draw_structured(24, 2, TWO_BLOCKS, "tanh", 0)
    assert theta.shape == (network.count,)
    np.testing.assert_array_equal(network.packed(*network.layers(theta)), theta)
    assert len(theta[network.output]) == network.widths[-1]


@pytest.mark.parametrize("depth", [1, 2])
def test_the_rows_at_the_equilibrium_are_its_hessian(depth: int) -> None:
    network, theta = draw_dense(8, depth, 2, "tanh", 3)
    M = np.array([[1.0, 2.0]])
    target = np.array([[0.3, -0.2]])
    origin = Origin(M, target, np.ones((1, 2)))
    z = np.zeros((1, 2))
    equations = Equations(network, z, np.ones((1, 2)), np.zeros(1), np.ones(1), origin)
    h = 1e-5
    hessian = [
        (network.gradient(theta, h * e[None])[0] - network.gradient(theta, -h * e[None])[0])
        / (2 * h)
        for e in np.eye(2)
    ]
    wanted = 0.5 * M @ np.array(hessian) - target
    np.testing.assert_allclose(equations.residual(theta)[1:], wanted[0], atol=1e-8)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_loss_has_the_gradient_it_says(depth: int) -> None:
    generator = np.random.default_rng(4)
    network, theta = draw_dense(6, depth, 2, "softplus", 3)
    origin = Origin(np.array([[1.0, 2.0]]), np.array([[0.3, -0.2]]), np.full((1, 2), 2.0))
    z, v = generator.uniform(-1, 1, (9, 2)), generator.normal(size=(9, 2))
    root = np.sqrt(generator.uniform(1, 10, 9))
    equations = Equations(network, z, v, generator.uniform(0, 1, 9), root, origin)
    loss, gradient = equations.loss_and_gradient(theta)
    assert loss == pytest.approx(equations.loss(theta))
    numeric = [
        (equations.loss(theta + e) - equations.loss(theta - e)) / 2e-6
        for e in 1e-6 * np.eye(network.count)
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6)
    r = np.concatenate([r for r, _ in equations.derivatives(theta)])
    J = np.concatenate([J for _, J in equations.derivatives(theta)], axis=1)
    np.testing.assert_allclose(r, equations.residual(theta), atol=1e-9)
    np.testing.assert_allclose(2.0 / len(r) * J @ r, gradient, rtol=1e-7, atol=1e-9)
    A, a = equations.linear(theta)
    np.testing.assert_allclose(A @ theta[network.output] + a, r, atol=1e-9)


def test_memory_does_not_grow_with_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss and gradient are sums over parts of the points, the same whatever the parts."""
    network, theta = draw_dense(5, 2, 2, "tanh", 0)
    generator = np.random.default_rng(4)
    z, v = generator.uniform(-1, 1, (2, 50, 2))
    equations = Equations(network, z, v, np.ones(50), np.ones(50))
    loss, gradient = equations.loss_and_gradient(theta)
    ghjb = equations.ghjb(theta)

    sizes = []
    plain = Network.gradient

    def watched(self: Network, theta: Array, z: Array) -> Array:
        sizes.append(len(z))
        return plain(self, theta, z)

    monkeypatch.setattr(Network, "gradient", watched)
    monkeypatch.setattr("learners.pinn_equations.CHUNK", 7)
    again, in_parts = equations.loss_and_gradient(theta)
    assert again == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(in_parts, gradient, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(equations.ghjb(theta), ghjb, rtol=1e-12, atol=1e-14)
    assert sum(sizes) == 100 and max(sizes) == 7
