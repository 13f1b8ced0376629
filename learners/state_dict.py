"""Weights by name from files that hold nothing but numbers: ``.npz`` and ``.safetensors``.

No pickle anywhere: a pickled file runs whatever code its author put into it. Every length and
offset in a file is checked against the file before it is used.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from systems.errors import InputError

Array = NDArray[np.float64]

_PICKLED = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"}
_CONVERSION = (
    "import torch, numpy; s = torch.load(IN, weights_only=True); "
    "numpy.savez(OUT, **{k: v.double().numpy() for k, v in s.items()})"
)
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_DAMAGE = (  # what numpy and zipfile raise on files that are not what they seem
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
_LARGEST_HEADER = 100_000_000


def read_state_dict(path: Path) -> dict[str, Array]:
    """Every array of the file as float64, exactly, in the file's order.

    Raises InputError: no such file, another format, a pickled one (with the command that converts
    it), truncated or damaged contents, NaN or infinities, types that are not floating-point.
    """
    ending = path.suffix.lower()
    if ending in _PICKLED:
        raise InputError(
            f"{path}: pickled files are not read, since they can run code; convert it: "
            f'python -c "{_CONVERSION}" with IN and OUT your file names, OUT ending in .npz'
        )
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if ending not in readers:
        raise InputError(f"{path}: weights are read from .npz or .safetensors, not {ending!r}")
    try:
        arrays = readers[ending](path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not arrays:
        raise InputError(f"{path}: holds no arrays")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name!r} holds NaN or infinity")
    return arrays


def _read_npz(path: Path) -> dict[str, Array]:
    damaged = InputError(f"{path}: is no .npz file of plain arrays, or is truncated")
    out: dict[str, Array] = {}
    try:
        data = path.read_bytes()
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise damaged
        with archive:
            raw = {name: archive[name] for name in archive.files}
        # A damaged directory can hide members, and with them layers: zipfile does not count.
        if data[-22:-18] == b"PK\5\6" and int.from_bytes(data[-12:-10], "little") != len(raw):
            raise damaged
    except InputError:
        raise
    except _DAMAGE:
        raise damaged from None
    for name, array in raw.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise InputError(f"{path}: {name!r} is no array of floating-point numbers")
        out[name] = array.astype(np.float64)
    return out


def _read_safetensors(path: Path) -> dict[str, Array]:
    """8 bytes with the header's length, the header as JSON, then the raw buffers."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, _LARGEST_HEADER):
        raise InputError(f"{path}: is no .safetensors file, or is truncated")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: the header of the .safetensors file is damaged") from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: the header of the .safetensors file is damaged")
    buffers = memoryview(data)[8 + length :]
    return {
        str(name): _tensor(path, str(name), entry, buffers)
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a name appears twice")
    return out


def _tensor(path: Path, name: str, entry: Any, buffers: memoryview) -> Array:
    damaged = InputError(f"{path}: the entry of {name!r} in the header is damaged")
    if not isinstance(entry, dict):
        raise damaged
    kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not _is_counts(shape) or not _is_counts(offsets) or len(offsets) != 2:
        raise damaged
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InputError(f"{path}: {name!r} has the type {kind!r}, not one of {', '.join(_TYPES)}")
    dtype = np.dtype(_TYPES[kind])
    start, end = offsets
    if not start <= end <= len(buffers):
        raise InputError(f"{path}: {name!r} lies outside the file: it is truncated")
    if end - start != math.prod(shape) * dtype.itemsize:
        raise damaged
    raw = np.frombuffer(buffers[start:end], dtype=dtype)
    if kind == "BF16":  # the upper half of a float32
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    try:
        return raw.astype(np.float64).reshape(shape)
    except (ValueError, OverflowError):  # sides beyond what any array has
        raise damaged from None


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(v) is int and v >= 0 for v in value)
