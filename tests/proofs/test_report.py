"""The report: every kind of result, every number of states, with and without matplotlib."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from certify import Candidate, Requested, StabilityResult, prove_stability
from certify.candidate_file import save_candidate
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of
from proofs.checker import check_bytes
from proofs.figures import figure_data
from proofs.picture_data import Scene
from proofs.report import write_report
from proofs.report_words import approximate, figure, table_of, text
from proofs.statement import names_of
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.errors import InputError
from systems.json_data import canonical_json
from tests.proofs import results

ROOT = Path(__file__).resolve().parent.parent.parent
HISTORY = [{"hjb_residual_max": 0.1 / 4**k, "unknowns": 25} for k in range(5)]
ROUNDS = [
    {"round": 1, "neurons": 50, "verdict": "refuted", "counterexamples": 3, "seconds": 0.12},
    {"round": 2, "neurons": 100, "verdict": "proved", "counterexamples": 0, "seconds": 0.25},
]
KINDS: dict[str, Callable[[], StabilityResult]] = {
    "two states": results.proved,
    "one state": lambda: results.proved("synthetic-1"),
    "three states": lambda: results.proved("lorenz"),
    "a part of the domain": results.proved_on_a_part,
    "refuted": results.refuted_decrease,
    "unknown": results.unknown,
}


def report_of(folder: Path, result: StabilityResult, **more: object) -> str:
    path = write_report(folder, result, **more)  # type: ignore[arg-type]
    assert path == folder / "report.md"
    return path.read_text(encoding="utf-8")


def pictures_in(report: str) -> dict[str, str]:
    """File name → alt text."""
    return {file: alt for alt, file in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", report)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_result_has_a_report_with_pictures(tmp_path: Path, kind: str) -> None:
    result = KINDS[kind]()
    report = report_of(tmp_path, result, rounds=ROUNDS, history=HISTORY)
    pictures = pictures_in(report)
    wanted = {"region.png", "trajectories.png", "training.png"}
    wanted |= {"paving.png"} if result.theorem is not None else set()
    assert set(pictures) == wanted
    assert {p.name for p in tmp_path.iterdir()} == wanted | {"report.md", "report.html"}
    for file, alt in pictures.items():
        assert (tmp_path / file).read_bytes().startswith(b"\x89PNG\r\n")
        assert result.problem.system.name in alt.replace("\\", "") and len(alt) > 30
    for name, search in result.searches.items():
        label = {"contraction": "contraction (origin)", "containment": "containment (contained)"}
        assert f"| {label.get(name, name)} |" in report and f"| {search.boxes:,} |" in report
    assert "| 2 | 100 | proved | 0 | 0.25 |" in report


def test_a_proof_states_its_claim_constants_and_volume(tmp_path: Path) -> None:
    result = results.proved()
    assert result.theorem is not None and result.paving is not None
    document = certificate_of(result)
    report = report_of(
        tmp_path,
        result,
        certificate=document,
        commands=["stableproof run pendulum"],
        pictures=False,
    )
    assert "**Proved.**" in report and result.theorem.claim.words in report
    for value in (result.theorem.constants.c1, result.theorem.constants.c2):
        assert f"`{value}` | {approximate(value)}" in report
    volume = re.search(r"volume of \*\*at least ([0-9.e+-]+) rad · rad/s\*\*", report)
    assert volume is not None
    assert 0.999 * result.paving.volume < float(volume[1]) <= result.paving.volume
    assert "stableproof run pendulum" in report
    hashes = document["sha256"]
    assert isinstance(hashes, dict) and all(f"`{v}`" in report for v in hashes.values())
    assert "Nothing is excluded" in report and "8 units in the last place" in report


def test_a_statement_on_a_part_of_the_domain_says_so(tmp_path: Path) -> None:
    result = results.proved_on_a_part()
    report = report_of(tmp_path, result, pictures=False)
    high = approximate(result.problem.domain.upper[0])
    assert f", {high}] × [" in report and "a part of the system's own" in report
    assert "beyond $D$, $V \\le c_2$ says nothing" in report


def test_attraction_claims_nothing_at_the_equilibrium(tmp_path: Path) -> None:
    report = report_of(tmp_path, results.proved_attraction(), pictures=False)
    assert "Nothing is claimed about convergence to the centre itself." in report
    assert "What happens inside {V ≤ c1} is excluded" in report.replace("\\", "")
    assert "Nothing is excluded" not in report and "negative definite" not in report


def test_practical_stability_speaks_of_a_centre(tmp_path: Path) -> None:
    """Nothing is claimed to be an equilibrium, in words, tables or legends."""
    result = results.proved_attraction()
    report = report_of(tmp_path, result, pictures=False)
    said = report.split("Whoever takes the prover's word")[0]
    assert "equilibrium" not in said and "around the centre $x^*$" in said
    assert figure_data(Scene(result), (), (), {})["centreWord"] == "centre"
    assert Scene(results.proved()).centre_word == "equilibrium"


def test_boxes_are_examined_and_leaves_are_evidence(tmp_path: Path) -> None:
    result = results.proved()
    document = certificate_of(result)
    report = report_of(tmp_path, result, certificate=document, pictures=False)
    outcome = check_bytes((canonical_json(document) + "\n").encode(), 1)
    assert outcome.status == "valid"
    assert f"{outcome.leaves:,} leaves (closed boxes)" in report
    assert f"examined {result.boxes:,} boxes" in report and "| boxes examined |" in report


def test_a_setting_is_no_figure_of_what_came_of_it(tmp_path: Path) -> None:
    known = {"settings": {"iterations": 10, "seed": 3}, "iterations": 4, "seed": 3}
    for provenance in (known, dict(reversed(known.items()))):
        report = report_of(tmp_path, results.proved(), provenance=provenance, pictures=False)
        assert "| iterations | 4 |" in report and "| iterations (settings) | 10 |" in report
        assert report.count("| seed | 3 |") == 1


def test_long_tables_are_folded_and_short_ones_are_not(tmp_path: Path) -> None:
    def told(count: int) -> str:
        return report_of(tmp_path, results.proved(), history=[0.5] * count, provenance={},
                         pictures=False)  # fmt: skip

    assert "<details>" not in told(8)
    assert "<summary>9 iterations</summary>" in told(9)
    assert "<summary>The first and last 15 of 40 iterations</summary>" in told(40)


def test_commands_say_in_which_folder_they_work(tmp_path: Path) -> None:
    report = report_of(tmp_path, results.proved(), commands=["stableproof check c.json"],
                       repeat="stableproof run pendulum --out o", pictures=False)  # fmt: skip
    after = report.split("In the folder of this report (`cd` there first):")[1]
    ours, given = after.split("Made by this command")
    assert "stableproof check c.json" in ours and "--out o" not in ours
    assert given.startswith(", whose paths are relative to the folder where it was given")
    assert "stableproof run pendulum --out o" in given


def test_the_level_from_which_V_decreases_has_one_name(tmp_path: Path) -> None:
    result = results.proved()
    assert result.theorem is not None and result.theorem.constants.core is not None
    k = result.theorem.constants
    assert k.core is not None
    report = report_of(tmp_path, result, pictures=False)
    least = approximate(min(k.c1, k.core))
    assert report.count("min(c_1") == 1 and f") = {least}" in report
    assert "wherever a ≤ V ≤ c2" in report and "V ≤ core only inside the ellipsoid" in report


def test_a_region_without_a_lower_bound_of_its_volume_says_so(tmp_path: Path) -> None:
    result = results.proved_on_a_part()
    assert result.paving is not None
    none = np.empty((0, 2))
    empty = replace(result, paving=replace(result.paving, lower=none, upper=none, volume=0.0))
    report = report_of(tmp_path, empty)
    assert "**at least" not in report and "at least 0 %" not in report
    assert "no lower bound was found" in report and "No lower bound of the volume" in report
    assert "paving.png" in pictures_in(report)


def test_a_quadratic_values_volume_comes_from_the_formula(tmp_path: Path) -> None:
    """Where a paving shows little, as in many dimensions; pi sqrt(c2²/det P) for two states."""
    result = results.proved()
    assert result.paving is not None and result.constants is not None
    none = np.empty((0, 2))
    empty = replace(result, paving=replace(result.paving, lower=none, upper=none, volume=0.0))
    report = report_of(tmp_path, empty)
    told = re.search(r"volume of \*\*at least ([0-9.e+-]+) rad · rad/s\*\*, by the formula", report)
    assert told is not None and empty.plain_volume is not None
    shown = empty.plain_volume
    assert shown.how == "ellipsoid" and shown.matrix is not None
    (a, b), (_, d) = shown.matrix
    exact = np.pi * float(result.constants.c2) / np.sqrt(float(a * d - b * b))
    assert 0.999 * exact < float(told[1]) <= exact
    assert result.paving.volume < shown.at_least


def test_the_report_shows_the_equations_and_the_cost(tmp_path: Path) -> None:
    report = report_of(tmp_path, results.proved("lorenz"), pictures=False)
    for line in ("x2' = 28*x1 - x2 - x1*x3", "Q(x) = x1**2 + x2**2 + x3**2", "R (u - u*) = u**2"):
        assert line in report
    assert "cut off at the limits" not in report


def test_a_limited_controller_is_cut_off_and_the_report_says_so(tmp_path: Path) -> None:
    limited = replace(zoo.pendulum(), input_limits=Box.of([(-20, 20)]))
    report = report_of(tmp_path, results.of(limited), pictures=False)
    assert "controller $k$ of the candidate, cut off at the limits of the inputs" in report


def test_the_learners_warnings_are_sentences(tmp_path: Path) -> None:
    system = zoo.synthetic(1)
    plain = lqr_candidate(system)
    told = "the residual did not fall; " + "a larger network or a smaller domain may help " * 3
    provenance = {"learner": "lqr", "warnings": [told.strip(), "two | bars."]}
    candidate = Candidate(plain.state, plain.value, plain.control, provenance)
    report = report_of(tmp_path, prove_stability(system, candidate), pictures=False)
    assert "\n**Note:** The residual did not fall; a larger" in report
    assert "\n**Note:** Two \\| bars.\n" in report and "| warnings |" not in report


def test_a_refutation_shows_its_point_and_bounds(tmp_path: Path) -> None:
    result = results.refuted_decrease()
    found = result.counterexample
    assert found is not None
    report = report_of(tmp_path, result, pictures=False)
    assert "**Refuted.**" in report and "**Proved.**" not in report
    for value in found.point:
        assert f"| {value!r} |" in report
    for low, high in found.outputs:
        assert f"[{low:.17g}, {high:.17g}]" in report
    assert "Check it again" in report and "Requested(" not in report


def test_an_equilibrium_that_is_none_is_told(tmp_path: Path) -> None:
    system = zoo.pendulum()
    good = lqr_candidate(system)
    assert good.control is not None
    pushed = Candidate(system.state, good.value, good.control + ex.constant("0.1"))
    result = prove_stability(system, pushed)
    report = report_of(tmp_path, result, pictures=False)
    assert "“equilibrium” is false" in report
    assert "| equilibrium | F(x\\*) = 0 and V(x\\*) = 0 | **refuted** |" in report


def test_an_unknown_result_says_why(tmp_path: Path) -> None:
    report = report_of(tmp_path, results.unknown(), pictures=False)
    assert "**Unknown.** Neither proved nor refuted: core: V is not positive" in report


@pytest.mark.parametrize("kind", ["two states", "a part of the domain"])
def test_the_recipe_in_the_report_proves_the_statement_again(tmp_path: Path, kind: str) -> None:
    result = KINDS[kind]()
    report = report_of(tmp_path, result, pictures=False)
    save_candidate(result.problem.candidate, tmp_path / "candidate.json", "any")
    recipe = re.search(r"```python\n(.*?)```", report, re.DOTALL)
    assert recipe is not None
    run = subprocess.run(
        [sys.executable, "-c", recipe[1]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("Proved(")


def test_without_matplotlib_the_report_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report = report_of(tmp_path, results.proved(), history=HISTORY)
    assert "stableproof[report]" in report and pictures_in(report) == {}
    assert {p.name for p in tmp_path.iterdir()} == {"report.md", "report.html"}
    assert "| 5 |" in report  # the history is there as a table


def test_importing_the_report_does_not_import_matplotlib() -> None:
    program = "import sys, proofs.report, proofs.pictures; print('matplotlib' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_drawing_leaves_no_trace_in_matplotlib(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    write_report(tmp_path, results.proved("synthetic-1"))
    assert dict(matplotlib.rcParams) == before


def test_the_candidates_own_history_is_used(tmp_path: Path) -> None:
    system = zoo.synthetic(1)
    plain = lqr_candidate(system)
    provenance = {"learner": "lqr", "settings": {"tolerance": 1e-9}, "history": HISTORY}
    candidate = Candidate(plain.state, plain.value, plain.control, provenance)
    report = report_of(tmp_path, prove_stability(system, candidate))
    assert "training.png" in pictures_in(report)
    assert "| tolerance | 1e-09 |" in report and "| 5 | 0.0003906 | 25 |" in report
    result = prove_stability(system, candidate)
    numbers = report_of(tmp_path, result, history=[0.5, 0.25, 0.0], pictures=False)
    assert "| 2 | 0.25 |" in numbers


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Names that are markup in Markdown, or mathematics in matplotlib."""
    system = replace(
        zoo.pendulum(),
        name="a | b <script>$x_{$ `c`",
        state_names=("$x_{$", "状态"),
        state_units=("$", "%|"),
        description="line\nbreak [link](http://x)",
    )
    report = report_of(tmp_path, results.of(system))
    assert "<script>" not in report.replace("\\<", "") and "[link](" not in report
    assert r"a \| b \<script\>\$x\_\{\$ \`c\`: asymptotic" in report.splitlines()[0]
    assert "region.png" in pictures_in(report)


def test_a_wide_margin_to_the_domain_is_drawn_without_complaint(tmp_path: Path) -> None:
    """A level that no grid point of the picture reaches: no contour, and no warning either."""
    tiny = results.of(zoo.pendulum(), Requested(c1=Fraction(1, 10**9), c2=Fraction(1, 10**8)))
    assert "region.png" in pictures_in(report_of(tmp_path, tiny))


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        write_report(tmp_path / "none", results.proved())


def test_words() -> None:
    assert approximate(Fraction(1, 8)) == "0.125" and approximate(Fraction(1, 3)) == "≈ 0.3333333"
    assert figure(float("nan")) == "nan" and figure(None) == "–" and figure(True) == "yes"
    assert text("a\nb|c") == r"a b\|c"
    assert names_of((), "x", 1) == ["x"] and names_of((), "u", 2) == ["u1", "u2"]
    assert table_of([{"a": 1, "gain": [[1.0]]}, {"b": 2.5}]) == [
        "| a | b |", "| --- | --- |", "| 1 | – |", "| – | 2.5 |", "",
    ]  # fmt: skip
