"""[rewards] beside the rest: a target that exists, and a gas key of its own."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.config.check_watch import key_users, own_payer
from oracle.config.sections import Config
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
    payer = own_payer(rewards)
    if payer is None:
        return
    users = key_users(config) | {own_payer(config.watch): "the gas key of the watch"}
    if payer in users:
        key = "signer_address" if rewards.signer_address is not None else "gas_keyfile"
        yield Problem(f"rewards.{key}", f"is also {users[payer]}: reports need a key of their own, with its own nonces")


def rewards_target(config: Config) -> str | None:
    """Name of the target whose signers the contract pays; None without targets."""
    home = config.network.home if config.network is not None else None
    return config.rewards.target or home or next(iter(config.targets), None)
