"""``stableproof backends``: which solvers there are, what they are worth, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.errors import UNKNOWN
from cli.options import Seconds, common
from cli.output import say, say_json
from cli.transcript import row, seconds

if TYPE_CHECKING:
    from certify.backends import Backend

WORTH = {
    "rigorous": "every bound holds in real arithmetic; a certificate, which the checker replays",
    "exact": "decided over the reals; the solver has to be believed, and leaves no certificate",
    "delta-complete": '"unsat" is exact; the solver has to be believed, and leaves no certificate',
    "not float-sound": "its bounds ignore rounding: never by itself a proof",
}
TAKES = {
    "taylor": "everything that a system file can say",
    "lirpa": "everything, by our own linear relaxations alone",
    "lirpa:": "conditions on networks: what auto_LiRPA bounds soundly",
    "z3": "polynomials and rational functions, relu, min, max; no tanh, sin, exp",
    "dreal": "elementary functions: tanh, sin, exp too",
}
"""Roughly; what a backend cannot take of a condition, it says when it is asked."""


@click.command("backends")
@click.option(
    "--reproduce",
    type=click.Path(),
    metavar="FILE",
    help="Ask the backends of a bug report again; exit code 3 where they still contradict.",
)
@click.option("--time-limit", type=Seconds(), help="Seconds for --reproduce altogether.")
@common
def command(reproduce: str | None, time_limit: float | None, as_json: bool) -> int:
    """List the solvers that --backend takes: versions, soundness, what is missing.

    None of them is imported for it. Exit code 0.
    """
    if reproduce is not None:
        return _reproduce(reproduce, time_limit, as_json)
    if time_limit is not None:
        raise click.UsageError("--time-limit is for --reproduce only")
    from certify.backends import backend, names
    from cli.outcome import nothing_decided

    known = names()
    listed = [_entry(backend(n)) for n in known if not _is_variant(n, known)]
    for entry in listed:
        of = [n for n in known if _is_variant(n, known) and n.startswith(f"{entry['name']}:")]
        entry["variants"] = [_entry(backend(n)) for n in of]
    if as_json:
        say_json(nothing_decided("a list proves nothing", backends=listed))
    else:
        for entry in listed:
            _tell(entry)
    return 0


def _is_variant(name: str, known: tuple[str, ...]) -> bool:
    base, colon, _ = name.partition(":")
    return bool(colon) and base in known


def _entry(backend: Backend) -> dict[str, object]:
    found, worth = backend.availability(), backend.soundness.value
    name = backend.name
    return {
        "name": name,
        "available": found.available,
        "version": found.version,
        "soundness": worth,
        "worth": WORTH[worth],
        "takes": TAKES.get(name) or TAKES.get(f"{name.partition(':')[0]}:", ""),
        "missing": list(found.missing),
        "install": list(found.install),
    }


def _tell(entry: dict[str, object]) -> None:
    say(_line(entry))
    say(row("", f"proved: {entry['worth']}"))
    if entry["takes"]:
        say(row("", f"takes:  {entry['takes']}"))
    _tell_missing(entry)
    variants = entry["variants"]
    assert isinstance(variants, list)
    told: list[object] = [entry["missing"]]
    for variant in variants:
        say(_line(variant))
        if variant["missing"] not in told:
            _tell_missing(variant)
            told.append(variant["missing"])


def _line(entry: dict[str, object]) -> str:
    name, version = str(entry["name"]), entry["version"]
    state = "available" if entry["available"] else "not available"
    words = f"{entry['soundness']}, version {version}" if version else str(entry["soundness"])
    return row(name, words, state)


def _tell_missing(entry: dict[str, object]) -> None:
    missing, install = entry["missing"], entry["install"]
    assert isinstance(missing, list) and isinstance(install, list)
    for line in missing:
        say(row("", f"lacks:  {line}"))
    for line in install:
        say(row("", f"        {line}"))


def _reproduce(path: str, limit: float | None, as_json: bool) -> int:
    """Ask again, of every condition the two backends that contradicted each other."""
    from certify.budget import Budget
    from certify.opinions import ask
    from certify.verdict import Proved, Refuted
    from cli.bug_report import read_bug_report
    from cli.outcome import nothing_decided, word

    report = read_bug_report(path)
    clock = Budget(report.seconds if limit is None else limit).started()
    left = 2 * len(report.disputed)
    still, told = 0, []
    for disputed in report.disputed:
        verdicts = []
        for backend, before in zip(disputed.backends, disputed.words, strict=True):
            share = Budget(clock.remaining.seconds / left)
            opinion = ask(backend, disputed.condition, share, report.seed)
            left -= 1
            verdicts.append(opinion.verdict)
            reason = getattr(opinion.verdict, "reason", "")
            told.append(
                {"backend": backend.name, "condition": disputed.condition.name, "before": before,
                 "verdict": word(opinion.verdict), "reason": reason or None}
            )  # fmt: skip
            if not as_json:
                text = f"{disputed.condition.name}: {before} then{f'; {reason}' if reason else ''}"
                spent = seconds(opinion.answer.seconds)
                say(row(backend.name, text, word(opinion.verdict), spent))
        still += any(isinstance(v, Proved) for v in verdicts) and any(
            isinstance(v, Refuted) for v in verdicts
        )
    end = f"{still} of {len(report.disputed)} contradictions are still there"
    if as_json:
        say_json(nothing_decided(end, answers=told, contradictions=still))
    else:
        say(end)
    return UNKNOWN if still else 0
