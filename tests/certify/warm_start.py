"""What the server of :mod:`tests.certify.warm_children` imports before it forks."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from certify import Budget
from certify.backends.taylor import Taylor
from tests.certify.statement import claim

with suppress(ImportError):
    import z3  # noqa: F401

with suppress(ImportError, PackageNotFoundError):
    from certify.backends.lirpa_compatibility import load

    load(version("auto-LiRPA"))

# Loads the compiled kernels too.
Taylor().check(
    claim("s", "polynomial", "-1..1", lambda x: [(x[0], ">", 2)], True, "").condition,
    Budget(9.0),
)
