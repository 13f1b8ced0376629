"""C99 source of the controller and of V: no dependency but <math.h>, no memory but the stack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from certify.balls import BallInterpreter
from proofs.export.artifact import Artifact, ImpossibleError, Written
from proofs.export.c_code import HELPERS, function_body, helpers_of, tables
from proofs.export.functions import Function, functions_of
from proofs.export.names import comment, commented
from proofs.export.numbers import rounding_line
from proofs.export.source import NOT_PROVED, Source
from systems.box import Box
from systems.tape import Tape

Array = NDArray[np.float64]

TOLERANCE = 1e-12
SAMPLES = 8
"""Points of the self-test."""

_SELF_TEST = """
#ifdef STABLEPROOF_SELF_TEST
/* cc -std=c99 -DSTABLEPROOF_SELF_TEST controller.c -lm: exit code 0 where all values agree. */
#include <stdio.h>

int main(void)
{
    static const double points[%(count)d][%(n)d] = {
%(points)s
    };
    static const double expected[%(count)d][%(k)d] = {
%(expected)s
    };
    // 1e-12 of the value or of 1, and what rounding may do to these operations in float64
    static const double tolerance[%(count)d][%(k)d] = {
%(tolerance)s
    };
    double worst = 0.0;
    int agree = 1;
    for (int s = 0; s < %(count)d; ++s) {
        double found[%(k)d];
        stableproof_controller(points[s], found);
        found[%(m)d] = stableproof_value(points[s]);
        for (int i = 0; i < %(k)d; ++i) {
            double error = fabs(found[i] - expected[s][i]);
            worst = error > worst ? error : worst;
            agree = agree && error <= tolerance[s][i]; // false where it is NaN
        }
    }
    printf("%%s; largest error %%.3g\\n", agree ? "all values agree" : "WRONG VALUES", worst);
    return agree ? 0 : 1;
}
#endif
"""


def write_c(source: Source) -> Written:
    """``c/controller.h`` and ``c/controller.c``. Raises ImpossibleError without inputs."""
    functions = {f.name: f for f in functions_of(source.problem)[0]}
    if "controller" not in functions:
        raise ImpossibleError(f"{source.problem.system.name} has no inputs, and so no controller")
    control, value = functions["controller"], functions["V"]
    return Written(
        (
            Artifact("c/controller.h", _header(source, control).encode("ascii"), "C99 header"),
            Artifact(
                "c/controller.c", _source(source, control, value).encode("ascii"), "C99 source"
            ),
        )
    )


def _header(source: Source, control: Function) -> str:
    n, m = source.problem.system.state_dimension, control.tape.output_sizes[0]
    limits = source.problem.system.input_limits
    within = [] if limits is None else [f"The limits of the actuator are in it: {_limits(limits)}"]
    notes = [
        *source.origin,
        *NOT_PROVED,
        "",
        f"{control.words}. x has {n} entries:",
        *(f"  x[{i}]: {name}" for i, name in enumerate(source.state_names)),
        f"and u has {m}:",
        *(f"  u[{i}]: {name}" for i, name in enumerate(source.input_names)),
        *within,
        "Where an entry of x is NaN, what depends on it is NaN. No state is kept between calls.",
        "Do not compile with -ffast-math or the like.",
    ]
    return (
        commented(notes, "//")
        + f"""#ifndef STABLEPROOF_CONTROLLER_H
#define STABLEPROOF_CONTROLLER_H

#define STABLEPROOF_STATES {n}
#define STABLEPROOF_INPUTS {m}

#ifdef __cplusplus
extern "C" {{
#endif

// u = k(x). The arrays may not overlap.
void stableproof_controller(const double x[STABLEPROOF_STATES], double u[STABLEPROOF_INPUTS]);

// V(x).
double stableproof_value(const double x[STABLEPROOF_STATES]);

#ifdef __cplusplus
}}
#endif

#endif
"""
    )


def _limits(limits: Box) -> str:
    sides = zip(limits.lower, limits.upper, strict=True)
    return ", ".join(f"[{a}, {b}]" for a, b in sides)


def _source(source: Source, control: Function, value: Function) -> str:
    used = helpers_of([control.tape, value.tape])
    parts = [
        commented([*source.origin, *NOT_PROVED, "", *_rounding(control, value)], "//"),
        '#include "controller.h"\n\n#include <math.h>\n',
        *("\n" + HELPERS[name] for name in HELPERS if name in used),
        tables(control.tape, "u"),
        "\nvoid stableproof_controller(const double x[STABLEPROOF_STATES], "
        "double u[STABLEPROOF_INPUTS])\n{\n",
        function_body(control.tape, "u"),
        f"    for (int i = 0; i < {control.tape.output_sizes[0]}; ++i) {{\n"
        f"        u[i] = r{control.tape.outputs[0]}[i];\n    }}\n}}\n",
        tables(value.tape, "v"),
        "\ndouble stableproof_value(const double x[STABLEPROOF_STATES])\n{\n",
        function_body(value.tape, "v"),
        f"    return r{value.tape.outputs[0]}[0];\n}}\n",
        _self_test(source, control, value),
    ]
    return "".join(parts)


def _rounding(control: Function, value: Function) -> list[str]:
    return [
        comment(f"{name}: {rounding_line(f.tape)}")
        for name, f in (("controller", control), ("V", value))
    ]


def _self_test(source: Source, control: Function, value: Function) -> str:
    points = source.problem.domain.sample(SAMPLES, np.random.default_rng(0))
    found = [_expected(f.tape, points) for f in (control, value)]
    expected, tolerance = (np.hstack([pair[k] for pair in found]) for k in (0, 1))
    finite = np.isfinite(expected + tolerance).all(axis=1)
    if not finite.any():
        return ""
    return _SELF_TEST % {
        "count": int(finite.sum()), "n": points.shape[1], "k": expected.shape[1],
        "m": control.tape.output_sizes[0], "points": _rows(points[finite]),
        "expected": _rows(expected[finite]), "tolerance": _rows(tolerance[finite]),
    }  # fmt: skip


def _expected(tape: Tape, points: Array) -> tuple[Array, Array]:
    """The output at points, and how far float64 may be from it; infinite where it has no value."""
    interpreter = BallInterpreter(tape, 53)
    values, tolerance = [], []
    for point in points.tolist():
        balls = interpreter.outputs(point, point)[0]
        finite = all(v.is_finite() for v in balls)
        values.append([float(v.mid()) if finite else np.inf for v in balls])
        rounding = [8 * float(v.rad()) if finite else np.inf for v in balls]
        tolerance.append(
            [r + TOLERANCE * max(1.0, abs(v)) for r, v in zip(rounding, values[-1], strict=True)]
        )
    return np.array(values), np.array(tolerance)


def _rows(values: Array) -> str:
    rows: Sequence[Sequence[float]] = values.tolist()
    return ",\n".join("        {" + ", ".join(v.hex() for v in row) + "}" for row in rows)
