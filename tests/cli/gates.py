"""A gate of one quick claim to test with: files, runs, and forged certificates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proofs.certificate_reader import hashes_of
from systems.json_data import canonical_json

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Run

HEAD = """\
[[claim]]
name = "{name}"
system = "motor.toml"
candidate = "motor.json"
"""


@dataclass(frozen=True)
class GateFiles:
    """A folder with ``motor.toml``, a candidate for it, and a gate file that is written anew."""

    folder: Path
    stableproof: Run

    def write(self, *claims: str, head: str = "") -> Path:
        """Claims are the lines after name, system and candidate; their names are c1, c2, …"""
        texts = [HEAD.format(name=f"c{i + 1}") + c for i, c in enumerate(claims)]
        return self.write_text(head + "\n" + "\n\n".join(texts) + "\n")

    def write_text(self, text: str) -> Path:
        file = self.folder / "stability.toml"
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, *options: str) -> Ended:
        return self.stableproof("gate", self.folder / "stability.toml", *options)

    def data(self, *options: str) -> dict[str, Any]:
        return self.run("--json", *options).data

    def one(self, *options: str) -> dict[str, Any]:
        """The only claim's end."""
        (found,) = self.data(*options)["claims"]
        assert isinstance(found, dict)
        return found

    @property
    def out(self) -> Path:
        return self.folder / "stableproof-gate"

    @property
    def cached(self) -> Path:
        """The only certificate in the cache."""
        (path,) = (self.folder / ".stableproof-cache").glob("*.certificate.json")
        return path


def forge(path: Path, change: Callable[[Any], object]) -> None:
    """Change a certificate and hash it again, as an enemy would."""
    document = json.loads(path.read_text())
    change(document)
    document["sha256"] = hashes_of({k: v for k, v in document.items() if k != "sha256"})
    path.write_text(canonical_json(document) + "\n")
