"""The floors of the house: who may import whom, read off the source, never by importing it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("systems", "certify", "learners", "proofs", "cli")
MAY_IMPORT = {
    "systems": {"systems"},
    "certify": {"systems", "certify"},
    "learners": {"systems", "certify", "learners"},
    "proofs": {"systems", "certify", "proofs"},
    "cli": set(PACKAGES),
}
# Imported when the command line starts, these would cost more than the command itself.
SLOW_TO_IMPORT = (
    "torch", "matplotlib", "sympy", "plotly", "jinja2", "onnx", "onnxruntime", "numba",
    "scipy.optimize", "scipy.integrate", "scipy.linalg", "gymnasium", "stable_baselines3",
    "casadi", "ray", "z3", "dreal", "auto_LiRPA",
)  # fmt: skip


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_module_name(p): p for name in PACKAGES for p in sorted((ROOT / name).rglob("*.py"))}


def _is_type_checking_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _statements(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """The nodes that run; those of function bodies only if asked for."""
    for node in ast.iter_child_nodes(tree):
        if _is_type_checking_block(node):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            continue
        yield node
        yield from _statements(node, inside_functions)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".")
    if SOURCES[module].name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def imports(module: str, *, inside_functions: bool = True) -> set[str]:
    """The full names of what a module imports; ``from a import b`` counts as a and as a.b."""
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    out: set[str] = set()
    for node in _statements(tree, inside_functions):
        if isinstance(node, ast.Import):
            out.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            out.add(source)
            out.update(f"{source}.{alias.name}" for alias in node.names)
    return out


def _root_of(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("module", SOURCES)
def test_imports_only_from_the_floors_below(module: str) -> None:
    ours = {n for n in map(_root_of, imports(module)) if n in {*PACKAGES, "tests", "benchmarks"}}
    assert ours <= MAY_IMPORT[_root_of(module)]


@pytest.mark.parametrize("module", SOURCES)
def test_torch_stays_with_the_learners(module: str) -> None:
    if module.startswith("learners."):
        return
    lazily = module.startswith("certify.backends.lirpa")
    seen = map(_root_of, imports(module, inside_functions=not lazily))
    assert "torch" not in set(seen)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_without_torch(package: str) -> None:
    """torch is an extra: whoever trains with ELM-PI or only certifies does not have it."""
    program = f"import sys; sys.modules['torch'] = None; import {package}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=300)


def test_the_checker_imports_nothing_of_ours() -> None:
    for module in (m for m in SOURCES if f"{m}.".startswith("proofs.checker.")):
        foreign = {n for n in imports(module) if _root_of(n) in {*PACKAGES, "tests"}}
        own = {n for n in foreign if f"{n}.".startswith("proofs.checker.")}
        assert foreign == own, f"{module} imports {sorted(foreign - own)}"


def _graph() -> dict[str, set[str]]:
    """Arrows between modules; ``from package import name`` points at package.name where it is."""
    graph: dict[str, set[str]] = {}
    for module in SOURCES:
        wanted = imports(module) & SOURCES.keys()
        inner = {n for n in wanted if any(o.startswith(f"{n}.") for o in wanted)}
        graph[module] = wanted - inner - {module}
    return graph


def test_no_circles() -> None:
    graph = _graph()
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for other in sorted(graph[module]):
            visit(other, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.skipif("cli.main" not in SOURCES, reason="there is no cli/main.py yet")
def test_the_command_line_starts_light() -> None:
    program = "import sys, cli.main; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert not [name for name in SLOW_TO_IMPORT if name in loaded]


def test_the_walk_sees_lazy_and_relative_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "probe.py"
    source.write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import box\n"
        "if TYPE_CHECKING:\n    import hidden\n"
        "def late():\n    import torch.nn\n    from certify import tape\n"
    )
    monkeypatch.setitem(SOURCES, "systems.probe", source)
    assert {"systems.box", "torch.nn", "certify.tape"} <= imports("systems.probe")
    assert "hidden" not in imports("systems.probe")
    assert "torch.nn" not in imports("systems.probe", inside_functions=False)
