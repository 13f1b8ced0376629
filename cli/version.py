"""The version that is installed."""

from __future__ import annotations


def version() -> str:
    """As the package's metadata says; "unknown" in a bare checkout."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("stableproof")
    except PackageNotFoundError:
        return "unknown"
