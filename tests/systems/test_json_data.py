"""JSON out is canonical; JSON in is distrusted."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems.errors import InputError
from systems.json_data import canonical_json, plain, quotient, rational, read_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_canonical_json_is_a_fixed_point(value: object) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text
    assert text.isascii()


def test_canonical_json_forgets_the_order_of_keys_and_refuses_nan() -> None:
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1})
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


def test_plain_takes_what_learners_record() -> None:
    record = {
        "gain": np.array([[1.0, 2.0]]),
        "residual": np.float64("nan"),
        "best": float("inf"),
        "mu": Fraction(1, 3),
        3: (True, None, np.int64(4)),
        "other": Path("x"),
    }
    assert plain(record) == {
        "gain": [[1.0, 2.0]],
        "residual": "nan",
        "best": "inf",
        "mu": "1/3",
        "3": [True, None, 4],
        "other": "x",
    }
    canonical_json(plain(record))


@given(st.fractions())
def test_rationals_come_back(value: Fraction) -> None:
    assert rational(quotient(value), "c1") == value


@pytest.mark.parametrize("text", ["1", "2/4", "1/0", "0x1p0", "1/-2", "+1/2", " 1/2", "", None, 3])
def test_other_spellings_are_no_rationals(text: object) -> None:
    with pytest.raises(InputError, match=r"^c1: "):
        rational(text, "c1")


def test_a_rational_of_too_many_digits_is_refused() -> None:
    with pytest.raises(InputError):
        rational("1" * 5000 + "/3", "c1")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": 1', r"line 1, column 8 \(cut off or damaged\?\)"),
        (b"", "line 1, column 1"),
        (b'{"a": NaN}', "NaN, which is no finite number"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "1e999, which is beyond float64"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b"9" * 10_000, "too many digits"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_files_are_told_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "some.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=told) as caught:
        read_json(file, "a certificate")
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


def test_missing_files_folders_and_devices_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file; give a certificate"):
        read_json(tmp_path / "none", "a certificate")
    for odd in (tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="no ordinary file"):
            read_json(odd, "a certificate")
