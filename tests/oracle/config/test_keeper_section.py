"""[keeper], and the key of [watch] that pays for it."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.check_watch import watch_problems
from oracle.config.sections import Config, parse
from oracle.config.tables.schema import ConfigError
from oracle.model.duty_kind import DutyKind

TARGET = {"targets": {"main": {"chain": "local", "store": "0x" + "11" * 20}}}


def config(**tables: Any) -> Config:
    return parse({**TARGET, **tables})


def test_it_is_on_and_does_everything_by_default() -> None:
    section = config().keeper
    assert section.on
    assert section.kinds == frozenset(DutyKind)


def test_a_duty_can_be_left_to_others() -> None:
    section = config(keeper={"leave_out": ["refresh", "rotate"]}).keeper
    assert section.kinds == frozenset(DutyKind) - {DutyKind.REFRESH, DutyKind.ROTATE}


@pytest.mark.parametrize(
    ("keeper", "told"),
    [
        ({"leave_out": ["sleep"]}, "'sleep' is no duty: write some of observe, rotate, remove, top-up"),
        ({"stage_s": 1}, "stage_s: 1 is out of range"),
        ({"refresh_s": 172_800}, "refresh_s: 172800 is out of range"),
        ({"gas_a_day": -1}, "gas_a_day: -1 is out of range"),
    ],
)
def test_what_is_wrong_is_told_at_its_key(keeper: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(keeper=keeper)
    assert told in str(caught.value)


def test_a_key_that_pays_has_something_to_pay_for() -> None:
    watch = {"gas_keyfile": "w.json"}
    assert list(watch_problems(config(watch=watch))) == [], "for the keeper's duties"
    assert list(watch_problems(config(watch=watch, keeper={"on": False}))) == [], "for proofs"
    (problem,) = watch_problems(config(watch={**watch, "on": False}, keeper={"on": False}))
    assert (problem.key, "nothing to pay for" in problem.text) == ("watch.on", True)


def test_an_endpoint_is_a_url() -> None:
    urls = ("https://a.example", "http://b.example:8551?target=l2")
    assert config(watch={"endpoints": list(urls)}).watch.endpoints == urls
    with pytest.raises(ConfigError, match="is not a URL"):
        config(watch={"endpoints": ["a.example"]})
