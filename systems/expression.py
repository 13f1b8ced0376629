"""Vector-valued expression graphs: one language for dynamics, networks and their gradients.

An :class:`Expression` is an immutable node of a directed acyclic graph; every node is a vector of
fixed ``size``. Elementwise operations take operands of equal size, or one of size 1, which is
broadcast. Constants are exact (:mod:`systems.exact`). Nothing is evaluated here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from systems.exact import ExactArray, exact, exact_product, exact_sum


class Op(Enum):
    """The operations of the language; the value is the name in files."""

    VARIABLE = "variable"
    CONSTANT = "constant"
    PI = "pi"
    AFFINE = "affine"  # W a + b
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    POWER = "power"  # integer exponent >= 2
    SIN = "sin"
    COS = "cos"
    TAN = "tan"
    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    TANH = "tanh"
    SIGMOID = "sigmoid"  # 1 / (1 + exp(-z))
    SOFTPLUS = "softplus"  # log(1 + exp(z))
    RELU = "relu"
    STEP = "step"  # 0 below zero, 1 above, the whole of [0, 1] at zero (Clarke)
    MIN = "min"
    MAX = "max"
    STACK = "stack"  # concatenation
    SLICE = "slice"  # selection of entries by index


UNARY = frozenset(
    {
        Op.SIN, Op.COS, Op.TAN, Op.EXP, Op.LOG, Op.SQRT, Op.TANH, Op.SIGMOID, Op.SOFTPLUS, Op.RELU,
        Op.STEP,
    }
)  # fmt: skip
BINARY = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.MAX})


@dataclass(frozen=True, eq=False)
class Expression:
    """A node: operation, operands, size, and what the operation carries besides.

    ``name`` is a variable's; ``constants`` is (values,) of a constant and (W, b) of an affine map;
    ``integers`` is (exponent,) of a power and the selected indices of a slice.
    Comparison is by identity; build nodes with the functions of this module, which check sizes.
    """

    op: Op
    args: tuple[Expression, ...]
    size: int
    name: str = ""
    constants: tuple[ExactArray, ...] = ()
    integers: tuple[int, ...] = ()

    def __add__(self, other: Operand) -> Expression:
        return add(self, other)

    def __radd__(self, other: Operand) -> Expression:
        return add(other, self)

    def __sub__(self, other: Operand) -> Expression:
        return subtract(self, other)

    def __rsub__(self, other: Operand) -> Expression:
        return subtract(other, self)

    def __mul__(self, other: Operand) -> Expression:
        return multiply(self, other)

    def __rmul__(self, other: Operand) -> Expression:
        return multiply(other, self)

    def __truediv__(self, other: Operand) -> Expression:
        return divide(self, other)

    def __rtruediv__(self, other: Operand) -> Expression:
        return divide(other, self)

    def __neg__(self) -> Expression:
        return multiply(-1, self)

    def __pow__(self, exponent: int) -> Expression:
        return power(self, exponent)

    def __getitem__(self, index: int | Sequence[int]) -> Expression:
        return select(self, [index] if isinstance(index, int) else list(index))

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Expression]:
        return iter([self[i] for i in range(self.size)])

    def __repr__(self) -> str:
        inner = self.name or ", ".join(a.op.value for a in self.args)
        return f"<{self.op.value}({inner}) of size {self.size}>"


MOST_FOLDED = 16
"""Constant vectors up to this length are folded in rationals."""

Operand = Expression | int | float | Fraction | str


def variable(name: str, size: int) -> Expression:
    """A free vector variable."""
    if size < 1:
        raise ValueError(f"variable {name!r} needs at least one component, not {size}")
    return Expression(Op.VARIABLE, (), size, name=name)


def constant(values: object) -> Expression:
    """A constant vector (or, from a single number, a vector of size 1), exact."""
    if isinstance(values, ExactArray):
        array = values
    elif isinstance(values, int | float | Fraction | str | np.floating | np.integer):
        array = ExactArray.of([values])
    else:
        array = ExactArray.of(values)  # type: ignore[arg-type]
    if len(array.shape) != 1 or not array.shape[0]:
        raise ValueError(f"a constant is a non-empty vector, not an array of shape {array.shape}")
    return Expression(Op.CONSTANT, (), array.shape[0], constants=(array,))


def pi() -> Expression:
    """The circle constant, exactly."""
    return Expression(Op.PI, (), 1)


def affine(
    weight: NDArray[np.float64] | ExactArray | Sequence[Sequence[object]],
    argument: Expression,
    bias: NDArray[np.float64] | ExactArray | Sequence[object] | None = None,
) -> Expression:
    """W a + b with W of shape (rows, argument.size) and b of shape (rows,), zero where left out."""
    w = weight if isinstance(weight, ExactArray) else ExactArray.of(weight)
    if len(w.shape) != 2 or w.shape[1] != argument.size:
        raise ValueError(f"weight of shape {w.shape} does not fit an argument of {argument.size}")
    if bias is None:
        b = ExactArray.of(np.zeros(w.shape[0]))
    else:
        b = bias if isinstance(bias, ExactArray) else ExactArray.of(bias)
    if b.shape != (w.shape[0],):
        raise ValueError(f"bias of shape {b.shape} does not fit a weight of shape {w.shape}")
    values = rational_values(argument)
    if values is not None:
        return constant(_affine_values(w, values, b))
    return Expression(Op.AFFINE, (argument,), w.shape[0], constants=(w, b))


def total(argument: Expression) -> Expression:
    """The sum of all entries."""
    if argument.size == 1:
        return argument
    return affine(np.ones((1, argument.size)), argument)


def dot(a: Expression, b: Expression) -> Expression:
    """The inner product of two vectors of equal size."""
    return total(multiply(a, b))


def stack(parts: Sequence[Operand]) -> Expression:
    """The concatenation of vectors (numbers count as vectors of size 1)."""
    nodes = tuple(_node(p) for p in parts)
    if not nodes:
        raise ValueError("nothing to stack")
    if len(nodes) == 1:
        return nodes[0]
    if all(p.op is Op.CONSTANT for p in nodes):
        return constant([v for p in nodes for v in p.constants[0].rationals()])
    return Expression(Op.STACK, nodes, sum(p.size for p in nodes))


def select(argument: Expression, indices: Sequence[int]) -> Expression:
    """The entries at ``indices`` (which may repeat), in that order."""
    chosen = []
    for i in indices:
        if not -argument.size <= i < argument.size:
            raise IndexError(f"index {i} is outside a vector of size {argument.size}")
        chosen.append(i % argument.size)
    if chosen == list(range(argument.size)):
        return argument
    values = rational_values(argument)
    if values is not None:
        return constant([values[i] for i in chosen])
    if argument.op is Op.STACK:
        pieces = [p[k] if p.size > 1 else p for p, k in (_piece(argument, i) for i in chosen)]
        return stack(pieces)
    return Expression(Op.SLICE, (argument,), len(chosen), integers=tuple(chosen))


def add(a: Operand, b: Operand) -> Expression:
    """a + b."""
    x, y, size = _pair(a, b)
    if _is_value(y, 0) and x.size == size:
        return x
    if _is_value(x, 0) and y.size == size:
        return y
    return _folded(Op.ADD, x, y, size, lambda p, q: p + q)


def subtract(a: Operand, b: Operand) -> Expression:
    """a − b."""
    x, y, size = _pair(a, b)
    if _is_value(y, 0) and x.size == size:
        return x
    return _folded(Op.SUB, x, y, size, lambda p, q: p - q)


def multiply(a: Operand, b: Operand) -> Expression:
    """a · b, entry by entry."""
    x, y, size = _pair(a, b)
    for p, q in ((x, y), (y, x)):
        if _is_value(p, 1) and q.size == size:
            return q
        if _is_value(p, 0) and _is_total(q):
            return constant([0] * size)
    return _folded(Op.MUL, x, y, size, lambda p, q: p * q)


def divide(a: Operand, b: Operand) -> Expression:
    """a / b, entry by entry. Raises ZeroDivisionError where a constant divisor is 0."""
    x, y, size = _pair(a, b)
    divisor = rational_values(y)
    if divisor is not None:
        if 0 in divisor:
            raise ZeroDivisionError("division by the constant 0")
        return multiply(x, constant([1 / v for v in divisor]))
    return _folded(Op.DIV, x, y, size, lambda p, q: p / q)


def minimum(a: Operand, b: Operand) -> Expression:
    """min(a, b), entry by entry."""
    x, y, size = _pair(a, b)
    return _folded(Op.MIN, x, y, size, min)


def maximum(a: Operand, b: Operand) -> Expression:
    """max(a, b), entry by entry."""
    x, y, size = _pair(a, b)
    return _folded(Op.MAX, x, y, size, max)


def clip(a: Operand, low: Operand, high: Operand) -> Expression:
    """min(max(a, low), high): saturation at the limits of an actuator."""
    return minimum(maximum(a, low), high)


def absolute(a: Operand) -> Expression:
    """|a| = max(a, −a)."""
    return maximum(a, multiply(-1, a))


def power(a: Operand, exponent: int) -> Expression:
    """a to an integer power; a negative one is a quotient."""
    x = _node(a)
    if exponent != int(exponent):
        raise ValueError(f"exponent {exponent} is not an integer; use exp and log, or sqrt")
    k = int(exponent)
    if k == 0:
        return constant([1] * x.size)
    if k < 0:
        return divide(1, power(x, -k))
    if k == 1:
        return x
    values = rational_values(x)
    if values is not None:
        return constant([v**k for v in values])
    return Expression(Op.POWER, (x,), x.size, integers=(k,))


def apply(op: Op, a: Operand) -> Expression:
    """A unary function of :data:`UNARY`, entry by entry."""
    if op not in UNARY:
        raise ValueError(f"{op.value} is not a function of one argument")
    x = _node(a)
    values = rational_values(x)
    if values is not None:
        images = [_rational_image(op, v) for v in values]
        if None not in images:
            return constant(images)
    return Expression(op, (x,), x.size)


_KNOWN_AT_ZERO = {
    Op.SIN: Fraction(0),
    Op.COS: Fraction(1),
    Op.TAN: Fraction(0),
    Op.EXP: Fraction(1),
    Op.SQRT: Fraction(0),
    Op.TANH: Fraction(0),
    Op.SIGMOID: Fraction(1, 2),
    Op.RELU: Fraction(0),
}


def sin(a: Operand) -> Expression:
    return apply(Op.SIN, a)


def cos(a: Operand) -> Expression:
    return apply(Op.COS, a)


def tan(a: Operand) -> Expression:
    return apply(Op.TAN, a)


def exp(a: Operand) -> Expression:
    return apply(Op.EXP, a)


def log(a: Operand) -> Expression:
    return apply(Op.LOG, a)


def sqrt(a: Operand) -> Expression:
    return apply(Op.SQRT, a)


def tanh(a: Operand) -> Expression:
    return apply(Op.TANH, a)


def sigmoid(a: Operand) -> Expression:
    return apply(Op.SIGMOID, a)


def softplus(a: Operand) -> Expression:
    return apply(Op.SOFTPLUS, a)


def relu(a: Operand) -> Expression:
    return apply(Op.RELU, a)


def topological(roots: Iterable[Expression]) -> list[Expression]:
    """Every node the roots depend on, operands before their users, each once."""
    order: list[Expression] = []
    seen: set[int] = set()
    pending = [(r, False) for r in reversed(list(roots))]
    while pending:
        node, ready = pending.pop()
        if id(node) in seen:
            continue
        if ready:
            seen.add(id(node))
            order.append(node)
        else:
            pending.append((node, True))
            pending.extend((a, False) for a in reversed(node.args))
    return order


def variables(root: Expression) -> list[Expression]:
    """The free variables of an expression, in order of first appearance."""
    return [node for node in topological([root]) if node.op is Op.VARIABLE]


def substitute(root: Expression, values: Mapping[Expression, Expression]) -> Expression:
    """The expression with each variable replaced; constants fold on the way."""
    done: dict[int, Expression] = {}
    for node in topological([root]):
        if node in values:
            replacement = values[node]
            if replacement.size != node.size:
                raise ValueError(
                    f"{node.name!r} has size {node.size}, its replacement {replacement.size}"
                )
            done[id(node)] = replacement
        else:
            args = tuple(done[id(a)] for a in node.args)
            same = all(a is b for a, b in zip(args, node.args, strict=True))
            done[id(node)] = node if same else rebuild(node, args)
    return done[id(root)]


def rebuild(node: Expression, args: Sequence[Expression]) -> Expression:
    """The same operation on other operands."""
    match node.op:
        case Op.AFFINE:
            return affine(node.constants[0], args[0], node.constants[1])
        case Op.POWER:
            return power(args[0], node.integers[0])
        case Op.STACK:
            return stack(args)
        case Op.SLICE:
            return select(args[0], node.integers)
        case op if op in UNARY:
            return apply(op, args[0])
        case op if op in BINARY:
            return _BUILDERS[op](args[0], args[1])
        case _:
            return node


_BUILDERS: dict[Op, Callable[[Operand, Operand], Expression]] = {
    Op.ADD: add,
    Op.SUB: subtract,
    Op.MUL: multiply,
    Op.DIV: divide,
    Op.MIN: minimum,
    Op.MAX: maximum,
}


def rational_values(node: Expression) -> list[Fraction] | None:
    """The entries of a constant node, else None."""
    return node.constants[0].rationals() if node.op is Op.CONSTANT else None


def _node(a: Operand) -> Expression:
    return a if isinstance(a, Expression) else constant(exact(a))


def _pair(a: Operand, b: Operand) -> tuple[Expression, Expression, int]:
    x, y = _node(a), _node(b)
    if x.size != y.size and 1 not in (x.size, y.size):
        raise ValueError(f"vectors of sizes {x.size} and {y.size} do not combine")
    return x, y, max(x.size, y.size)


def _folded(
    op: Op, x: Expression, y: Expression, size: int, fold: Callable[[Fraction, Fraction], Fraction]
) -> Expression:
    if x.op is not Op.CONSTANT or y.op is not Op.CONSTANT:
        return Expression(op, (x, y), size)
    if size > MOST_FOLDED:
        return _folded_floats(op, x, y, size)
    p, q = x.constants[0].rationals(), y.constants[0].rationals()
    return constant([fold(p[i % len(p)], q[i % len(q)]) for i in range(size)])


def _folded_floats(op: Op, x: Expression, y: Expression, size: int) -> Expression:
    """Fold long constants only where floats hold the result exactly: rationals would only grow."""
    a, b = x.constants[0], y.constants[0]
    if a.is_dyadic and b.is_dyadic and op in (Op.ADD, Op.SUB, Op.MUL):
        p, q = np.broadcast_arrays(a.values, b.values)
        result = exact_product(p, q) if op is Op.MUL else exact_sum(p, q if op is Op.ADD else -q)
        if result is not None:
            return constant(ExactArray.of(result))
    return Expression(op, (x, y), size)


def _is_value(node: Expression, value: int) -> bool:
    if node.op is not Op.CONSTANT:
        return False
    array = node.constants[0]
    return array.is_dyadic and bool((array.values == value).all())


def _is_total(node: Expression) -> bool:
    """Whether the node is defined everywhere, so that 0 times it is 0."""
    return all(n.op not in (Op.DIV, Op.LOG, Op.SQRT, Op.TAN) for n in topological([node]))


def _affine_values(w: ExactArray, values: list[Fraction], b: ExactArray) -> ExactArray:
    """W a + b of a constant a, exactly."""
    if not any(values):
        return b
    used = [j for j, v in enumerate(values) if v]
    if len(used) == 1 and values[used[0]] == 1 and w.is_dyadic and _is_zero(b):
        return ExactArray.of(w.values[:, used[0]])
    entries, columns = w.rationals(), w.shape[1]
    rows = (entries[i * columns : (i + 1) * columns] for i in range(w.shape[0]))
    return ExactArray.from_rationals(
        [
            sum((p * q for p, q in zip(row, values, strict=True) if q), offset)
            for row, offset in zip(rows, b.rationals(), strict=True)
        ],
        (w.shape[0],),
    )


def _is_zero(array: ExactArray) -> bool:
    return array.is_dyadic and not array.values.any()


def _rational_image(op: Op, value: Fraction) -> Fraction | None:
    """The value of a function where it is plainly rational, else None."""
    if not value:
        return _KNOWN_AT_ZERO.get(op)
    if op is Op.LOG and value == 1:
        return Fraction(0)
    if op is Op.RELU:
        return max(value, Fraction(0))
    if op is Op.STEP:
        return Fraction(1 if value > 0 else 0)
    if op is Op.SQRT and value > 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        root = Fraction(above, below)
        return root if root * root == value else None
    return None


def _piece(stacked: Expression, index: int) -> tuple[Expression, int]:
    for part in stacked.args:
        if index < part.size:
            return part, index
        index -= part.size
    raise IndexError(index)
