"""The child's side: one condition from standard input, one answer to standard output, in JSON.

    python -m certify.backends.worker TASK

A task is a function (condition, options) → answer; answers are made by the three functions here.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certify.conditions import Condition
    from certify.split_tree import SplitTree

TASKS: Mapping[str, str] = {
    "dreal": "certify.backends.dreal_task",
    "lirpa": "certify.backends.lirpa_task",
    "z3": "certify.backends.z3_task",
}
"""The module of each task; the function there is called ``task``."""

PATIENCE = 60
"""Seconds beyond its time in which a parent that is alive has long stopped the child."""

Answer = dict[str, object]


def no_violation(
    said: str = "unsat", tree: SplitTree | None = None, condition: Condition | None = None
) -> Answer:
    """With the split tree over the condition's regions, where the solver has one."""
    answer: Answer = {"no_violation": True, "said": said}
    if tree is not None and condition is not None:
        from certify.tree_code import encode_tree

        answer["tree"] = encode_tree(tree, condition.regions, len(condition.violation))
    return answer


def points(rows: Iterable[Sequence[float]], said: str = "sat") -> Answer:
    """Floats travel in hexadecimal: exactly, and NaN too."""
    return {"points": [[float(v).hex() for v in row] for row in rows], "said": said}


def open_(reason: str) -> Answer:
    return {"open": reason}


def _limit_memory(most: int) -> None:
    """Where the system has such limits."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    del soft
    wanted = most + _size_now()
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def limit_processor_time(seconds: int) -> None:
    """Of this process, where the system has such limits: one whose parent was killed ends too."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _size_now() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 1 << 30


def main(task: str) -> int:
    request = json.loads(sys.stdin.buffer.read())
    # What a solver prints must not be taken for its answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    from certify.condition_json import condition_from_json

    solve = importlib.import_module(TASKS[task]).task
    condition = condition_from_json(request["condition"])
    _limit_memory(int(request["memory"]))
    wall = math.ceil(float(request["options"]["seconds"])) + PATIENCE
    limit_processor_time(wall * (os.cpu_count() or 1))
    answer = solve(condition, request["options"])
    with os.fdopen(answers, "w", encoding="ascii") as out:
        json.dump(answer, out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
