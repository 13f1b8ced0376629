"""The report's sections about what surrounds the proof: system, training, trust, repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certify.result import StabilityResult
from proofs.report_claim import centre_word
from proofs.report_words import approximate, coordinates, figure, folded, table, table_of, text
from proofs.statement import names_of, one_line
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.sampled import unsampled
from systems.words import costs, equations, sampling_words, state_names, unsafe_sets


def plant(result: StabilityResult) -> list[str]:
    """States, inputs and parameters with their units."""
    s, centre = result.problem.system, centre_word(result)
    lines = ["## The system", ""]
    if s.description:
        lines += [f"{text(s.description)}.", ""]
    states = names_of(s.state_names, "x", s.state_dimension)
    units = s.state_units or ("",) * len(states)
    lines += table(
        ["state", "unit", "domain of the system", centre],
        [
            [text(n), text(u) or "–", f"[{approximate(a)}, {approximate(b)}]", approximate(e)]
            for n, u, a, b, e in zip(
                states, units, s.domain.lower, s.domain.upper, s.equilibrium, strict=True
            )
        ],
    )
    if s.input_dimension:
        lines += table(["input", "unit", "limits", f"at the {centre}"], _inputs(result))
    if s.disturbance_range is not None:
        lines += table(
            ["disturbance", "unit", "range"],
            [
                [text(name), text(unit) or "–", f"[{approximate(a)}, {approximate(b)}]"]
                for (name, unit), a, b in zip(
                    coordinates(s)[s.state_dimension :],
                    s.disturbance_range.lower,
                    s.disturbance_range.upper,
                    strict=True,
                )
            ],
        )
    if s.parameters:
        rows = [
            [text(n), approximate(v), text(s.parameter_units.get(n, "")) or "–"]
            for n, v in s.parameters.items()
        ]
        lines += table(["parameter", "value", "unit"], rows)
    return [*lines, *_equations(s), *_unsafe(s), *_saturation(s)]


def _equations(system: ControlAffineSystem) -> list[str]:
    """ẋ = f(x) + g(x) u and the running cost, as text that a system file could hold."""
    states = names_of(system.state_names, "x", system.state_dimension)
    inputs = names_of(system.input_names, "u", system.input_dimension)
    rows = zip(states, equations(system, states, inputs), strict=True)
    state_cost, input_cost = costs(system, states, inputs)
    w = ", w" if system.disturbance is not None else ""
    right = f"f(x{w}) + g(x{w})\\,u" if inputs else f"f(x{w})"
    if system.sampling is not None:
        said = (
            f"$\\dot x = {right}$, component by component (a prime is the derivative by time), "
            f"{text(sampling_words(system))}; the step of this method is the model"
        )
    elif system.time == "discrete":
        said = f"$x^+ = {right}$, component by component: the next state in terms of the present"
    else:
        said = f"$\\dot x = {right}$, component by component (a prime is the derivative by time)"
    mark = "'" if system.has_rates else "_next"
    lines = [
        f"The dynamics {said}:",
        "",
        *(f"    {one_line(n)}{mark} = {one_line(row)}" for n, row in rows),
        "",
        "The running cost that training minimises; the proof does not speak of it:",
        "",
        f"    Q(x) = {one_line(state_cost)}",
    ]
    if inputs:
        lines.append(f"    (u - u*)' R (u - u*) = {one_line(input_cost)}")
    return [*lines, ""]


def _unsafe(system: ControlAffineSystem) -> list[str]:
    """The sets to avoid."""
    if not system.unsafe:
        return []
    found = unsafe_sets(system, state_names(system))
    return [
        "Unsafe, within the domain:",
        "",
        *(f"    {one_line(n)}: {' and '.join(one_line(c) for c in cs)}" for n, cs in found.items()),
        "",
    ]


def _saturation(system: ControlAffineSystem) -> list[str]:
    if system.input_limits is None or not system.input_dimension:
        return []
    return [
        "The closed loop that is examined is the one with the controller cut off at the limits of "
        "the inputs, as the actuator would.",
        "",
    ]


def _inputs(result: StabilityResult) -> list[list[str]]:
    s = result.problem.system
    names = names_of(s.input_names, "u", s.input_dimension)
    units = s.input_units or ("",) * len(names)
    rows = []
    for k, (name, unit) in enumerate(zip(names, units, strict=True)):
        limits = "none"
        if s.input_limits is not None:
            low, high = s.input_limits.lower[k], s.input_limits.upper[k]
            limits = f"[{approximate(low)}, {approximate(high)}]"
        rows.append([text(name), text(unit) or "–", limits, approximate(s.equilibrium_input[k])])
    return rows


def rounds(records: Sequence[Mapping[str, object]]) -> list[str]:
    """The table of the counterexample loop."""
    if not records:
        return []
    told = [{"boxes examined" if k == "boxes" else k: v for k, v in r.items()} for r in records]
    return ["## Rounds of training and proof", "", *table_of(told)]


def training(provenance: Mapping[str, object], steps: Sequence[Mapping[str, object]]) -> list[str]:
    """How the candidate came about, and its history."""
    remarks = _warnings(provenance)
    rows = [
        [text(name.replace("_", " ")), figure(v)]
        for name, v in _flat(provenance).items()
        if not _has_parts(v) and len(str(v)) <= 60
    ]
    if not rows and not steps and not remarks:
        return []
    lines = ["## How the candidate was trained", "", *remarks]
    lines += folded("Settings and figures", table(["figure", "value"], rows)) if rows else []
    if steps:
        numbered = [{"iteration": i + 1, **s} for i, s in enumerate(steps)]
        shown = numbered if len(numbered) <= 30 else [*numbered[:15], *numbered[-15:]]
        several = f"{len(numbered)} iterations" if len(numbered) > 1 else "1 iteration"
        if len(shown) < len(numbered):
            several = f"The first and last 15 of {several}"
        lines += folded(several, table_of(shown))
    return lines


def _has_parts(value: object) -> bool:
    """Whether it is a record of its own, or a list of them: no figure."""
    inner = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(v, Mapping) for v in inner)


def _flat(provenance: Mapping[str, object]) -> dict[str, object]:
    """The record and what is nested in it, say settings, in one table.

    A setting may share its name with what came of it: "iterations" allowed, and done.
    """
    flat = {str(k): v for k, v in provenance.items() if k != "warnings"}
    out: dict[str, object] = {}
    for key, value in flat.items():
        if not isinstance(value, Mapping):
            out[key] = value
            continue
        for name, inner in value.items():
            if name not in flat:
                out[str(name)] = inner
            elif flat[name] != inner:
                out[f"{name} ({key})"] = inner
    return out


def _warnings(provenance: Mapping[str, object]) -> list[str]:
    """What the learner had to remark, a sentence each."""
    found = provenance.get("warnings")
    remarks = [found] if isinstance(found, str) else found
    if not isinstance(remarks, Sequence):
        return []
    lines = []
    for remark in remarks:
        said = one_line(str(remark))
        if said:
            end = "" if said[-1] in ".!?" else "."
            lines += [f"**Note:** {text(said[0].upper() + said[1:])}{end}", ""]
    return lines


def as_records(history: object) -> list[Mapping[str, object]]:
    """A history of records or of residuals as records."""
    if not isinstance(history, Sequence) or isinstance(history, str):
        return []
    return [h if isinstance(h, Mapping) else {"residual": h} for h in history]


def residuals(steps: Sequence[Mapping[str, object]]) -> dict[str, list[float]]:
    """The series worth drawing: residuals and losses, at most four."""
    out: dict[str, list[float]] = {}
    for key in dict.fromkeys(k for s in steps for k in s):
        values = [s.get(key) for s in steps]
        if "residual" in key or "loss" in key:
            numbers = [v if isinstance(v, int | float) else float("nan") for v in values]
            out[key] = [float(v) for v in numbers]
    return dict(list(out.items())[:4])


def again(
    result: StabilityResult,
    certificate: Mapping[str, object] | None,
    certificate_file: str,
    commands: Sequence[str],
    repeat: str,
) -> list[str]:
    """How to check it again, and the hashes."""
    lines = ["## Check it again", ""]
    if commands:
        lines += ["In the folder of this report (`cd` there first):", "", *_code(commands)]
    if repeat:
        lines += [
            "Made by this command, whose paths are relative to the folder where it was given:",
            "",
            *_code([repeat]),
        ]
    if result.theorem is not None:
        lines += [
            "In Python, in the folder that holds the candidate's file, with these constants, "
            "searching for nothing:",
            "",
            "```python",
            *_recipe(result),
            "```",
            "",
        ]
    if certificate is None:
        return lines
    hashes = certificate["sha256"]
    assert isinstance(hashes, Mapping)
    lines += [
        f"The certificate `{text(certificate_file)}` holds the statement with its exact constants "
        "and, for every box of every search, why it is closed. Its hashes (SHA-256 of canonical "
        "JSON):",
        "",
        *table(["part", "hash"], [[text(k), f"`{v}`"] for k, v in sorted(hashes.items())]),
    ]
    return lines


def _code(lines: Sequence[str]) -> list[str]:
    return ["```", *(line.replace("```", "") for line in lines), "```", ""]


def _recipe(result: StabilityResult) -> list[str]:
    """A script that proves the same statement again."""
    assert result.theorem is not None
    k, system, domain = result.theorem.constants, result.problem.system, result.problem.domain
    names = ("c1", "c2", "mu", "alpha", "epsilon")
    fixed = [(name, getattr(k, name)) for name in names]
    asked = [f'    {n}=Fraction("{v}"),' for n, v in fixed if v is not None]
    named = unsampled(system).name
    if named in zoo.names():
        source, build = "from systems import zoo", f"zoo.system({named!r})"
    else:
        source, build = "from systems import read_system", 'read_system("system.toml")'
    lines = [
        "from dataclasses import replace",
        "from fractions import Fraction",
        "from certify import Claim, Requested, prove_stability",
        "from certify.candidate_file import load_candidate",
        source,
        "from systems.box import Box",
        "",
        f"system = {build}",
    ]
    if system.sampling is not None:
        sampling = system.sampling
        lines.insert(-2, "from systems.sampled import Sampling, sampled")
        given = f'Fraction("{sampling.period}"), "{sampling.method}", {sampling.substeps}'
        lines += [
            f"sampling = Sampling({given})",
            "system = system if system.sampling else sampled(system, sampling)",
        ]
    if domain != system.domain:
        ends = ", ".join(f'("{a}", "{b}")' for a, b in zip(domain.lower, domain.upper, strict=True))
        lines.append(f"system = replace(system, domain=Box.of([{ends}]))")
    return [
        *lines,
        'candidate, _ = load_candidate("candidate.json")',
        "asked = Requested(",
        *asked,
        f"    claim=Claim.{result.theorem.claim.name},",
        ")",
        "print(prove_stability(system, candidate, asked).verdict)",
    ]
