"""``stableproof show``: what a run, a candidate or a certificate holds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cli.options import common
from cli.output import say, say_json
from cli.transcript import TEXT, remarks, row


@click.command("show")
@click.argument("path", type=click.Path())
@common
def command(path: str, as_json: bool) -> int:
    """Tell what PATH holds: the folder of a run, a candidate file or a certificate.

    What is told was recorded when it was written; nothing is proved again. Exit code 0.
    """
    file = Path(path)
    record = _run(file) if file.is_dir() else _document(file)
    if as_json:
        say_json({k: v for k, v in record.items() if k != "transcript"})
    else:
        for line in record["transcript"]:
            say(str(line))
    return 0


def _run(folder: Path) -> dict[str, Any]:
    from cli.integrity import damage
    from cli.outcome import nothing_decided
    from cli.run_folder import RUN, read_run
    from systems.errors import InputError

    if not (folder / RUN).exists():
        raise InputError(f"{folder} holds no run: there is no {RUN} in it")
    data = read_run(folder)
    if data["status"] == "finished":
        wrong = damage(folder, data)
        if wrong:
            raise InputError("; ".join(wrong.values()))
    settings = ", ".join(f"{k} {v}" for k, v in data["settings"].items() if v is not None)
    head = [row("command", data["command"]), row("settings", settings)]
    if data["status"] == "finished":
        record = data["outcome"]
        lines = [str(line) for line in record.get("transcript", [])]
        return {**record, "settings": data["settings"], "transcript": [*head, *lines]}
    loop = data.get("loop")
    lines = [str(line) for line in loop["transcript"]] if isinstance(loop, dict) else []
    reason = "the run is not finished; the same command goes on with it"
    return {
        **nothing_decided(reason, settings=data["settings"]),
        "transcript": [*head, *lines, f"unknown: {reason}"],
    }


def _document(file: Path) -> dict[str, Any]:
    from certify.candidate_file import FORMAT as CANDIDATE
    from proofs.certificate import FORMAT as CERTIFICATE
    from systems.errors import InputError
    from systems.json_data import read_json

    data = read_json(file, "a candidate or a certificate")
    kind = data.get("format") if isinstance(data, dict) else None
    if kind == CANDIDATE:
        return _candidate(file)
    if kind == CERTIFICATE:
        return _certificate(file)
    raise InputError(f"{file} is neither a candidate nor a certificate of ours")


def _candidate(file: Path) -> dict[str, Any]:
    from certify.candidate_file import candidate_tape, load_candidate
    from cli.outcome import nothing_decided

    candidate, name = load_candidate(file)
    record = {k: v for k, v in candidate.provenance.items() if k != "history"}
    control = 0 if candidate.control is None else candidate.control.size
    steps = len(candidate_tape(candidate).instructions)
    lines = [
        row("candidate", f"for {name}: {candidate.state.size} states, {control} inputs"),
        row("program", f"{steps} steps"),
        *(
            row(_words(key), _plain(value))
            for key, value in record.items()
            if isinstance(value, str | int | float)
        ),
        *_settings(record.get("settings")),
        *(row("note", remark) for remark in remarks(record)),
    ]
    return {
        **nothing_decided("a candidate is a proposal; certify proves it or refutes it"),
        "system": name,
        "provenance": record,
        "transcript": lines,
    }


def _certificate(file: Path) -> dict[str, Any]:
    from certify.theorem import Claim
    from cli.outcome import nothing_decided
    from proofs.certificate import conditions_of, load_certificate

    document: Mapping[str, Any] = load_certificate(file)
    statement, conditions = document["statement"], conditions_of(document)
    searches = document["provenance"].get("searches", {})
    constants = {k: v for k, v in statement["constants"].items() if v is not None}
    volume = document["volume"]
    at_least = None if volume is None else float.fromhex(volume["at_least"])
    reason = "as the certificate states; it was not checked again"
    lines = [
        row("system", str(statement["system"]["name"])),
        row("claim", str(statement["theorem"])),
        row("", Claim(statement["theorem"]).words),
        *(row(_words(k), str(v)) for k, v in constants.items()),
        *(row("condition", f"{name}: {c.claim}") for name, (c, _) in conditions.items()),
        *([] if volume is None else [row("volume", f"at least {at_least} {volume['unit']}")]),
        row("hash", str(document["sha256"]["document"])),
        f"proved ({reason})",
    ]
    return {
        **nothing_decided(reason),
        "verdict": "proved",
        "system": statement["system"]["name"],
        "claim": statement["theorem"],
        "conditions": [
            {
                "name": name,
                "claim": condition.claim,
                "verdict": "proved",
                "leaves": tree.leaves,
                "boxes": _recorded(searches, name, "boxes", 0),
                "seconds": _recorded(searches, name, "seconds", 0.0),
                "point": None,
            }
            for name, (condition, tree) in conditions.items()
        ],
        "region": {"exact": statement["constants"], "volume": at_least},
        "certificate": str(file),
        "transcript": lines,
    }


def _recorded(searches: object, name: str, key: str, absent: float) -> float:
    """A figure of the provenance, which has no fixed form."""
    search = searches.get(name) if isinstance(searches, dict) else None
    value = search.get(key) if isinstance(search, dict) else None
    return value if isinstance(value, int | float) else absent


def _settings(stated: object) -> Iterator[str]:
    """The learner's settings that are not left to it, in as many lines as it takes."""
    if isinstance(stated, Mapping):
        said = [f"{_words(k)} {_plain(v)}" for k, v in stated.items() if v is not None]
        for number, line in enumerate(textwrap.wrap(", ".join(said), TEXT)):
            yield row("" if number else "settings", line)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
