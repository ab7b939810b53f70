"""[rewards] beside the rest: a target that exists, and a gas key of its own."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.config.check_keys import payer_address, report_key, stated_address
from oracle.config.check_watch import watch_payer
from oracle.config.sections import Config
from oracle.config.tables.rewards_sections import RewardsSection
from oracle.config.tables.schema import Problem
from oracle.model.suggest import nearest


def rewards_problems(config: Config) -> Iterator[Problem]:
    """What is wrong with [rewards] and the tables that it goes with."""
    rewards = config.rewards
    if rewards.target is not None and rewards.target not in config.targets:
        text = f"{rewards.target!r} is not a target of the config; {nearest(rewards.target, config.targets)}"
        yield Problem("rewards.target", text)
    if rewards.contract is not None and not config.targets:
        yield Problem("rewards.contract", "rewards are those of the signers of a store of [targets.*]: add one")
    payer = _payer(rewards)
    if payer is None:
        return
    users = {payer_address(t): f"the gas key of target {n!r}" for n, t in config.targets.items()}
    users |= {report_key(o): f"the report key of operator {o.name!r}" for o in config.operators}
    users |= {watch_payer(config.watch): "the gas key of the watch"}
    if payer in users:
        key = "signer_address" if rewards.signer_address is not None else "gas_keyfile"
        yield Problem(f"rewards.{key}", f"is also {users[payer]}: reports need a key of their own, with its own nonces")


def _payer(rewards: RewardsSection) -> str | None:
    """Address of the key that pays, 40 hex digits; None where there is none, or its keyfile does not state it."""
    if rewards.signer_address is not None:
        return rewards.signer_address.lower().removeprefix("0x")
    return stated_address(rewards.gas_keyfile)


def rewards_target(config: Config) -> str | None:
    """Name of the target whose signers the contract pays; None without targets."""
    home = config.network.home if config.network is not None else None
    return config.rewards.target or home or next(iter(config.targets), None)
