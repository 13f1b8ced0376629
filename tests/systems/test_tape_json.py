"""Tapes come back from files exactly; whatever is not a tape is told, with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems import expression as ex
from systems import zoo
from systems.differentiate import gradient
from systems.errors import InputError
from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape
from systems.tape_json import expressions_of, tape_from_json
from tests.certify.graphs import graphs
from tests.systems.graphs import kinked, random_graph, used


def as_read(tape: Tape) -> Any:
    """The tape's JSON after a trip through text."""
    return json.loads(json.dumps(tape.to_json()))


def check_round_trip(tape: Tape) -> None:
    data = as_read(tape)
    again = tape_from_json(data)
    assert again.to_json() == data and again.digest == tape.digest
    assert [a.key() for a in again.constants] == [a.key() for a in tape.constants]
    variables, outputs = expressions_of(again)
    assert [(v.name, v.size) for v in variables] == list(tape.inputs)
    assert compile_tape(outputs, variables).digest == tape.digest


@settings(max_examples=100, deadline=None)
@given(graphs(3, steps=True))
def test_random_tapes_round_trip(graph: tuple[Expression, Expression]) -> None:
    x, root = graph
    check_round_trip(compile_tape([root], [x]))


@settings(max_examples=100, deadline=None)
@given(graphs(3))
def test_tapes_with_gradients_round_trip(graph: tuple[Expression, Expression]) -> None:
    x, root = graph
    check_round_trip(compile_tape([root, gradient(root, x)], [x]))


@pytest.mark.parametrize("seed", range(20))
def test_several_inputs_and_shared_nodes_round_trip(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y, unused = ex.variable("x", 2), ex.variable("y", 1), ex.variable("z", 4)
    root = random_graph(generator, [x, y]) + kinked(x) * ex.pi() / ex.constant("1/3")
    check_round_trip(compile_tape([root, y, root], [y, unused, x]))


@pytest.mark.parametrize("name", [n for n in zoo.names() if not n.startswith("synthetic-1")])
def test_every_system_of_the_zoo_round_trips(name: str) -> None:
    system = zoo.system(name)
    outputs = [system.drift, *system.input_columns, system.state_cost]
    check_round_trip(compile_tape(outputs, system.variables))


def test_every_operation_is_among_the_tested() -> None:
    x = ex.variable("x", 2)
    root = ex.stack([x * ex.pi(), ex.tan(x), ex.apply(Op.STEP, x), ex.constant("1/3")])
    for seed in range(20):
        root = ex.stack([root, random_graph(np.random.default_rng(seed), [x]), kinked(x)])
    assert used(root) == set(Op)
    check_round_trip(compile_tape([root], [x]))


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.fractions())
def test_every_constant_comes_back_exactly(value: float | Fraction) -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([x * ex.constant([value, 2.5])], [x])
    (again,) = tape_from_json(as_read(tape)).constants
    assert again.rationals() == [Fraction(value), Fraction(5, 2)]


def network() -> Any:
    x = ex.variable("x", 2)
    hidden = ex.tanh(ex.affine([["1/3", 2.5], [0.1, -1.0]], x, [0.25, 1]))
    return as_read(compile_tape([ex.total(hidden**2) + ex.sin(x[1]) * 3], [x]))


def index_of(data: Any, op: str) -> int:
    return next(k for k, i in enumerate(data["instructions"]) if i["op"] == op)


def set_entry(entry: object) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        data["constants"][0]["entries"][0] = entry

    return change


def set_in(op: str, key: str, value: object) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        data["instructions"][index_of(data, op)][key] = value

    return change


def drop(key: str) -> Callable[[Any], None]:
    return lambda data: data.pop(key)


ENTRIES = [
    "nan", "inf", "-inf", "NaN", "1.5", "0x1", "0x1.8p+0", " 0x1.0000000000000p+0", "1/0", "2/4",
    "1/2", "-1/-3", "1/3 ", "0x1p+9999", "", "x" * 100, "9" * 9000 + "/7", "1" + "0" * 400 + "/3",
    1.5, 1, None, True, ["0x0.0p+0"], {},
]  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: str(e)[:20])
def test_numbers_with_another_spelling_are_refused(entry: object) -> None:
    data = network()
    set_entry(entry)(data)
    with pytest.raises(InputError, match=r"^tape\.constants\[0\]\.entries\[0\]: ") as caught:
        tape_from_json(data)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (drop("inputs"), "tape"),
        (lambda d: d.update(extra=1), "tape"),
        (lambda d: d.update(outputs=[]), "tape.outputs"),
        (lambda d: d.update(outputs=[10**6]), "tape.outputs[0]"),
        (lambda d: d.update(outputs=[-1]), "tape.outputs[0]"),
        (lambda d: d.update(outputs=[True]), "tape.outputs[0]"),
        (lambda d: d.update(inputs=[]), "tape.inputs"),
        (lambda d: d.update(inputs=[["x", 0]]), "tape.inputs[0]"),
        (lambda d: d.update(inputs=[["x", 2, 3]]), "tape.inputs[0]"),
        (lambda d: d.update(inputs=[["x\x1b[2J", 2]]), "tape.inputs[0]"),
        (lambda d: d.update(inputs=[["x", 3]]), "tape.instructions[0]"),
        (lambda d: d["instructions"].reverse(), "tape.instructions[0]"),
        (lambda d: d["instructions"].pop(1), "tape.instructions"),
        (lambda d: d.update(instructions={}), "tape.instructions"),
        (lambda d: d["constants"].pop(), "tape.instructions"),
        (lambda d: d["constants"][0]["entries"].pop(), "tape.constants[0]"),
        (lambda d: d["constants"][0].update(shape=[4]), "tape.instructions"),
        (lambda d: d["constants"][0].update(shape=[]), "tape.constants[0]"),
        (lambda d: d["constants"][0].update(shape=[2, 1, 2]), "tape.constants[0].shape"),
        (set_in("tanh", "op", "eval"), "tape.instructions"),
        (set_in("tanh", "op", ["tanh"]), "tape.instructions"),
        (set_in("tanh", "size", 3), "tape.instructions"),
        (set_in("tanh", "size", 1.0), "tape.instructions"),
        (set_in("tanh", "args", []), "tape.instructions"),
        (set_in("tanh", "args", [2, 2]), "tape.instructions"),
        (set_in("tanh", "args", [-1]), "tape.instructions"),
        (set_in("tanh", "args", [50]), "tape.instructions"),
        (set_in("tanh", "integers", [1]), "tape.instructions"),
        (set_in("tanh", "constants", [0]), "tape.instructions"),
        (set_in("power", "integers", [1]), "tape.instructions"),
        (set_in("power", "integers", [10**9]), "tape.instructions"),
        (set_in("slice", "integers", [2]), "tape.instructions"),
        (set_in("slice", "integers", []), "tape.instructions"),
        (set_in("variable", "integers", [1]), "tape.instructions"),
        (set_in("variable", "integers", []), "tape.instructions"),
        (set_in("affine", "constants", [1, 0]), "tape.instructions"),
        (set_in("affine", "args", []), "tape.instructions"),
        (set_in("add", "args", [0]), "tape.instructions"),
    ],
)
def test_what_is_no_tape_is_told_with_its_place(
    change: Callable[[Any], object], place: str
) -> None:
    data = network()
    tape_from_json(copy.deepcopy(data))
    change(data)
    with pytest.raises(InputError) as caught:
        tape_from_json(data)
    assert str(caught.value).startswith(place) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, 3, "tape", [], {}])
def test_what_is_no_object_is_no_tape(data: object) -> None:
    with pytest.raises(InputError, match=r"^V: "):
        tape_from_json(data, "V")


def test_registers_that_grow_without_bound_are_refused() -> None:
    doubling = [{"op": "variable", "size": 1, "args": [], "constants": [], "integers": [0]}]
    for k in range(30):
        size = 2 ** min(k + 1, 19)
        args = [k, k] if k < 19 else [k]
        op = "stack" if k < 19 else "sin"
        doubling.append({"op": op, "size": size, "args": args, "constants": [], "integers": []})
    doubling += [{**doubling[-1]} for _ in range(40)]
    data = {"inputs": [["x", 1]], "instructions": doubling, "constants": [], "outputs": [0]}
    with pytest.raises(InputError, match="more than 20000000 entries"):
        tape_from_json(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_damage_never_crashes(draw: st.DataObject) -> None:
    """One random value anywhere: an InputError, or a tape that says exactly what the data says."""
    data = network()
    holder: Any = data
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = draw.draw(st.sampled_from(keys))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or draw.draw(st.booleans()):
            break
        holder = inner
    holder[key] = draw.draw(
        st.sampled_from([None, -1, 0, 1, 2, 7, 2.5, "", "mul", "relu", [], [0], [0, 1], {}])
    )
    try:
        tape = tape_from_json(data)
    except InputError as error:
        assert str(error).startswith("tape")
    else:
        assert tape.to_json() == data
