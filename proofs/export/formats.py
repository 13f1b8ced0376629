"""The formats by name, and the index of what was written."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from proofs.certificate import versions
from proofs.export.artifact import Artifact, ImpossibleError, LeftOut, Written
from proofs.export.source import NOT_PROVED, Source
from systems.errors import InputError
from systems.json_data import quotient

FORMATS: Mapping[str, tuple[str, str]] = {
    "onnx": ("proofs.export.onnx_model", "write_onnx"),
    "vnnlib": ("proofs.export.vnnlib", "write_vnnlib"),
    "torch": ("proofs.export.torch_module", "write_torch"),
    "c": ("proofs.export.c_source", "write_c"),
    "smt2": ("proofs.export.smt2", "write_smt2"),
}
"""Name → (module, function Source → Written)."""

STATED = (
    "These state the violation of a condition, meant in real arithmetic. A theorem needs every "
    "condition, and what is decided exactly: F(x*) = 0, V(x*) = 0, P positive definite, the "
    "ellipsoid inside the domain. The independent checker decides all of it."
)

INDEX = "export.json"
FORMAT = "stableproof-export"
VERSION = 1


def exported(source: Source, formats: Sequence[str] | None = None) -> Written:
    """All files in these formats, the index last; in every possible one, by default.

    Raises InputError where a format was asked for by name that can hold nothing of the source.
    """
    artifacts: list[Artifact] = []
    left_out: list[LeftOut] = []
    for name in dict.fromkeys(formats or FORMATS):
        module, function = FORMATS[name]
        try:
            write = cast(
                Callable[[Source], Written], getattr(importlib.import_module(module), function)
            )
            written = write(source)
        except ImpossibleError as error:
            if formats:
                raise InputError(f"--format {name}: {error}") from None
            left_out.append(LeftOut(name, "everything", str(error)))
            continue
        artifacts += written.artifacts
        left_out += written.left_out
    index = json.dumps(index_of(source, artifacts, left_out), indent=1) + "\n"
    artifacts.append(Artifact(INDEX, index.encode("ascii"), "this index"))
    return Written(tuple(artifacts), tuple(left_out))


def index_of(
    source: Source, artifacts: Sequence[Artifact], left_out: Sequence[LeftOut]
) -> dict[str, object]:
    """What ``export.json`` says."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": {"stableproof": versions()["stableproof"]},
        "system": source.problem.system.name,
        "theorem": source.theorem,
        "constants": {name: quotient(v) for name, v in source.constants.items()},
        "claim_hash": source.claim_hash,
        "certificate_hash": source.document_hash,
        "arithmetic": {"onnx, torch, c": " ".join(NOT_PROVED), "smt2, vnnlib": STATED},
        "files": [
            {
                "path": a.path,
                "sha256": hashlib.sha256(a.content).hexdigest(),
                "bytes": len(a.content),
                "what": a.what,
                "condition": a.condition,
                "unsat": a.unsat,
            }
            for a in artifacts
        ],
        "left_out": [{"format": x.format, "what": x.what, "reason": x.reason} for x in left_out],
    }
