"""Your own system, from a TOML file: read it, stabilise it by LQR, simulate.

Usage: python examples/own_system.py [FILE.toml]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from learners.lqr import lqr
from systems import ClosedLoop, InputError, linear_control, read_system, simulate

DEFAULT = Path(__file__).with_name("magnetic_levitation.toml")


def main(path: Path) -> None:
    system = read_system(path)
    gain, _ = lqr(system)
    control = system.saturated(linear_control(gain, system))
    starts = system.domain.scaled("1/2").sample(5, np.random.default_rng(0))
    result = simulate(ClosedLoop(system, control), starts, horizon=2.0)
    print(f"{system.name}: {system.description}")
    for start, end, cost in zip(starts, result.states[:, -1], result.total_costs, strict=True):
        print(f"  from {start.round(4)} to {end.round(6)}, cost {cost:.4g}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
    except InputError as error:
        sys.exit(f"error: {error}")
