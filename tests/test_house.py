"""House rules that a parser can check: files are never executed, no traces of anyone's machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("systems", "certify", "learners", "proofs", "cli", "benchmarks", "examples")
SOURCES = sorted(p for name in FOLDERS for p in (ROOT / name).rglob("*.py"))
BANNED_NAMES = {"eval", "exec", "sympify", "parse_expr", "__import__"}
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
TEXT_ENDINGS = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".cfg", ".j2", ""}


def violations(tree: ast.AST) -> Iterator[str]:
    """Calls that run text or unpickle, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            found = {m.partition(".")[0] for m in modules} & BANNED_MODULES
            found |= set(names) & {"sympify", "parse_expr"}
            yield from (f"line {node.lineno}: imports {n}" for n in sorted(found))
        elif isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {what}" for what in _bad_call(node))


def _bad_call(node: ast.Call) -> Iterator[str]:
    options = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg}
    called = ast.unparse(node.func)
    if isinstance(node.func, ast.Name) and node.func.id in BANNED_NAMES:
        yield f"calls {called}"
    if isinstance(node.func, ast.Attribute):
        receiver = ast.unparse(node.func.value)
        if node.func.attr in {"sympify", "parse_expr"}:
            yield f"calls {called}"
        if receiver == "os" and node.func.attr in {"system", "popen"}:
            yield f"calls {called}"
        if called in {"torch.load", "th.load"} and options.get("weights_only") != "True":
            yield f"calls {called} without weights_only=True"
    if options.get("allow_pickle", "False") != "False":
        yield f"calls {called} with allow_pickle"
    if options.get("shell", "False") != "False":
        yield f"calls {called} through a shell"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_is_ever_executed(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(violations(tree)) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec('x = 1')",
        "import pickle",
        "from pickle import loads",
        "import sympy\nsympy.sympify('x')",
        "from sympy import sympify",
        "import numpy as np\nnp.load('f', allow_pickle=True)",
        "import torch\ntorch.load('f')",
        "import os\nos.system('ls')",
    ],
)
def test_the_rule_catches(text: str) -> None:
    assert list(violations(ast.parse(text)))


def _text_files() -> list[Path]:
    skipped = {".git", ".venv", "runs", "build", "__pycache__"}
    return [
        p
        for p in sorted(ROOT.rglob("*"))
        if p.is_file()
        and p.suffix in TEXT_ENDINGS
        and not any(
            part in skipped or part.endswith(("_cache", ".egg-info", ".hypothesis"))
            for part in p.relative_to(ROOT).parts
        )
    ]


def test_no_path_of_anyones_machine() -> None:
    """No file names this check-out's own folder, or a home folder of anybody."""
    home = re.compile(r"(?<![\w.])(/home/[a-z]\w*/|/Users/[A-Za-z]\w*/|[A-Z]:\\Users\\)")
    found = []
    for path in _text_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        if path != Path(__file__).resolve() and (home.search(text) or str(ROOT) in text):
            found.append(str(path.relative_to(ROOT)))
    assert found == []
