"""What the page's figures are drawn from, as JSON: the closed loop's program, boxes, solutions.

The page evaluates V, its change and F itself, on whatever slice its reader chooses; so it holds the
program and not its values. Floating point for the eye: nothing here proves anything.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from proofs.figure_paving import MOST_BOXES, PavedCondition
from proofs.picture_data import Scene
from proofs.report_words import coordinates
from proofs.statement import one_line
from systems.tape import Tape, compile_tape

Array = NDArray[np.float64]

RASTER = 96
"""Cells along each side of a projection of the region."""

SAMPLES = 400
"""Times at which a solution is drawn, at most."""


def figure_data(
    scene: Scene,
    pavings: Sequence[PavedCondition],
    counterexamples: Sequence[Mapping[str, object]],
    training: Mapping[str, Sequence[float]],
) -> dict[str, object]:
    """Everything that the figures show, as plain JSON data without NaN or infinity."""
    problem, result = scene.result.problem, scene.result
    low, high = scene.domain
    near_low, near_high = near_window(scene)
    ellipsoid, level = result.ellipsoid, scene.ellipsoid_level
    return {
        "verdict": type(result.verdict).__name__.lower(),
        "discrete": problem.is_discrete,
        "timeUnit": scene.time_unit,
        "states": [{"name": a, "unit": b} for a, b in zip(scene.names, scene.units, strict=True)],
        "disturbances": _disturbances(scene),
        "domain": _box(low, high),
        "near": _box(near_low, near_high),
        "statement": _box(*scene.statement_domain),
        "equilibrium": scene.equilibrium.tolist(),
        "centreWord": scene.centre_word,
        "levels": {"c1": scene.c1, "c2": scene.c2, "core": _core(scene)},
        "ellipsoid": None
        if ellipsoid is None or level is None
        else {"P": ellipsoid.matrix.tolist(), "level": level},
        "program": program_data(scene),
        "unsafe": [one_line(s.name) for s in problem.system.unsafe],
        "paths": _paths(scene),
        "points": [_point(c) for c in counterexamples],
        "pavings": [*_inside(scene), *(_paving(p) for p in pavings)],
        "projections": _projections(scene, near_low, near_high),
        "training": {k: [_number(v) for v in vs] for k, vs in training.items()},
    }


def near_window(scene: Scene) -> tuple[Array, Array]:
    """A box around the region, with a margin, inside the domain; the domain where none is known."""
    low, high = (end.copy() for end in scene.domain)
    paving = scene.result.paving
    if paving is None or not len(paving.lower):
        return low, high
    a, b = paving.lower.min(axis=0), paving.upper.max(axis=0)
    margin = 0.25 * (b - a)
    near = (b - a) < 0.6 * (high - low)
    return (
        np.where(near, np.maximum(low, a - margin), low),
        np.where(near, np.minimum(high, b + margin), high),
    )


def program_data(scene: Scene) -> dict[str, object]:
    """One straight-line program: V, its change, F, and the constraints of every unsafe set."""
    problem = scene.result.problem
    unsafe = [s.constraints for s in problem.system.unsafe]
    flat = [c for group in unsafe for c in group]
    outputs = [problem.value, problem.derivative, problem.field, *flat]
    tape = compile_tape(outputs, problem.variables)
    needed = sorted(tape.needed)
    place = {register: k for k, register in enumerate(needed)}
    value, change, field, *rest = (place[o] for o in tape.outputs)
    groups, taken = [], iter(rest)
    for group in unsafe:
        groups.append([next(taken) for _ in group])
    return {
        "instructions": [_instruction(tape, register, place) for register in needed],
        "constants": [{"shape": c.shape, "values": _numbers(c.values)} for c in tape.constants],
        "value": value,
        "change": change,
        "field": field,
        "unsafe": groups,
    }


def _instruction(tape: Tape, register: int, place: Mapping[int, int]) -> list[object]:
    i = tape.instructions[register]
    return [i.op.value, i.size, [place[a] for a in i.args], i.constants, i.integers]


def _disturbances(scene: Scene) -> list[dict[str, object]]:
    """Name, unit and range of every disturbance, which are sliders on the page."""
    system = scene.result.problem.system
    box = system.disturbance_range
    if box is None:
        return []
    low, high = box.outer()
    named = coordinates(system)[system.state_dimension :]
    return [
        {"name": one_line(n), "unit": one_line(u), "low": a, "high": b}
        for (n, u), a, b in zip(named, low.tolist(), high.tolist(), strict=True)
    ]


def _core(scene: Scene) -> float | None:
    k = scene.result.constants
    return None if k is None or k.core is None else float(k.core)


def _paths(scene: Scene) -> dict[str, object] | None:
    paths = scene.trajectories
    if paths is None:
        return None
    step = max(1, len(paths.times) // SAMPLES)
    states = paths.states[:, ::step]
    return {
        "times": packed(paths.times[::step]),
        "states": packed(states),
        "count": len(states),
    }


def _point(row: Mapping[str, object]) -> dict[str, object]:
    """One row of the table of counterexamples."""
    found = row.get("point")
    numbers = [float(v) for v in found] if isinstance(found, list | tuple) else []
    return {
        "round": int(str(row.get("round", 1))),
        "condition": one_line(str(row.get("condition", ""))),
        "point": numbers,
    }


def _inside(scene: Scene) -> list[dict[str, object]]:
    """The boxes inside {V ≤ c2} whose volume is the lower bound; the largest where there are many.

    They do not cover anything, so that leaving out small ones misleads nobody who is told.
    """
    paving = scene.result.paving
    if paving is None or not len(paving.lower):
        return []
    volume = (paving.upper - paving.lower).prod(axis=1)
    kept = np.sort(np.argsort(-volume, kind="stable")[:MOST_BOXES])
    return [
        {
            "name": "volume",
            "reasons": ["V ≤ c2 on the whole box"],
            "lower": packed(paving.lower[kept]),
            "upper": packed(paving.upper[kept]),
            "kind": packed(np.zeros(len(kept)), "<u1"),
            "margin": None,
            "merged": None,
            "leaves": len(paving.lower),
            "shown": len(kept),
        }
    ]


def _paving(p: PavedCondition) -> dict[str, object]:
    return {
        "name": p.name,
        "reasons": list(p.reasons),
        "lower": packed(p.lower),
        "upper": packed(p.upper),
        "kind": packed(p.kind, "<u1"),
        "margin": packed(p.margin),
        "merged": packed(p.merged, "<u4") if p.thinned else None,
        "leaves": p.leaves,
        "shown": len(p.lower),
    }


def _projections(scene: Scene, low: Array, high: Array) -> dict[str, str]:
    """For every pair of states, which cells of the window lie under a box inside {V ≤ c2}.

    Bits of a RASTER × RASTER grid, the first coordinate fastest; a cell counts by its centre.
    """
    paving = scene.result.paving
    if scene.dimension < 3 or paving is None or not len(paving.lower):
        return {}
    width = (high - low) / RASTER
    first = np.ceil((paving.lower - low) / width - 0.5).clip(0, RASTER).astype(np.int64)
    last = np.floor((paving.upper - low) / width - 0.5).clip(-1, RASTER - 1).astype(np.int64)
    out = {}
    for i, j in combinations(range(scene.dimension), 2):
        met = (first[:, i] <= last[:, i]) & (first[:, j] <= last[:, j])
        grid = np.zeros((RASTER + 1, RASTER + 1), dtype=np.int64)
        corners = ((first, first, 1), (first, last + 1, -1), (last + 1, first, -1),
                   (last + 1, last + 1, 1))  # fmt: skip
        for rows, columns, sign in corners:
            np.add.at(grid, (rows[met, j], columns[met, i]), sign)
        covered = grid.cumsum(axis=0).cumsum(axis=1)[:RASTER, :RASTER] > 0
        out[f"{i},{j}"] = _text(np.packbits(covered.ravel()))
    return out


def packed(values: NDArray[np.float64] | NDArray[np.int64], kind: str = "<f4") -> str:
    """An array as base64 of little-endian numbers, single precision unless told otherwise."""
    return _text(np.ascontiguousarray(values).astype(kind))


def _text(array: NDArray[np.generic]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _box(low: Array, high: Array) -> list[list[float]]:
    return [low.tolist(), high.tolist()]


def _numbers(values: Array) -> list[float]:
    return [float(v) for v in values.ravel()]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
