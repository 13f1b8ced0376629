"""Formulas as text: our own whitelist over Python's syntax tree. Nothing is ever evaluated.

The text is parsed to a tree and walked; every node that is not named here is refused. A literal
``0.15`` is the rational 3/20, read from the source text and not from the float.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Callable, Mapping

from systems import expression as ex
from systems.errors import InputError
from systems.expression import Expression
from systems.formulas import (
    FUNCTIONS,
    RESERVED,
    bounded,
    constant_value,
    did_you_mean,
    number_from_text,
    raise_to,
)

MAX_LENGTH = 10_000
"""Characters in one formula."""


def parse_expression(text: str, names: Mapping[str, Expression], *, where: str) -> Expression:
    """The scalar expression that ``text`` denotes, with ``names`` for its free names.

    Allowed: numbers, ``pi``, the given names, ``+ - * / **``, parentheses, and the functions of
    :data:`systems.formulas.FUNCTIONS`. Powers are integers or halves.

    Raises InputError, one line that begins with ``where`` and tells the column.
    """
    return _parse(text, where, lambda flat: _formula(flat, names))


def parse_comparison(text: str, names: Mapping[str, Expression], *, where: str) -> Expression:
    """The scalar expression h such that ``text``, one comparison by >= or <=, says h ≥ 0.

    Both sides are formulas as :func:`parse_expression` takes them, which also tells the errors.
    """
    return _parse(text, where, lambda flat: _comparison(flat, names))


def _parse(text: str, where: str, build: Callable[[str], Expression]) -> Expression:
    flat = text.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    stripped = flat.strip()
    indent = len(flat) - len(flat.lstrip())
    try:
        return build(stripped)
    except _FormulaError as fault:
        place = _position(text, fault.column + indent)
        raise InputError(f"{where}, {place}: {fault.message}") from None


def _formula(text: str, names: Mapping[str, Expression]) -> Expression:
    tree = _syntax_tree(text)
    return _Walk(text, names).build(tree)


def _comparison(text: str, names: Mapping[str, Expression]) -> Expression:
    for mark in ("≥", "≤"):
        if mark in text:
            plain = ">=" if mark == "≥" else "<="
            raise _FormulaError(text.index(mark), f"write {plain} for {mark}")
    if wrong := _ASSIGNED.search(text):
        raise _FormulaError(wrong.start(), "write >= or <=, as in x1 >= 3/2")
    tree, walk = _syntax_tree(text), _Walk(text, names)
    if isinstance(tree, ast.BoolOp):
        raise walk.fault(tree.values[1], _ONE_EACH)
    if not isinstance(tree, ast.Compare):
        raise _FormulaError(0, "a comparison is wanted, such as x1 >= 3/2")
    if len(tree.ops) > 1:
        raise walk.fault(tree.comparators[0], _ONE_EACH)
    match tree.ops[0]:
        case ast.Gt() | ast.Lt():
            raise walk.fault(tree.left, "write >= or <=; the boundary belongs to the set")
        case ast.GtE() | ast.LtE():
            sides = [walk.build(tree.left), walk.build(tree.comparators[0])]
        case _:
            raise walk.fault(tree.left, "only >= and <= compare here")
    small, large = sides if isinstance(tree.ops[0], ast.LtE) else reversed(sides)
    try:
        return bounded(lambda: large - small)
    except InputError as error:
        raise walk.fault(tree, str(error)) from None


_ONE_EACH = "write each comparison as a text of its own"


_ASSIGNED = re.compile(r"(?<![<>=!])=(?!=)|=[<>]")
"""A lone =, or => and =<, which are no comparisons."""


def _position(text: str, index: int) -> str:
    before = text[:index]
    column = index - (before.rfind("\n") + 1) + 1
    if "\n" not in text.strip():
        return f"column {column}"
    return f"line {before.count(chr(10)) + 1} of the formula, column {column}"


class _FormulaError(Exception):
    """What is wrong, and at which character of the text (from 0)."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


def _syntax_tree(text: str) -> ast.expr:
    if not text:
        raise _FormulaError(0, "the formula is empty; write 0 for zero")
    if len(text) > MAX_LENGTH:
        raise _FormulaError(MAX_LENGTH, f"the formula is longer than {MAX_LENGTH} characters")
    for mark, hint in _FORBIDDEN.items():
        if mark in text:
            raise _FormulaError(text.index(mark), hint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tokeniser warns about what is refused below
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        if gap := _gap(text):
            raise gap from None
        raise _FormulaError(max((error.offset or 1) - 1, 0), _syntax_hint(text, error)) from None
    except (MemoryError, RecursionError):
        raise _FormulaError(0, "the formula is nested too deeply; split it up") from None
    except ValueError as error:
        raise _FormulaError(0, f"the formula cannot be read: {error}") from None


_FORBIDDEN = {
    "#": "'#' has no meaning in a formula; put comments on a line of their own",
    "\0": "the formula contains a null character",
    '"': "quotation marks have no meaning in a formula",
    "'": "quotation marks have no meaning in a formula; name a derivative x_dot, not x'",
    "\\": "a backslash has no meaning in a formula",
}


_WORD = r"(?:[^\W\d]\w*|(?<!\w)(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_GAP = re.compile(rf"({_WORD}|\))(\s+)(?=({_WORD}|\())|(\))()(?=({_WORD}|\())")


def _gap(text: str) -> _FormulaError | None:
    """Two quantities side by side, where a * or parentheses are missing."""
    for match in _GAP.finditer(text):
        left, right = match[1] or match[4], match[3] or match[6]
        if keyword.iskeyword(left) or keyword.iskeyword(right) or "|" in text:
            continue
        if left in FUNCTIONS:
            if right == "(":
                continue
            hint = f"a function's argument stands in parentheses: {left}({right})"
            return _FormulaError(match.start(), hint)
        if right == "(" and left != ")":
            continue  # a call, which has its own hint
        return _FormulaError(match.end(), f"a * is missing between {left!r} and {right!r}")
    return None


def _syntax_hint(text: str, error: SyntaxError) -> str:
    message = str(error.msg or "invalid syntax")
    if "decimal literal" in message:
        return "a number runs into a name; write 2*x, not 2x"
    if "=" in text.replace(">=", "").replace("<=", ""):
        return "'=' has no place in a formula; give only the right-hand side"
    if "nested" in message:
        return "the formula is nested too deeply; split it up"
    if "|" in text:
        return "'|' has no meaning in a formula; write abs(x) for an absolute value"
    if "digits" in message:
        return "the formula contains a number with too many digits"
    return f"not a formula ({message}); write for example -x1 + 2*sin(x2)"


class _Walk:
    """One formula on its way from syntax tree to expression."""

    def __init__(self, text: str, names: Mapping[str, Expression]) -> None:
        self._bytes = text.encode()  # the tree counts UTF-8 bytes
        self._names = names

    def build(self, root: ast.expr) -> Expression:
        """Operands before their users, without recursion: long sums are deep trees."""
        done: dict[int, Expression] = {}
        pending = [(root, False)]
        while pending:
            node, ready = pending.pop()
            if ready:
                operands = [done[id(a)] for a in self._operands(node)]
                done[id(node)] = self._combine(node, operands)
            else:
                pending.append((node, True))
                pending.extend((a, False) for a in reversed(self._operands(node)))
        return done[id(root)]

    def _operands(self, node: ast.expr) -> list[ast.expr]:
        match node:
            case ast.Constant() | ast.Name():
                return []
            case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
                return [node.operand]
            case ast.BinOp() if type(node.op) in _ARITHMETIC or isinstance(node.op, ast.Pow):
                return [node.left, node.right]
            case ast.BinOp():
                hint = _OPERATOR_HINTS.get(type(node.op), "only + - * / ** are operators here")
                raise self.fault(node.left, hint, at_end=True)
            case ast.Call():
                return self._arguments(node)
        hint = _NODE_HINTS.get(type(node), "only numbers, names, + - * / ** and functions are")
        raise self.fault(node, hint)

    def _arguments(self, node: ast.Call) -> list[ast.expr]:
        if isinstance(node.func, ast.Attribute):
            raise self.fault(node.func, f"write {node.func.attr}(…), without anything before it")
        if not isinstance(node.func, ast.Name):
            raise self.fault(node, "only named functions can be called; to multiply, write *")
        name = node.func.id
        function = FUNCTIONS.get(name)
        if function is None:
            if name in self._names or name == "pi":
                hint = f"{name!r} is a quantity, not a function; to multiply, write {name}*(…)"
                raise self.fault(node, hint)
            raise self.fault(node, f"unknown function {name!r}{did_you_mean(name, FUNCTIONS)}")
        starred = any(isinstance(a, ast.Starred) for a in node.args)
        if node.keywords or starred or not function.takes(len(node.args)):
            raise self.fault(node, f"{name} is used as {function.usage}")
        return node.args

    def _combine(self, node: ast.expr, operands: list[Expression]) -> Expression:
        try:
            match node:
                case ast.Constant():
                    return self._number(node)
                case ast.Name():
                    return self._name(node)
                case ast.UnaryOp():
                    return operands[0] if isinstance(node.op, ast.UAdd) else -operands[0]
                case ast.BinOp(op=ast.Pow()):
                    return self._power(node, *operands)
                case ast.BinOp():
                    builder = _ARITHMETIC[type(node.op)]
                    return bounded(lambda: builder(*operands))
                case ast.Call(func=ast.Name(id=name)):
                    return bounded(lambda: FUNCTIONS[name].build(*operands))
        except InputError as error:
            raise self.fault(node, str(error)) from None
        raise self.fault(node, "not allowed here")

    def _number(self, node: ast.Constant) -> Expression:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(node, f"{value!r} is not a real number")
        source = self._bytes[node.col_offset : node.end_col_offset].decode()
        if isinstance(value, int) and not source[:2].lower().startswith(("0x", "0b", "0o")):
            return ex.constant(number_from_text(source))
        if isinstance(value, int):
            raise self.fault(node, f"write the number {source[:12]} in decimals")
        return ex.constant(number_from_text(source))

    def _name(self, node: ast.Name) -> Expression:
        if node.id in self._names:
            return self._names[node.id]
        if node.id == "pi":
            return ex.pi()
        if node.id in FUNCTIONS:
            hint = f"{node.id} is a function and is used as {FUNCTIONS[node.id].usage}"
            raise self.fault(node, hint)
        hint = did_you_mean(node.id, self._names, also=RESERVED)
        raise self.fault(node, f"unknown name {node.id!r}{hint}")

    def _power(self, node: ast.BinOp, base: Expression, exponent: Expression) -> Expression:
        value = constant_value(exponent)
        if value is None:
            hint = "the exponent must be a number; for a varying power write exp(b*log(a))"
            raise self.fault(node.right, hint)
        return raise_to(base, value)

    def fault(self, node: ast.expr, message: str, *, at_end: bool = False) -> _FormulaError:
        offset = node.end_col_offset if at_end else node.col_offset
        column = len(self._bytes[: offset or 0].decode(errors="ignore"))
        return _FormulaError(column, message)


_ARITHMETIC: dict[type[ast.operator], Callable[[Expression, Expression], Expression]] = {
    ast.Add: ex.add,
    ast.Sub: ex.subtract,
    ast.Mult: ex.multiply,
    ast.Div: ex.divide,
}

_OPERATOR_HINTS: dict[type[ast.operator], str] = {
    ast.BitXor: "'^' is not a power here; write ** (x**2)",
    ast.FloorDiv: "'//' is not allowed; write / for a quotient",
    ast.Mod: "'%' is not allowed: the remainder is not continuous",
    ast.MatMult: "'@' is not allowed; write sums and products out",
    ast.BitOr: "'|' has no meaning in a formula; write abs(x) for an absolute value",
}

_NODE_HINTS: dict[type[ast.expr], str] = {
    ast.Attribute: "a dot has no meaning here; write plain names such as sin or x1",
    ast.Compare: "comparisons are not allowed; write min, max, abs, clip or relu",
    ast.IfExp: "'if' is not allowed; write min, max, abs, clip or relu",
    ast.BoolOp: "'and' and 'or' are not allowed; write min or max",
    ast.Subscript: "brackets have no meaning here; give every component its own name, x1, x2, …",
    ast.List: "a list is not allowed; a formula is one number",
    ast.Tuple: "a comma is not allowed here; write decimals with a point, 0.15",
    ast.Lambda: "'lambda' is not allowed; call the quantity lam or lambda_",
}
