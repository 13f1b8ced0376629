"""auto_LiRPA made fit for use: 0.3 beside today's numpy and torch, and NaN kept where it belongs.

What numpy and torch removed since 0.3 is put back for that version only, before its import.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from typing import Any

OPSET = "_set_opset_version"


def load(version: str) -> Any:
    """The library auto_LiRPA, of the installed version given. Raises ImportError.

    Its import lets recursion go so deep that a nested file would overflow the stack: undone.
    """
    depth = sys.getrecursionlimit()
    try:
        return _load(version)
    finally:
        sys.setrecursionlimit(depth)


def _load(version: str) -> Any:
    with warnings.catch_warnings(record=True):  # 0.3 changes the filters of the whole process
        if version == "0.3" and "auto_LiRPA" not in sys.modules:
            _restore()
            import auto_LiRPA

            _accept_duplicates(auto_LiRPA.BoundedModule)
            _keep_tables()
        import auto_LiRPA

        _keep_nan()
    return auto_LiRPA


def _restore() -> None:
    import numpy as np
    import torch

    symbolic_helper = importlib.import_module("torch.onnx.symbolic_helper")
    if "numpy.lib.arraysetops" not in sys.modules:
        module = types.ModuleType("numpy.lib.arraysetops")
        module.isin = np.isin  # type: ignore[attr-defined]
        sys.modules["numpy.lib.arraysetops"] = module
    if not hasattr(symbolic_helper, OPSET):
        setattr(symbolic_helper, OPSET, _set_opset_version)
    if not hasattr(torch._C.Node, "__getitem__"):
        torch._C.Node.__getitem__ = _attribute


def _set_opset_version(version: int) -> None:
    from torch.onnx._internal.torchscript_exporter._globals import GLOBALS

    GLOBALS.export_onnx_opset_version = version


def _attribute(node: Any, name: str) -> Any:
    """An attribute of a node of a traced graph: its kind is the name of the method to ask."""
    return getattr(node, node.kindOf(name))(name)


def _accept_duplicates(module: Any) -> None:
    """torch now asks a module for its members with one more argument."""
    named = module._named_members

    def named_members(self: Any, *args: Any, remove_duplicate: bool = True, **rest: Any) -> Any:
        del remove_duplicate
        return named(self, *args, **rest)

    module._named_members = named_members


def _keep_nan() -> None:
    """A bound that is NaN on one box stays NaN on that box.

    The library takes 0 for the whole batch's bias instead, and then every bound is wrong.
    """
    from auto_LiRPA.bound_ops import Bound

    original = Bound.get_bias
    if getattr(original, "keeps_nan", False):
        return

    def get_bias(self: Any, A: Any, bias: Any) -> Any:
        import torch

        if not isinstance(A, torch.Tensor):
            return original(self, A, bias)
        return torch.einsum("sb...,b...->sb" if self.batch_dim != -1 else "sb...,...->sb", A, bias)

    get_bias.keeps_nan = True  # type: ignore[attr-defined]
    Bound.get_bias = get_bias


def _keep_tables() -> None:
    """The tables of tanh and sigmoid take a second each: one for each function, not each node."""
    from auto_LiRPA.bound_ops import BoundTanh

    compute = BoundTanh.precompute_relaxation
    tables: dict[object, dict[str, Any]] = {}

    def precompute_relaxation(self: Any, name: str, *functions: Any, **rest: Any) -> None:
        import torch

        key = (name, torch.get_default_dtype(), tuple(sorted(rest.items())))
        if key not in tables:
            before = set(vars(self))
            compute(self, name, *functions, **rest)
            tables[key] = {k: v for k, v in vars(self).items() if k not in before}
        vars(self).update(tables[key])

    BoundTanh.precompute_relaxation = precompute_relaxation
