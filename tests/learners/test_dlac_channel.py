"""The channel between DLAC's controllers: what passes, and that it is counted."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from learners.dlac_channel import Channel, Traffic


def test_everyone_receives_the_sum_of_the_others() -> None:
    channel = Channel(3)
    m = np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    for i in range(3):
        channel.send(i, m[i])
    for i, expected in enumerate(([110.0, 220.0], [101.0, 202.0], [11.0, 22.0])):
        assert channel.receive(i).tolist() == expected


def test_all_that_passes_is_counted() -> None:
    channel = Channel(3)
    for _ in range(4):
        for i in range(3):
            channel.send(i, np.zeros(7))
        for i in range(3):
            channel.receive(i)
    assert channel.traffic == Traffic(4, 12, 12, 84, 84)


def test_one_controller_alone_is_told_nothing() -> None:
    channel = Channel(1)
    channel.send(0, [1.0, 2.0])
    assert channel.receive(0).tolist() == [0.0, 0.0]
    assert channel.traffic == Traffic(1, 0, 0, 0, 0)


def test_a_message_shares_no_memory_with_its_sender() -> None:
    channel = Channel(2)
    mine = np.ones(2)
    channel.send(0, mine)
    channel.send(1, mine)
    mine[:] = 5.0
    received = channel.receive(0)
    assert received.tolist() == [1.0, 1.0]
    received[:] = 7.0
    assert channel.receive(1).tolist() == [1.0, 1.0]


def early(channel: Channel) -> None:
    channel.send(0, [1.0])
    channel.receive(0)


def twice(channel: Channel) -> None:
    channel.send(0, [1.0])
    channel.send(0, [1.0])


def late(channel: Channel) -> None:
    channel.send(0, [1.0])
    channel.send(1, [1.0])
    channel.receive(0)
    channel.send(0, [1.0])


def greedy(channel: Channel) -> None:
    channel.send(0, [1.0])
    channel.send(1, [1.0])
    channel.receive(0)
    channel.receive(0)


def unequal(channel: Channel) -> None:
    channel.send(0, [1.0])
    channel.send(1, [1.0, 2.0])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (early, "only 1 of 2 controllers have sent"),
        (twice, "controller 0 sends twice in a round"),
        (late, "controller 0 sends before all others have received"),
        (greedy, "controller 0 receives twice in a round"),
        (unequal, "controller 1 sends 2 samples, others do not"),
        (lambda c: c.send(2, [1.0]), "there are 2 controllers, no number 2"),
        (lambda c: c.send(0, [[1.0, 2.0]]), "one number a sample"),  # a state is no scalar
        (lambda c: c.send(0, []), "one number a sample"),
        (lambda c: c.send(0, [np.nan]), "not finite"),
    ],
)
def test_what_breaks_the_protocol_is_refused(act: Callable[[Channel], None], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        act(Channel(2))
