"""The published numbers: Meng, Zhou, Mukherjee, Fitzsimmons, Song and Liu, "Physics-Informed Neural
Network Policy Iteration" (arXiv 2402.10119), Tables 1 to 3 and what its figures show.

They are of other networks on other machines (ELM-PI on an Intel Gold 6148, PINN-PI on a V100,
dReal for the proofs), were not measured again here, and stand beside our figures for orientation.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "arXiv 2402.10119"


@dataclass(frozen=True)
class Table1Row:
    """Synthetic system in n dimensions, m neurons, N collocation points: the largest error against
    V* at 2N test points and seconds for 10 iterations. None where the paper has a dash."""

    n: int
    m: int
    points: int
    elm_error: float | None
    elm_seconds: float | None
    pinn_error: float
    pinn_seconds: float


TABLE_1 = (
    Table1Row(1, 50, 50, 1.54e-10, 0.03, 2.45e-03, 236.69),
    Table1Row(1, 100, 100, 1.14e-10, 0.08, 2.86e-03, 240.79),
    Table1Row(1, 200, 200, 1.25e-11, 0.21, 2.17e-03, 284.02),
    Table1Row(2, 50, 100, 1.26e-01, 0.07, 1.03e-02, 237.31),
    Table1Row(2, 100, 200, 8.75e-04, 0.18, 4.97e-03, 273.05),
    Table1Row(2, 200, 400, 8.37e-07, 0.52, 9.87e-03, 336.04),
    Table1Row(2, 400, 800, 1.79e-08, 1.81, 1.69e-02, 560.14),
    Table1Row(2, 800, 1600, 2.47e-09, 25.94, 3.10e-02, 843.12),
    Table1Row(2, 1600, 3200, 6.10e-10, 184.98, 1.53e-02, 953.37),
    Table1Row(3, 200, 600, 7.65e-02, 0.82, 1.95e-02, 371.18),
    Table1Row(3, 400, 1200, 7.66e-03, 2.62, 1.21e-02, 762.42),
    Table1Row(3, 800, 1600, 1.34e-04, 33.77, 1.48e-02, 866.44),
    Table1Row(3, 1600, 4800, 2.18e-06, 284.53, 2.55e-02, 1034.34),
    Table1Row(3, 3200, 9600, 2.58e-07, 3593.61, 2.81e-02, 768.84),
    Table1Row(4, 800, 3200, 2.02e-01, 24.59, 2.85e-02, 903.55),
    Table1Row(4, 1600, 6400, 3.29e-02, 346.79, 3.51e-02, 1121.94),
    Table1Row(4, 3200, 12800, 2.92e-03, 4771.60, 3.52e-02, 984.04),
    Table1Row(4, 6400, 25600, 4.35e-05, 43052.25, 4.39e-02, 3304.76),
    Table1Row(5, 800, 4800, 5.36e00, 32.22, 3.63e-02, 770.54),
    Table1Row(5, 3200, 16000, 3.08e-01, 6303.20, 5.20e-02, 1204.22),
    Table1Row(5, 6400, 32000, 6.37e-02, 53479.10, 9.10e-02, 5906.69),
    Table1Row(6, 800, 4800, 8.76e00, 39.03, 4.31e-02, 800.76),
    Table1Row(6, 6400, 38400, 2.33e00, 63403.53, 1.38e-01, 6995.10),
    Table1Row(7, 800, 100_000, None, None, 3.74e-02, 4414.28),
    Table1Row(8, 800, 100_000, None, None, 5.28e-02, 4415.12),
    Table1Row(9, 800, 100_000, None, None, 4.88e-02, 4422.54),
    Table1Row(10, 800, 100_000, None, None, 3.66e-02, 4424.33),
    Table1Row(11, 800, 100_000, None, None, 8.29e-02, 4424.00),
    Table1Row(12, 800, 100_000, None, None, 6.11e-02, 4426.54),
)

TABLE_2: dict[tuple[int, int], tuple[str, str]] = {
    # n, m: dReal's seconds for the ELM-PI and for the PINN-PI candidate
    (1, 50): ("6.99", "0.02"),
    (1, 100): ("2.20", "0.05"),
    (1, 200): ("4.13", "0.14"),
    (2, 50): ("time-out", "not verified"),
    (2, 100): ("time-out", "0.68"),
    (2, 200): ("time-out", "1.88"),
    (2, 400): ("time-out", "6.10"),
}

TABLE_3_PENDULUM: dict[str, dict[int, float]] = {
    # learner: order or neurons: seconds of training. All are verified with c1 = 0.01, c2 = 0.029.
    "galerkin": {2: 4.80, 4: 19.37, 6: 66.52, 8: 212.42},
    "elm-pi": {50: 0.11, 100: 0.24, 200: 0.71, 400: 2.92},
    "pinn-pi": {50: 255.15, 100: 256.53, 200: 258.89, 400: 256.52},
}

LORENZ_SECONDS: dict[str, dict[int, float]] = {
    # Appendix F.3.2; m = 400 and 800 stabilise in the paper's simulations, 100 and 200 do not
    "elm-pi": {100: 0.68, 200: 1.55, 400: 7.03, 800: 46.84},
    "galerkin": {2: 6.63, 4: 69.15, 6: 893.28},
}
LORENZ_STABILISES = {100: False, 200: False, 400: True, 800: True}

FIGURE_5_COSTS = {"pendulum": 6.0, "cartpole": 152.0, "quadrotor-2d": 3.3, "quadrotor-3d": 1.3}
"""PINN-PI's cost accumulated over 10 s, read off the figure; its initial states are not given."""

BILINEAR_ERROR = 1e-16
"""ELM-PI with relu and no bias, m >= 3 (Appendix F.3.1)."""
