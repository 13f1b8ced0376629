"""Partitions of a system among controllers."""

from __future__ import annotations

import re

import pytest

from learners.dlac_partition import (
    checked_partition,
    one_block,
    partition_from_text,
    partition_text,
)
from systems import zoo
from systems.errors import InputError
from systems.task import Subsystem

QUADROTOR = zoo.system("quadrotor-2d")  # states x, y, theta, vx, vy, omega; inputs u1, u2


def test_blocks_hold_what_they_name_in_their_own_order() -> None:
    text = " y, vy : u1 ; omega,x,theta,vx:u2 "
    blocks = partition_from_text(text, QUADROTOR)
    assert [(b.states, b.inputs) for b in blocks] == [((1, 4), (0,)), ((5, 0, 2, 3), (1,))]
    assert partition_from_text(partition_text(blocks, QUADROTOR), QUADROTOR) == blocks


def test_one_block_has_everything() -> None:
    (block,) = one_block(QUADROTOR)
    assert block.states == tuple(range(6)) and block.inputs == (0, 1)
    assert partition_text((block,), QUADROTOR) == "x,y,theta,vx,vy,omega:u1,u2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "block 1 must be states:inputs, such as x,y,theta,vx,vy,omega:u1,u2, not ''"),
        ("x,y,theta,vx,vy,omega", "block 1 must be states:inputs"),
        ("x:u1:u2", "block 1 must be states:inputs"),
        ("x,y,theta,vx,vy,omega:u1,u2;", "block 2 must be states:inputs"),
        ("x,y,thet,vx,vy,omega:u1,u2", "block 1: there is no state 'thet'; did you mean 'theta'?"),
        ("x,y,theta,vx,vy,omega:q", "block 1: there is no input 'q'; there are u1, u2"),
        ("x,y,theta,vx,vy,omega:", "block 1 has no inputs"),
        (":u1;x,y,theta,vx,vy,omega:u2", "block 1 has no states"),
        ("x,y,theta,vx,vy,omega:u1;x:u2", "the state 'x' appears more than once"),
        ("x,y,theta,vx,vy,omega:u1,u1", "the input 'u1' appears more than once"),
        ("x,y,theta:u1;vx:u2", "no block has the states 'vy', 'omega'; each belongs to one"),
        ("x,y,theta,vx,vy,omega:u1", "no block has the input 'u2'"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        partition_from_text(text, QUADROTOR)
    assert "\n" not in str(caught.value) and "quadrotor-2d" in str(caught.value)


def test_a_partition_that_did_not_come_from_text_is_checked_too() -> None:
    with pytest.raises(InputError, match="there are 2 inputs, not one of index 2"):
        checked_partition((Subsystem("a", tuple(range(6)), (0, 1, 2)),), QUADROTOR)
    with pytest.raises(InputError, match="has no subsystems"):
        checked_partition((), QUADROTOR)
