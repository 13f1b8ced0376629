"""Multipliers: no clipping to 1, bounds against overflow alone, whole in a checkpoint."""

from __future__ import annotations

import json
import math

from learners.actor_critic.multiplier import MOST, Multiplier


def test_a_broken_constraint_raises_it_beyond_one() -> None:
    price = Multiplier(rate=1e-2)
    for _ in range(500):
        price.update(0.3)
    assert price.value > 50.0
    assert price.at_bound == 0
    for _ in range(2000):
        price.update(-0.3)
    assert price.value < 1.0


def test_the_bound_is_counted() -> None:
    price = Multiplier(math.log(MOST) - 0.05, rate=1e-2)
    for _ in range(20):
        price.update(1.0)
    assert price.value == MOST or math.isclose(price.value, MOST)
    assert price.at_bound > 0


def test_a_least_price_is_kept() -> None:
    price = Multiplier(rate=1e-1, least=0.5)
    for _ in range(100):
        price.update(-1.0)
    assert math.isclose(price.value, 0.5)


def test_what_is_no_number_changes_nothing() -> None:
    price = Multiplier()
    price.update(1.0)
    before = price.state()
    price.update(math.nan)
    price.update(math.inf)
    assert price.state() == before


def test_it_goes_on_where_it_was() -> None:
    one, other = Multiplier(0.3, rate=2e-3), Multiplier()
    for k in range(30):
        one.update(math.sin(k))
    other.restore(json.loads(json.dumps(one.state())))
    for k in range(30):
        one.update(math.cos(k))
        other.update(math.cos(k))
    assert one.state() == other.state()
