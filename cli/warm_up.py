"""The compiled kernels, once: the first proof after an installation pays for all later ones."""

from __future__ import annotations

from cli.output import note


def warm_up() -> None:
    """Compile the enclosure kernels where they are not yet, outside of any time limit."""
    if not kernels_are_compiled():
        note("compiling the enclosure kernels, once (about half a minute)")
        _prove_something_small()


def kernels_are_compiled() -> bool:
    """Whether the cache on disk holds the largest kernel, made of the present sources."""
    from certify.enclosure import interpreter

    cache = getattr(interpreter.test_boxes, "_cache", None)
    index = getattr(getattr(cache, "_cache_file", None), "_load_index", None)
    if index is None:
        return True  # nothing is cached here, or not in a way we know: nothing to announce
    return bool(index())


def _prove_something_small() -> None:
    from certify import Budget, prove_stability
    from learners.elm_pi import ElmPolicyIteration
    from systems import system_from_text

    plant = system_from_text("warm-up", ["x"], ["u"], ["x + u"], domain=[(-1, 1)])
    candidate = ElmPolicyIteration(neurons=8).fit(plant)
    prove_stability(plant, candidate, budget=Budget(600.0))
