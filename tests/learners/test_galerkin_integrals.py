"""Tables of integrals against adaptive quadrature and multiprecision, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from learners.elm_start import first_policy
from learners.elm_structure import detect_structure, unstructured
from learners.galerkin_basis import PolynomialBasis, exponents_of
from learners.galerkin_quadrature import QuadratureEquations, settled_quadrature
from learners.galerkin_separable import NotSeparableError, Terms, expand
from learners.galerkin_tables import SeparableEquations
from learners.numeric import Plant
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.expression import Expression

Array = NDArray[np.float64]


def tables(system: ControlAffineSystem, order: int) -> tuple[PolynomialBasis, SeparableEquations]:
    plant = Plant(system)
    start = first_policy(plant, None, None)
    structure = detect_structure(plant, start.policy)
    basis = PolynomialBasis(plant, order, exponents_of(structure, order, system.name))
    return basis, SeparableEquations(basis, start)


def on_grid(terms: Terms, nodes: Sequence[Array]) -> Array:
    """The sum of products at all points of the grid."""
    shape = tuple(len(x) for x in nodes)
    out = np.zeros(shape)
    for term in terms:
        part = np.full(shape, term.number)
        for d, values in term.factors.items():
            part = part * values.reshape([-1 if k == d else 1 for k in range(len(nodes))])
        out += part
    return out


X = ex.variable("x", 3)
SEPARABLE = {
    "polynomial": (X[0] + 2 * X[1] - X[2]) ** 3 - X[0] * X[1],
    "sine of a sum": ex.sin(X[0] + 2 * X[1] - X[2] * 3 + ex.constant("1/3")),
    "cosine of a sum": ex.cos(X[0] - X[1]) * X[2],
    "exp of a sum": ex.exp(X[0] * X[0] - X[1] + 1),
    "quotient by one variable": X[1] * ex.sin(X[0]) / (2 + ex.cos(X[0]) ** 2),
    "quotient by a product": X[2] / (ex.exp(X[0]) * (3 + X[1])),
    "functions of one variable": ex.tanh(X[0]) + ex.sigmoid(2 * X[1]) * ex.softplus(X[2]),
    "kinks in one variable": ex.absolute(X[0]) * ex.minimum(X[1], ex.constant("1/2")),
    "affine map": ex.affine([[1, "1/7", 2]], X, ["-1/2"]) * ex.sqrt(4 + X[1]) * ex.log(3 - X[2]),
    "constants": X[0] * ex.pi() + ex.maximum(ex.constant(2), ex.pi()),
    "cancellation to zero": X[0] * X[1] - X[1] * X[0],
}


@pytest.mark.parametrize("what", SEPARABLE)
def test_expansions_agree_with_the_expression(what: str) -> None:
    nodes = [np.linspace(-1, 1, 7), np.linspace(-0.9, 0.4, 6), np.linspace(-0.5, 1, 5)]
    [[terms]] = expand([SEPARABLE[what]], X, nodes)
    points = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    wanted = function(SEPARABLE[what], X)(points)[0][:, 0]
    found = on_grid(terms, nodes).ravel()
    assert np.abs(found - wanted).max() <= 1e-13 * (1.0 + np.abs(wanted).max())


@pytest.mark.parametrize(
    "node",
    [
        1 / (2 + X[0] * X[1] + X[2]),
        ex.tanh(X[0] + X[1]),
        ex.sin(X[0] * X[1]),
        ex.minimum(X[0], X[1]),
    ],
    ids=["quotient", "tanh", "sine of a product", "min"],
)
def test_what_does_not_factorise_is_refused(node: Expression) -> None:
    with pytest.raises(NotSeparableError):
        expand([node], X, [np.linspace(-0.5, 0.5, 5)] * 3)


def test_polynomial_integrals_to_rounding() -> None:
    """Every ⟨φᵢ, ∇φⱼ·f⟩ of a polynomial system off the centre, against 40 digits."""
    system = replace(
        zoo.system("van-der-pol-reversed-1"), domain=Box.of([["-1", "1/2"], ["-1/3", "2"]])
    )
    basis, equations = tables(system, 4)
    assert len(basis.degrees) == 15  # off the centre there is no symmetry to use
    with mpmath.workdps(40):
        low, high = (
            [mpmath.mpf(v.numerator) / v.denominator for v in ends]
            for ends in (system.domain.lower, system.domain.upper)
        )
        for i, j in ((0, 3), (4, 7), (14, 9), (11, 14)):
            wanted = _advection(basis.degrees[i], basis.degrees[j], low, high)
            assert abs(equations.F[i, j] - float(wanted)) <= 1e-13 * np.abs(equations.F).max()


def _advection(a: Array, b: Array, low: list[object], high: list[object]) -> mpmath.mpf:
    """⟨ψₐ, ∇ψ_b·f⟩ for ẋ = −y, ẏ = x − (1 − x²) y, by integration in multiprecision."""

    def psi(degree: int, t: mpmath.mpf, k: int) -> mpmath.mpf:
        z = (2 * t - low[k] - high[k]) / (high[k] - low[k])
        return mpmath.sqrt(2 * degree + 1) * mpmath.legendre(int(degree), z)

    def one(k: int, power: int, slope: bool) -> mpmath.mpf:
        def integrand(t: mpmath.mpf) -> mpmath.mpf:
            right = mpmath.diff(lambda s: psi(b[k], s, k), t) if slope else psi(b[k], t, k)
            return psi(a[k], t, k) * right * t**power

        return mpmath.quad(integrand, [low[k], high[k]]) / (high[k] - low[k])

    return (
        -one(0, 0, True) * one(1, 1, False)
        + one(0, 1, False) * one(1, 0, True)
        - one(0, 0, False) * one(1, 1, True)
        + one(0, 2, False) * one(1, 1, True)
    )


@pytest.mark.parametrize(("name", "order"), [("pendulum", 6), ("lorenz", 3), ("cartpole", 2)])
def test_tables_agree_with_tensor_quadrature(name: str, order: int) -> None:
    basis, exact = tables(zoo.system(name), order)
    by_points = QuadratureEquations(basis, exact.start, 14)
    v = np.random.default_rng(0).normal(size=len(basis.degrees))
    assert exact.unsettled == 0.0
    for found, wanted in (
        (exact.first(), by_points.first()),
        (exact.improved(v), by_points.improved(v)),
    ):
        for left, right in zip(found, wanted, strict=True):
            assert np.abs(left - right).max() <= 1e-11 * np.abs(right).max()


def test_cartpole_quotients_are_integrated_to_rounding() -> None:
    """⟨1, gR⁻¹gᵀ⟩ entry by entry against scipy's adaptive quadrature."""
    from scipy.integrate import quad

    _, equations = tables(zoo.cartpole(), 2)
    D = {
        (1, 1): lambda t: (np.cos(t) / (0.8 * (1 + 0.1 * np.sin(t) ** 2))) ** 2,
        (1, 3): lambda t: -np.cos(t) / (0.8 * (1 + 0.1 * np.sin(t) ** 2) ** 2),
        (3, 3): lambda t: (1 + 0.1 * np.sin(t) ** 2) ** -2.0,
    }
    for pair, integrand in D.items():
        found = equations.moments(equations.couplings[pair])[0]
        wanted = quad(integrand, -0.2, 0.2, epsabs=1e-14, epsrel=1e-14)[0] / 0.4
        assert abs(found - wanted) <= 1e-14


def test_kinks_are_said_to_be_unsettled_unless_they_lie_at_the_equilibrium() -> None:
    at = system_from_text("at", ["x"], ["u"], {"x": "abs(x)*x + u"}, domain=[[-1, 1]])
    beside = system_from_text(
        "beside",
        ["x"],
        ["u"],
        {"x": "max(x, 0.3) + u"},
        domain=[[-1, 1]],
        equilibrium={"u": "-0.3"},
    )
    assert tables(at, 4)[1].unsettled == 0.0
    assert tables(beside, 4)[1].unsettled > 1e-6


def test_quadrature_settles_on_a_smooth_coupled_system() -> None:
    system = system_from_text(
        "coupled", ["x", "y"], ["u"], {"x": "y", "y": "x/(2 + x*y) + u"}, domain=[[-1, 1]] * 2
    )
    plant = Plant(system)
    start = first_policy(plant, None, None)
    basis = PolynomialBasis(plant, 4, exponents_of(unstructured(2), 4, "coupled"))
    with pytest.raises(NotSeparableError):
        SeparableEquations(basis, start)
    _, change = settled_quadrature(basis, start)
    assert change <= 1e-7


@pytest.mark.parametrize("order", [2, 5, 8])
def test_basis_spans_the_monomials_and_is_orthonormal(order: int) -> None:
    system = replace(zoo.lorenz(), domain=Box.of([[-1, 2], [-3, 1], ["-1/2", "1/2"]]))
    plant = Plant(system)
    basis = PolynomialBasis(plant, order, exponents_of(unstructured(3), order, "lorenz"))
    c = np.random.default_rng(0).normal(size=basis.count)
    a = basis.monomial_coefficients(c)
    x = system.domain.sample(50, np.random.default_rng(1))
    monomials = np.prod((x[:, None, :] / basis.half) ** basis.exponents, axis=2)
    assert np.abs(basis.value(x, c) - monomials @ a).max() <= 1e-11 * np.abs(a).max()
    assert np.abs(basis.from_monomials(a) - c).max() <= 1e-11 * np.abs(a).max()
    Q = basis.restriction
    assert np.abs(Q.T @ Q - np.eye(basis.count)).max() <= 1e-13
    assert basis.count == {2: 6, 5: 52, 8: 161}[order]
