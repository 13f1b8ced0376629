"""What is controlled: expressions, systems, the zoo, and the reader of users' own systems."""

from __future__ import annotations

from systems import zoo
from systems.box import Box
from systems.build import system_from_sympy, system_from_text
from systems.differentiate import gradient, jacobian
from systems.dynamics import ClosedLoop, ControlAffineSystem, UnsafeSet, linear_control
from systems.errors import InputError
from systems.exact import ExactArray, exact
from systems.expression import Expression, Op, substitute, variable
from systems.from_sympy import from_sympy
from systems.linearize import linearize
from systems.parser import parse_expression
from systems.reader import read_system
from systems.sampled import Sampling, sampled
from systems.simulate import Simulation, simulate
from systems.tape import Tape, compile_tape

__all__ = [
    "Box",
    "ClosedLoop",
    "ControlAffineSystem",
    "ExactArray",
    "Expression",
    "InputError",
    "Op",
    "Sampling",
    "Simulation",
    "Tape",
    "UnsafeSet",
    "compile_tape",
    "exact",
    "from_sympy",
    "gradient",
    "jacobian",
    "linear_control",
    "linearize",
    "parse_expression",
    "read_system",
    "sampled",
    "simulate",
    "substitute",
    "system_from_sympy",
    "system_from_text",
    "variable",
    "zoo",
]
