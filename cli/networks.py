"""Networks trained elsewhere, as the command ``import`` and the gate take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from cli.inputs import Plant
    from systems.expression import Expression


def network_candidate(plant: Plant, options: Mapping[str, Any]) -> Candidate:
    """The candidate of the networks that the options of ``import`` name. Raises InputError."""
    from learners.foreign import foreign_candidate

    size = plant.system.state_dimension
    value = _network(options, "value", size)
    control = None if options["control"] is None else _network(options, "control", size)
    return foreign_candidate(
        plant.system,
        value,
        control,
        anchor=not options["as_is"],
        saturate=options["saturate"],
        provenance={"files": {k: Path(v).name for k, v in network_files(options).items()}},
    )


def network_files(options: Mapping[str, Any]) -> dict[str, str]:
    """The files of V and k, as they were named."""
    return {k: str(options[k]) for k in ("value", "control") if options[k] is not None}


def _network(options: Mapping[str, Any], which: str, size: int) -> Expression:
    from learners.foreign import import_onnx, import_state_dict

    path = options[which]
    if str(path).endswith(".onnx"):
        return import_onnx(path, size, output=options[f"{which}_output"])
    return import_state_dict(
        path,
        options[f"{which}_activation"],
        state_size=size,
        output_activation=options[f"{which}_output_activation"],
        prefix=options[f"{which}_prefix"],
    )
