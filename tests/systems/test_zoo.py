"""Every system of the zoo against formulas written out again by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from numpy.typing import NDArray

from systems import expression as ex
from systems import zoo
from systems.checks import equilibrium_values, rests_under_disturbances
from systems.differentiate import gradient
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.linearize import linearize
from systems.quadratic import is_positive_definite, is_symmetric

Array = NDArray[np.float64]
Rates = Callable[..., list[Array]]  # columns of x, u and, where there is one, w → of ẋ or x⁺


def _pendulum(m: float, g: float, length: float, b: float) -> Rates:
    inertia = m * length**2
    return lambda x, u: [x[1], (m * g * length * np.sin(x[0]) - b * x[1] + u[0]) / inertia]


def _cart(x: Array, u: Array) -> list[Array]:
    theta, w, _, v = x
    s, c, den = np.sin(theta), np.cos(theta), 1 + 0.1 * np.sin(theta) ** 2
    return [
        w,
        (-0.1 * 0.8 * w**2 * s * c + 1.1 * 9.8 * s - c * u[0]) / (0.8 * den),
        v,
        (0.1 * s * (0.8 * w**2 - 9.8 * c) + u[0]) / den,
    ]


def _cart_bounded(x: Array, u: Array) -> list[Array]:
    _, theta, v, w = x
    s, c, den = np.sin(theta), np.cos(theta), 1 + 0.1 * np.sin(theta) ** 2
    return [
        v,
        w,
        (u[0] + 0.1 * s * (w**2 - 9.81 * c)) / den,
        (-u[0] * c - 0.1 * w**2 * s * c + 1.1 * 9.81 * s) / den,
    ]


def _quadrotor_2d(x: Array, u: Array) -> list[Array]:
    t = 9.81 + u[0]
    return [x[3], x[4], x[5], np.sin(x[2]) * t, np.cos(x[2]) * t - 9.81, u[1]]


def _quadrotor_2d_bounded(x: Array, u: Array) -> list[Array]:
    t = (u[0] + u[1]) / 0.486
    spin = 0.25 / 0.00383 * (u[0] - u[1])
    return [x[3], x[4], x[5], -np.sin(x[2]) * t, np.cos(x[2]) * t - 9.81, spin]


def _quadrotor_3d(x: Array, u: Array) -> list[Array]:
    t, phi, theta = 9.81 + u[0], x[6], x[7]
    return [
        x[3],
        x[4],
        x[5],
        -np.sin(theta) * t,
        np.cos(theta) * np.sin(phi) * t,
        np.cos(theta) * np.cos(phi) * t - 9.81,
        u[1],
        u[2],
        u[3],
    ]


def _lorenz(x: Array, u: Array) -> list[Array]:
    return [
        10 * (x[1] - x[0]) + u[0],
        28 * x[0] - x[1] - x[0] * x[2],
        x[0] * x[1] - 8 / 3 * x[2],
    ]


def _reversed(mu: float) -> Rates:
    return lambda x, u: [-x[1], x[0] - mu * (1 - x[0] ** 2) * x[1]]


def _path(x: Array, u: Array) -> list[Array]:
    return [2 * np.sin(x[1]), 2 * u[0] - np.cos(x[1]) / (5 - np.sin(x[1]))]


def _reactor(x: Array, u: Array) -> list[Array]:
    """Two tanks and a separator, term by term as in the paper's eqs. (18) and (19)."""
    recycle, top, cooling = 50.4, 50.904, 50.904 / 4200
    a3, b3 = x[6], x[7]
    vapour = np.array([3.5 * a3, b3, 0.5 * (1 - a3 - b3)])
    yA, yB, yC = vapour / vapour.sum(axis=0)
    out = []
    for volume, inflow, source, (a, b, T), Q in (
        (1.0, recycle, (yA, yB, x[8]), x[:3], u[0]),
        (0.5, 55.44, x[:3], x[3:6], u[1]),
    ):
        r1 = 9.972e6 * np.exp(-5e4 / (8.314 * T)) * a
        r2 = 9.36e6 * np.exp(-6e4 / (8.314 * T)) * b
        heat = (-240 * r1 - 280 * r2) / 4.2
        out += [
            5.04 / volume * (1 - a) + inflow / volume * (source[0] - a) - r1,
            5.04 / volume * (0 - b) + inflow / volume * (source[1] - b) + r1 - r2,
            5.04 / volume * (300 - T) + inflow / volume * (source[2] - T) - heat
            + Q / (4200 * volume),
        ]  # fmt: skip
    return [
        *out,
        60.48 * (x[3] - a3) - top * (yA - a3),
        60.48 * (x[4] - b3) - top * (yB - b3),
        60.48 * (x[5] - x[8]) + u[2] / 4200
        + cooling * (-70600 * yA - 31400 * yB - 81360 * yC),
    ]  # fmt: skip


def _euler(rates: Rates, h: float) -> Rates:
    return lambda x, u: [a + h * r for a, r in zip(x, rates(x, u), strict=True)]


REFERENCE: dict[str, Rates] = {
    **{
        f"synthetic-{n}": lambda x, u: [a**3 + b for a, b in zip(x, u, strict=True)]
        for n in range(1, 13)
    },
    "bilinear": lambda x, u: [x[0] * u[0]],
    "pendulum": _pendulum(0.1, 9.8, 0.5, 0.1),
    "lorenz": _lorenz,
    "cartpole": _cart,
    "quadrotor-2d": _quadrotor_2d,
    "quadrotor-3d": _quadrotor_3d,
    "van-der-pol": lambda x, u: [x[1], -x[0] + (1 - x[0] ** 2) * x[1] + u[0]],
    "van-der-pol-reversed-1": _reversed(1),
    "van-der-pol-reversed-3": _reversed(3),
    "double-integrator": lambda x, u: [x[1], u[0]],
    "pendulum-bounded-6": _pendulum(0.15, 9.81, 0.5, 0.1),
    "pendulum-bounded-0.75": _pendulum(0.15, 9.81, 0.5, 0.1),
    "path-tracking-0.84": _path,
    "path-tracking-0.5": _path,
    "cartpole-bounded": _cart_bounded,
    "quadrotor-2d-bounded": _quadrotor_2d_bounded,
    "pendulum-discrete": _euler(_pendulum(0.1, 9.8, 0.5, 0.1), 0.02),
    "pendulum-disturbed": lambda x, u, w: _pendulum(0.1, 9.8, 0.5, 0.1)(x, u + w),
    "van-der-pol-uncertain": lambda x, u, w: _reversed(w[0])(x, u),
    "double-integrator-unsafe": lambda x, u: [x[1], u[0]],
    **{f"reactor-separator-{k}": _reactor for k in range(4)},
}

HALF_RANGES = (2111200, 728000, 2111200)
COSTS: dict[str, tuple[list[float], list[float]]] = {
    "pendulum": ([1, 1], [2]),
    "pendulum-discrete": ([1, 1], [2]),
    "pendulum-disturbed": ([1, 1], [2]),
    "lorenz": ([1, 1, 1], [1]),
    "cartpole": ([60, 1.5, 180, 45], [1]),
    "quadrotor-2d": ([10, 10, 10, 1, 1, 1], [1, 1]),
    "quadrotor-3d": ([10] * 6 + [1] * 3, [1] * 4),
    "bilinear": ([1], [1]),
    **{
        f"reactor-separator-{k}": (
            [4, 4, 1 / 400] * 3,
            [float(Fraction(1, 100 * h**2)) for h in HALF_RANGES],
        )
        for k in range(4)
    },
}

LIMITS = {
    "van-der-pol": [(-1, 1)],
    "double-integrator": [(-1, 1)],
    "pendulum-bounded-6": [(-6, 6)],
    "pendulum-bounded-0.75": [(-0.75, 0.75)],
    "path-tracking-0.84": [(-0.84, 0.84)],
    "path-tracking-0.5": [(-0.5, 0.5)],
    "cartpole-bounded": [(-30, 30)],
    "quadrotor-2d-bounded": [(0, 6), (0, 6)],
    **{
        f"reactor-separator-{k}": [(6.496e5, 4.872e6), (2.24e5, 1.68e6), (6.496e5, 4.872e6)]
        for k in range(4)
    },
}


def disturbances(system: ControlAffineSystem, count: int, seed: int) -> Array:
    """Samples of w, (count, p)."""
    if system.disturbance_range is None:
        return np.empty((count, 0))
    return system.disturbance_range.sample(count, np.random.default_rng(seed))


def rates(
    system: ControlAffineSystem, points: Array, inputs: Array, w: Array | None = None
) -> Array:
    """f(x) + g(x) u at N points, (N, n); without w, where that is the centre of its range."""
    if w is None:
        system, w = system.nominal(), np.empty((len(points), 0))
    compiled = function([system.drift, *system.input_columns], *system.variables)
    f, *columns = compiled(np.hstack([points, w]))
    return f + sum((g * inputs[:, j : j + 1] for j, g in enumerate(columns)), np.zeros_like(f))


def test_the_table_of_references_is_complete() -> None:
    assert sorted(REFERENCE) == sorted(zoo.names())


@pytest.mark.parametrize("name", zoo.names())
def test_dynamics_agree_with_hand_written_ones(name: str) -> None:
    system = zoo.system(name)
    generator = np.random.default_rng(1)
    points = system.domain.sample(50, generator)
    inputs = generator.normal(size=(50, system.input_dimension))
    w = disturbances(system, 50, 2)
    expected = np.stack(REFERENCE[name](points.T, inputs.T, *([w.T] if w.size else [])), axis=1)
    np.testing.assert_allclose(rates(system, points, inputs, w), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", zoo.names())
def test_the_equilibrium_is_one_exactly(name: str) -> None:
    """But for set points, which say how near to one they are."""
    values = equilibrium_values(zoo.system(name))
    most = zoo.entry(name).set_point
    if most is None:
        assert all(isinstance(v, Fraction) and v == 0 for v in values)
    else:
        assert any(v != 0 for v in values)
        assert all(bool(abs(v) <= most.numerator / arb(most.denominator)) for v in values)


@pytest.mark.parametrize("name", zoo.names())
def test_linearisation_agrees_with_finite_differences(name: str) -> None:
    system = zoo.system(name)
    n, m = system.state_dimension, system.input_dimension
    A, B = linearize(system)
    x = np.array([float(v) for v in system.equilibrium])
    u = np.array([float(v) for v in system.equilibrium_input])
    h = 1e-5
    steps, still = h * np.eye(n), np.tile(u, (n, 1))
    slopes = rates(system, x + steps, still) - rates(system, x - steps, still)
    np.testing.assert_allclose(A, slopes.T / (2 * h), rtol=1e-6, atol=1e-6)
    if m:
        there = np.tile(x, (m, 1))
        effect = rates(system, there, u + np.eye(m)) - rates(system, there, np.tile(u, (m, 1)))
        np.testing.assert_allclose(B, effect.T, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", zoo.names())
def test_costs_limits_and_names(name: str) -> None:
    system = zoo.system(name)
    assert system.name == name and system.description
    assert len(system.state_names) == system.state_dimension
    assert is_symmetric(system.input_cost) and is_positive_definite(system.input_cost)
    x = system.domain.sample(50, np.random.default_rng(2))
    Q = function(system.state_cost, system.state)(x)[0][:, 0]
    if name.startswith("synthetic"):
        expected = (x**2 + 2 * x**4).sum(axis=1)
    else:
        weights, R = COSTS.get(name, ([1] * x.shape[1], [1] * system.input_dimension))
        shifted = x - [float(v) for v in system.equilibrium]
        expected = (weights * shifted**2).sum(axis=1)
        np.testing.assert_array_equal(system.input_cost_array(), np.diag(np.array(R, float)))
    np.testing.assert_allclose(Q, expected, rtol=1e-13)
    if name in LIMITS:
        assert system.input_limits is not None
        pairs = zip(system.input_limits.lower, system.input_limits.upper, strict=True)
        assert [(float(a), float(b)) for a, b in pairs] == LIMITS[name]
    else:
        assert system.input_limits is None


BOXES = {
    "synthetic-3": [1, 1, 1],
    "pendulum": [1, 1],
    "lorenz": [1, 1, 1],
    "cartpole": [Fraction(1, 5)] * 4,
    "quadrotor-3d": [Fraction(1, 5)] * 9,
    "van-der-pol": [Fraction(24, 5), Fraction(54, 5)],
    "double-integrator": [Fraction(132, 5), Fraction(48, 5)],
    "pendulum-bounded-6": [20, 100],
    "pendulum-bounded-0.75": [Fraction(96, 5), Fraction(324, 5)],
    "path-tracking-0.5": [10, 10],
    "cartpole-bounded": [Fraction(18, 5), Fraction(12, 5), 12, 12],
    "quadrotor-2d-bounded": [
        12, Fraction(66, 5), 12, Fraction(96, 5), Fraction(102, 5), Fraction(444, 5),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BOXES)
def test_domains_are_the_published_boxes(name: str) -> None:
    domain = zoo.system(name).domain
    assert list(domain.upper) == BOXES[name]
    assert [-v for v in domain.lower] == BOXES[name]


@pytest.mark.parametrize("name", ["synthetic-1", "synthetic-3", "synthetic-12", "bilinear"])
def test_the_known_optimal_value_solves_the_hjb_equation(name: str) -> None:
    """Q + ∇V·f − ¼ ∇V g R⁻¹ gᵀ ∇Vᵀ = 0."""
    system = zoo.system(name)
    optimal = zoo.entry(name).optimal_value
    assert optimal is not None
    V = optimal(system.state)
    slope = gradient(V, system.state)
    g_slope = system.input_matrix_transposed_times(slope)
    residual = (
        system.state_cost
        + ex.dot(slope, system.drift)
        - ex.constant("1/4") * ex.dot(g_slope, g_slope)
    )
    x = system.domain.sample(100, np.random.default_rng(3))
    values, V_values = function([residual, V], system.state)(x)
    np.testing.assert_allclose(values, 0, atol=1e-12)
    assert (V_values > 0).all()


@pytest.mark.parametrize("name", [n for n in zoo.names() if zoo.entry(n).initial_gain])
def test_initial_gains_stabilise_the_linearisation(name: str) -> None:
    gain = zoo.entry(name).initial_gain
    assert gain is not None
    A, B = linearize(zoo.system(name))
    closed = A - B @ np.array([[float(v) for v in row] for row in gain])
    assert np.linalg.eigvals(closed).real.max() < -0.5


def test_lorenz_poles_are_placed() -> None:
    A, B = linearize(zoo.lorenz())
    gain = zoo.entry("lorenz").initial_gain
    assert gain is not None
    poles = np.sort(np.linalg.eigvals(A - B @ np.array([[float(v) for v in gain[0]]])).real)
    np.testing.assert_allclose(poles, [-20, -10, -8 / 3], rtol=1e-9)


def test_verification_constants_are_the_papers() -> None:
    c = zoo.entry("synthetic-2").verification
    assert (c.mu, c.c1, c.c2, c.epsilon) == (
        Fraction(1, 10000), Fraction(1, 100), Fraction(199, 100), Fraction(1, 10),
    )  # fmt: skip
    c = zoo.entry("pendulum").verification
    assert (c.mu, c.c1, c.c2, c.epsilon) == (None, Fraction(1, 100), Fraction(29, 1000), None)
    assert zoo.entry("lorenz").verification.c1 is None


def test_the_reversed_limit_cycle_fits_into_its_box() -> None:
    """The region of attraction is bounded by the cycle, so the box has to hold all of it."""
    from scipy.integrate import solve_ivp

    for mu in (1, 3):
        system = zoo.van_der_pol_reversed(mu)
        compiled = function(system.drift, system.state)
        forward = solve_ivp(
            lambda t, x, f=compiled: -f(x[None])[0][0],
            (0, 40),
            [1.0, 0.0],
            t_eval=np.arange(20, 40, 0.01),
        )
        reach = np.abs(forward.y).max(axis=1)
        assert (reach < [float(v) for v in system.domain.upper]).all()
        assert (reach > [1.9, 2.5]).all()


def test_only_what_vanishes_at_the_equilibrium_leaves_it_at_rest() -> None:
    assert not rests_under_disturbances(zoo.pendulum_disturbed())
    assert rests_under_disturbances(zoo.van_der_pol_uncertain())
    assert rests_under_disturbances(zoo.pendulum_discrete())


def test_unsafe_sets_lie_where_they_are_said_to() -> None:
    system = zoo.double_integrator_unsafe()
    wall, fast = (function(list(s.constraints), system.state) for s in system.unsafe)
    points = np.array([[1.6, 0.0], [0.6, 1.5], [0.4, 1.5], [0.0, 0.0]])

    def inside(values: list[Array]) -> list[bool]:
        return (np.hstack(values) >= 0).all(axis=1).tolist()

    assert inside(wall(points)) == [True, False, False, False]
    assert inside(fast(points)) == [False, True, False, False]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pendelum", "unknown system 'pendelum' (did you mean 'pendulum'?)"),
        ("Pendulum", "unknown system 'Pendulum' (did you mean 'pendulum'?)"),
        ("van-der-pol-revers", "(did you mean 'van-der-pol-reversed'?)"),
        ("synthetic-13", "unknown system 'synthetic-13' (there are synthetic-1 to synthetic-12)"),
        ("", "unknown system '' (known: bilinear, pendulum, lorenz, cartpole, "),
        ("the pole on a cart", "(known: cartpole-bounded, cartpole, "),
        ("pendulum_with_friction", "(known: pendulum-disturbed, pendulum, "),
    ],
)
def test_unknown_names_are_told(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        zoo.system(name)
    assert message in str(caught.value)


def test_convenience_functions_and_aliases() -> None:
    assert zoo.synthetic(4).name == "synthetic-4"
    for short, full in zoo.ALIASES.items():
        assert zoo.system(short).name == full
    for wrong in (lambda: zoo.synthetic(13), lambda: zoo.van_der_pol_reversed(2)):
        with pytest.raises(InputError):
            wrong()
    with pytest.raises(InputError, match="no torque limit '7'"):
        zoo.pendulum_bounded("7")
    with pytest.raises(InputError, match="no steering limit"):
        zoo.path_tracking("1")


def test_nothing_is_built_before_it_is_asked_for() -> None:
    code = (
        "import systems.build as b, systems.dynamics as d\n"
        "made = []\n"
        "d.ControlAffineSystem.__post_init__ = lambda self: made.append(self.name)\n"
        "from systems import zoo\n"
        "zoo.names(); assert not made, made\n"
        "zoo.system('cartpole'); assert made == ['cartpole'], made\n"
        "import sys; assert not {'sympy', 'scipy', 'pydantic'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
