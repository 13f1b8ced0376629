"""The replay buffer: a ring of rows, drawn uniformly and reproducibly."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the replay buffer is made of tensors")
replay = pytest.importorskip("learners.actor_critic.replay", reason="it needs torch")


def buffer(capacity: int = 5) -> replay.Replay:
    return replay.Replay(capacity, {"s": 2, "c": 1}, torch.Generator().manual_seed(0))


def rows(first: int, count: int) -> dict[str, torch.Tensor]:
    numbers = torch.arange(first, first + count, dtype=torch.float32)
    return {"s": torch.stack([numbers, -numbers], 1), "c": 10 * numbers[:, None]}


def test_the_oldest_rows_give_way() -> None:
    kept = buffer()
    for first, count in ((0, 3), (3, 3), (6, 4)):
        kept.add(rows(first, count))
    assert kept.size == 5
    assert sorted(kept.column("c")[:, 0].tolist()) == [50.0, 60.0, 70.0, 80.0, 90.0]
    assert torch.equal(kept.column("s")[:, 0] * 10, kept.column("c")[:, 0])


def test_rows_stay_together_and_all_are_drawn() -> None:
    kept = buffer(8)
    kept.add(rows(0, 6))
    batch = kept.sample(500)
    assert batch["s"].shape == (500, 2) and batch["c"].shape == (500, 1)
    assert torch.equal(batch["s"][:, 0] * 10, batch["c"][:, 0])
    counts = torch.bincount(batch["s"][:, 0].long(), minlength=8)
    assert counts[6:].sum() == 0  # nothing that was never added
    assert bool((counts[:6] > 40).all())


def test_a_full_batch_more_than_it_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="6 transitions at once, the buffer holds 5"):
        buffer().add(rows(0, 6))


def test_it_goes_on_where_it_was() -> None:
    one, other = buffer(), buffer()
    one.add(rows(0, 4))
    one.sample(3)
    other.restore(one.state())
    other.generator.set_state(one.generator.get_state())
    for kept in (one, other):
        kept.add(rows(4, 3))
    assert torch.equal(one.rows, other.rows)
    assert torch.equal(one.sample(20)["c"], other.sample(20)["c"])
    state = one.state()
    with pytest.raises(ValueError, match="another shape"):
        other.restore(state | {"size": 3})
