"""What a controller's step costs: called from Python one state at a time, and as exported C.

Processor time, which other work on the machine disturbs little. IPOPT runs in one thread.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from benchmarks.reactor_runs import follow, published, task_with
from certify.candidate import Candidate
from learners.baselines import Controller, TrackingLqr
from proofs.export.c_source import write_c
from proofs.export.source import source_of_candidate
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.zoo.reactor_separator import SET_POINTS

Array = NDArray[np.float64]

WARM_UP = 20
LOOPS = 200_000

_TIMER = """
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>
#include "controller.h"

int main(void)
{
    double x[%(count)d][STABLEPROOF_STATES], u[STABLEPROOF_INPUTS], sum = 0.0;
    for (int k = 0; k < %(count)d; ++k) {
        for (int i = 0; i < STABLEPROOF_STATES; ++i) {
            if (scanf("%%la", &x[k][i]) != 1) {
                return 1;
            }
        }
    }
    struct timespec began, ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    for (int k = 0; k < %(loops)d; ++k) {
        stableproof_controller(x[k %% %(count)d], u);
        sum += u[0];
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    double seconds = (double)(ended.tv_sec - began.tv_sec);
    seconds += 1e-9 * (double)(ended.tv_nsec - began.tv_nsec);
    printf("%%.9g %%.9g\\n", seconds / %(loops)d, sum);
    return 0;
}
"""


def visited_states(periods: int = 300) -> Array:
    """States on the way from s0 to sref2 under LQR, with noise σ_w1; (T, 9)."""
    task = task_with("w1")
    start = np.array([float(v) for v in SET_POINTS[0].states])
    course = follow(task, TrackingLqr(task), [published(2, periods)], 1, start=start)
    return course.states[0, :-1]


def python_microseconds(controller: Controller) -> float:
    """The mean over the visited states, each the only one of its call."""
    target = published(2, 1)
    reference, held = target.state[None], target.input[None]
    states = [state[None] for state in visited_states()]
    controller.reset(1)
    for state in states[:WARM_UP]:
        controller.act(state, reference, held)
    controller.reset(1)
    began = process_time()
    for state in states:
        controller.act(state, reference, held)
    return 1e6 * (process_time() - began) / len(states)


def compiled_microseconds(
    system: ControlAffineSystem, control: Expression, loops: int = LOOPS
) -> float | None:
    """The mean over the visited states, of the C source that ``export`` writes of a control law,
    compiled with -O2; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    shifted = system.state - ex.constant(list(system.equilibrium))
    source = source_of_candidate(system, Candidate(system.state, ex.total(shifted**2), control))
    states = visited_states()
    given = "\n".join(" ".join(v.hex() for v in row) for row in states.tolist())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for artifact in write_c(source).artifacts:
            path = folder / artifact.path
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(artifact.content)
        main = folder / "c" / "timer.c"
        main.write_text(_TIMER % {"count": len(states), "loops": loops}, encoding="utf-8")
        command = [compiler, "-std=c99", "-O2", "controller.c", "timer.c", "-o", "timer", "-lm"]
        subprocess.run(command, cwd=main.parent, check=True, capture_output=True)
        done = subprocess.run(
            [str(main.parent / "timer")], input=given, capture_output=True, text=True, check=True
        )
    return 1e6 * float(done.stdout.split()[0])
