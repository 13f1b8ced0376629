"""A certificate of a hundred thousand leaves is small, and is read in bounded memory."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import Candidate
from certify.candidate import anchored_value
from certify.split_tree import SplitTree, TreeBuilder
from certify.tree_code import encode_tree
from proofs import certificate_reader
from proofs.certificate import certificate_of, conditions_of, load_certificate, save_certificate
from proofs.certificate_reader import hashes_of
from proofs.statement import Programs, closed_loop_data
from systems import expression as ex
from systems.box import Box
from systems.errors import InputError
from systems.json_data import canonical_json
from tests.proofs import results

LEAVES = 100_000
NEURONS = 100


@cache
def large() -> dict[str, Any]:
    """The pendulum's certificate with another V and a decrease condition of many leaves.

    A random tree and a network of random weights, so that nothing of them can be compressed. The
    claim is false, which a reader does not know.
    """
    document: dict[str, Any] = json.loads(canonical_json(certificate_of(results.proved())))
    system = results.proved().problem.system
    generator = np.random.default_rng(0)
    x = system.state
    hidden = ex.tanh(
        ex.affine(generator.normal(size=(NEURONS, 2)), x, generator.normal(size=NEURONS))
    )
    network = ex.affine(generator.normal(size=(1, NEURONS)), hidden)
    programs = Programs()
    candidate = Candidate(
        x,
        anchored_value(network, x, system.equilibrium),
        ex.affine(generator.normal(size=(1, NEURONS)), hidden),
    )
    document["statement"]["closed_loop"] = closed_loop_data(system, candidate, programs)
    document["programs"] = programs.by_digest
    tree = random_tree(generator, system.domain, LEAVES)
    document["evidence"]["decrease"]["tree"] = encode_tree(tree, [system.domain], 3)
    document["sha256"] = hashes_of(document)
    return document


def random_tree(generator: np.random.Generator, region: Box, leaves: int) -> SplitTree:
    """A third of the cuts beside the middle, half of the leaves closed by two constraints."""
    builder = TreeBuilder(1)
    low, high = (np.array([v]) for v in region.outer())
    nodes = np.array([0])
    while len(nodes) < leaves:
        count = min(len(nodes), leaves - len(nodes))
        order = generator.permutation(len(nodes))
        chosen, rest = order[:count], order[count:]
        rows, axis = np.arange(count), generator.integers(region.dimension, size=count)
        share = np.where(generator.random(count) < 1 / 3, generator.uniform(0.3, 0.7, count), 0.5)
        a, b = low[chosen], high[chosen]
        cut = a[rows, axis] + share * (b - a)[rows, axis]
        first = builder.split(nodes[chosen], axis, cut)
        below, above = b.copy(), a.copy()
        below[rows, axis] = above[rows, axis] = cut
        nodes = np.concatenate([nodes[rest], first, first + 1])
        low = np.concatenate([low[rest], a, above])
        high = np.concatenate([high[rest], below, b])
    paired = generator.random(leaves) < 0.5
    reasons = np.where(
        paired, 3 + generator.choice([1, 2, 5], leaves), generator.integers(3, size=leaves)
    )
    builder.close(nodes, reasons, np.where(paired, generator.exponential(size=leaves), 0.0))
    return builder.finished()


def test_a_hundred_thousand_leaves_and_a_hundred_neurons_stay_below_five_megabytes() -> None:
    compressed = zlib.compress((canonical_json(large()) + "\n").encode("ascii"), 9)
    tree = large()["evidence"]["decrease"]["tree"]
    assert tree["splits"] == LEAVES - 1 and tree["moved_count"] > LEAVES // 4
    assert len(compressed) < 5_000_000


def test_it_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    save_certificate(large(), path)
    tracemalloc.start()
    try:
        document = load_certificate(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert document == large()
    assert peak < 30 * path.stat().st_size


def test_it_comes_back_leaf_by_leaf() -> None:
    _, tree = conditions_of(large())["decrease"]
    assert tree.leaves == LEAVES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format":' + "[" * 1_000_000, "nested too deeply"),
        ("[" + "[]," * 3_100_000 + "[]]", "more than 3,000,000 values"),
        ('{"format":1e999}', "beyond float64"),
        ('{"format":"a","format":"b"}', "stands twice"),
    ],
    ids=["nested", "many", "infinite", "twice"],
)
def test_hostile_text_is_refused_before_it_costs_much(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=told):
            load_certificate(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000


@pytest.mark.parametrize("depth", range(900, 1000, 7))
def test_nesting_that_is_just_read_is_loaded_or_told(tmp_path: Path, depth: int) -> None:
    document = json.loads(canonical_json(certificate_of(results.proved())))
    document["provenance"]["deep"] = "HERE"
    path = tmp_path / "deep.json"
    path.write_text(canonical_json(document).replace('"HERE"', "[" * depth + "]" * depth))
    with pytest.raises(InputError, match=r"nested too deeply|another hash"):
        load_certificate(path)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "vast.json"
    with path.open("wb") as file:
        file.truncate(certificate_reader.MOST_BYTES + 1)  # a hole, which takes no space
    with pytest.raises(InputError, match="larger than 200,000,000 bytes"):
        load_certificate(path)


def test_a_packed_bomb_stays_packed(tmp_path: Path) -> None:
    """A few bytes of text that would unpack to gigabytes."""
    document = json.loads(canonical_json(certificate_of(results.proved())))
    packed = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    document["evidence"]["decrease"]["tree"]["axes"] = packed
    document["sha256"] = hashes_of(document)
    path = tmp_path / "bomb.json"
    save_certificate(document, path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="packed data of another length"):
            load_certificate(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
