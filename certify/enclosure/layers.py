"""Recognise one-hidden-layer networks, and their first and second derivatives, in a tape."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from certify.enclosure.folding import Constants
from systems.expression import Op
from systems.tape import Instruction, Tape

Array = NDArray[np.float64]

LEAST_WEIGHT, MOST_WEIGHT, MOST_BETA = 2.0**-64, 2.0**64, 2.0**128
"""Powers of smaller input weights leave the normal range, where no relative error bound holds;
those of larger ones, or their products with larger output weights, may overflow."""

MOST_ROWS = 12
"""A wider map after the hidden layer is a deep network's, better served by composition."""


@dataclass(frozen=True)
class Entry:
    """One scalar ∂^indices N_which + offset, N_which = betas[which]ᵀ tanh(W x + b).

    ``indices`` is () for the value, (i,) for ∂/∂xᵢ, (i, j) for ∂²/∂xᵢ∂xⱼ.
    """

    which: int
    indices: tuple[int, ...]
    offset: float


@dataclass(frozen=True, eq=False)
class Layer:
    """A hidden layer tanh(W x + b), W (m, n), and what the tape makes of it.

    ``betas`` (R, m) are the output weights of the potentials; ``registers`` maps each register of
    the tape that holds linear functionals of the layer to its entries, all weights exact.
    """

    weight: Array
    bias: Array
    betas: Array
    registers: dict[int, list[Entry]]

    @property
    def derivatives(self) -> int:
        """The highest order of derivative in use."""
        return max(len(e.indices) for entries in self.registers.values() for e in entries)


@dataclass(frozen=True, eq=False)
class _Form:
    """scale · (∏ factors) ∘ kind, with kind one of h, h², 1 − h², h (1 − h²), h = tanh(z).

    ``scale`` is a power of 2, with sign, so that nothing is rounded.
    """

    kind: str
    scale: float = 1.0
    factors: tuple[Array, ...] = ()


def find_layers(tape: Tape, constants: Constants) -> list[Layer]:
    """The one-hidden-layer networks of a tape whose weights are floats, exactly.

    They are functions of the tape's first variable; of the others (disturbances) they are functions
    with weight 0.
    """
    layers = []
    for index, i in enumerate(tape.instructions):
        if i.op is not Op.TANH:
            continue
        z = tape.instructions[i.args[0]]
        if z.op is not Op.AFFINE or not _is_first_variable(tape.instructions[z.args[0]]):
            continue
        weight, bias = (tape.constants[k] for k in z.constants)
        if weight.is_dyadic and bias.is_dyadic and _has_normal_powers(weight.values):
            search = _Search(tape, index, weight.values, constants)
            search.run()
            betas = np.array(search.betas)
            if search.registers and (np.abs(betas) <= MOST_BETA).all():
                unused = np.zeros((len(weight.values), tape.dimension - weight.shape[1]))
                whole = np.hstack([weight.values, unused])
                layers.append(Layer(whole, bias.values, betas, search.registers))
    return layers


def _is_first_variable(i: Instruction) -> bool:
    return i.op is Op.VARIABLE and i.integers == (0,)


@dataclass
class _Search:
    tape: Tape
    hidden: int
    weight: Array
    constants: Constants
    forms: dict[int, _Form] = field(default_factory=dict)
    registers: dict[int, list[Entry]] = field(default_factory=dict)
    betas: list[Array] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)

    def run(self) -> None:
        self.forms[self.hidden] = _Form("h")
        for index, i in enumerate(self.tape.instructions):
            if i.op is Op.AFFINE and i.args[0] in self.forms:
                entries = self._consumed(i, self.forms[i.args[0]])
                if entries is not None:
                    self.registers[index] = entries
            elif index not in self.forms:
                form = self._form(i)
                if form is not None:
                    self.forms[index] = form

    def _form(self, i: Instruction) -> _Form | None:
        if i.op is Op.POWER and i.integers == (2,):
            return _Form("h2") if i.args[0] == self.hidden else None
        if i.op is Op.SUB and i.args[1] in self.forms and self._is_plain(i.args[1], "h2"):
            one = self.constants.exact(i.args[0])
            return _Form("prime") if one is not None and (one == 1.0).all() else None
        if i.op is Op.MUL:
            a, b = i.args
            if a in self.forms and b in self.forms:
                return _product(self.forms[a], self.forms[b])
            for fixed, varying in ((a, b), (b, a)):
                constant = self.constants.exact(fixed)
                if constant is not None and varying in self.forms:
                    return self._scaled(self.forms[varying], constant)
        return None

    def _is_plain(self, register: int, kind: str) -> bool:
        form = self.forms[register]
        return form.kind == kind and form.scale == 1.0 and not form.factors

    def _scaled(self, form: _Form, constant: Array) -> _Form | None:
        if len(constant) == 1 and _is_power_of_two(constant[0]):
            return _Form(form.kind, form.scale * constant[0], form.factors)
        if len(constant) not in (1, len(self.weight)):
            return None  # a single neuron, broadcast
        factor = np.broadcast_to(constant, (len(self.weight),))
        return _Form(form.kind, form.scale, (*form.factors, factor))

    def _consumed(self, i: Instruction, form: _Form) -> list[Entry] | None:
        """The entries of an affine map of a form, where it is a functional we can name."""
        rows, offset = (self.tape.constants[k] for k in i.constants)
        if not (rows.is_dyadic and offset.is_dyadic) or i.size > MOST_ROWS:
            return None
        offsets = offset.values.tolist()
        if form.kind == "h":
            betas = self._value_betas(rows.values, form)
            if betas is None:
                return None
            numbers = [self._number(beta) for beta in betas]
            return [Entry(w, (), o) for w, o in zip(numbers, offsets, strict=True)]
        if not np.array_equal(rows.values, self.weight.T):
            return None
        if form.kind == "prime" and len(form.factors) <= 1:
            beta = _times(form.scale, form.factors[0] if form.factors else self._ones)
            if beta is None:
                return None
            which = self._number(beta)
            return [Entry(which, (j,), o) for j, o in enumerate(offsets)]
        if form.kind == "second":
            return self._second(form, offsets)
        return None

    @property
    def _ones(self) -> Array:
        return np.ones(len(self.weight))

    def _value_betas(self, rows: Array, form: _Form) -> list[Array] | None:
        """The rows of rows · diag(scale ∏ factors), where no rounding is needed to say them."""
        if not form.factors:
            scaled = [_times(form.scale, row) for row in rows]
        elif len(form.factors) == 1 and (rows == 1.0).all():
            scaled = [_times(form.scale, form.factors[0])] * len(rows)
        else:
            return None
        betas = [beta for beta in scaled if beta is not None]
        return betas if len(betas) == len(scaled) else None

    def _second(self, form: _Form, offsets: list[float]) -> list[Entry] | None:
        """h (1 − h²) = −½ tanh'': one factor must be a column of W, the other is β."""
        factors = [*form.factors, self._ones, self._ones][:2]
        if len(form.factors) > 2:
            return None
        for column, beta in (factors, factors[::-1]):
            for i in range(self.weight.shape[1]):
                scaled = _times(-0.5 * form.scale, beta)
                if scaled is not None and np.array_equal(column, self.weight[:, i]):
                    which = self._number(scaled)
                    return [Entry(which, (i, j), o) for j, o in enumerate(offsets)]
        return None

    def _number(self, beta: Array) -> int:
        key = np.ascontiguousarray(beta + 0.0).tobytes()
        if key not in self.known:
            self.known[key] = len(self.betas)
            self.betas.append(np.ascontiguousarray(beta + 0.0))
        return self.known[key]


def _product(a: _Form, b: _Form) -> _Form | None:
    if {a.kind, b.kind} != {"h", "prime"}:
        return None
    return _Form("second", a.scale * b.scale, (*a.factors, *b.factors))


def _is_power_of_two(value: float) -> bool:
    return value != 0.0 and abs(math.frexp(value)[0]) == 0.5 and 2.0**-64 <= abs(value) <= 2.0**64


def _has_normal_powers(weight: Array) -> bool:
    moduli = np.abs(weight[weight != 0.0])
    return bool(((moduli >= LEAST_WEIGHT) & (moduli <= MOST_WEIGHT)).all())


def _times(scale: float, beta: Array) -> Array | None:
    """scale · beta, exactly; None where it is too close to the limits of float64 for that."""
    with np.errstate(all="ignore"):
        out = scale * beta
        return out if np.array_equal(out / scale, beta) else None
