"""[rewards]: off without a contract, and a key of its own."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.check_rewards import rewards_target
from oracle.config.sections import parse
from tests.oracle.config.small_config import problems, table

CONTRACT, STORE, OTHER = "0x" + "77" * 20, "0x" + "66" * 20, "0x" + "55" * 20


def with_target(**rewards: Any) -> dict[str, Any]:
    target = {"chain": "local", "store": STORE, "signer_url": "http://127.0.0.1:1", "signer_address": OTHER}
    return table(targets={"home": target}, rewards=rewards)


def test_off_without_a_contract() -> None:
    rewards = parse(table()).rewards
    assert (rewards.contract, rewards.attempt_s, rewards.stage_s) == (None, 60, 60)
    assert rewards_target(parse(table())) is None
    assert rewards_target(parse(with_target(contract=CONTRACT))) == "home"


@pytest.mark.parametrize(
    ("rewards", "text"),
    [
        ({"contract": CONTRACT, "target": "hom"}, "rewards.target: 'hom' is not a target"),
        (
            {"contract": CONTRACT, "signer_url": "http://127.0.0.1:2", "signer_address": OTHER},
            "is also the gas key of target",
        ),
        ({"gas_keyfile": "k.json"}, "rewards.contract: there is a key that pays"),
        ({"contract": CONTRACT, "attempt_s": 3}, "rewards.attempt_s"),
        (
            {"contract": CONTRACT, "gas_keyfile": "k", "signer_url": "http://127.0.0.1:2", "signer_address": OTHER},
            "gas_keyfile and signer_url are two keys",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said(rewards: dict[str, Any], text: str) -> None:
    assert text in problems(with_target(**rewards))


def test_it_pays_signers_of_a_target() -> None:
    assert "rewards.contract: rewards are those of the signers of a store" in problems(
        table(rewards={"contract": CONTRACT})
    )
