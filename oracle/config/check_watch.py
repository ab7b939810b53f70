"""[watch] beside the rest: a target that exists, and a gas key of its own."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.config.check_keys import payer_address, report_key, stated_address
from oracle.config.sections import Config
from oracle.config.tables.rewards_sections import RewardsSection
from oracle.config.tables.schema import Problem
from oracle.config.tables.watch_sections import WatchSection
from oracle.model.suggest import nearest


def watch_problems(config: Config) -> Iterator[Problem]:
    """What is wrong with [watch] and the tables that it goes with."""
    watch = config.watch
    if watch.target is not None and watch.target not in config.targets:
        text = f"{watch.target!r} is not a target of the config; {nearest(watch.target, config.targets)}"
        yield Problem("watch.target", text)
    if watch.penalties is not None and not config.targets:
        yield Problem("watch.penalties", "a watch is over the stores of [targets.*]: add one")
    has_key = watch.gas_keyfile is not None or watch.signer_url is not None
    if has_key and not watch.on and not config.keeper.on:
        yield Problem(
            "watch.on", "there is a key that pays, and nothing to pay for: write watch.on or keeper.on = true"
        )
    payer = own_payer(watch)
    if payer is None:
        return
    users = key_users(config)
    if payer in users:
        key = "signer_address" if watch.signer_address is not None else "gas_keyfile"
        yield Problem(f"watch.{key}", f"is also {users[payer]}: the watch needs a key of its own, with its own nonces")


def own_payer(section: WatchSection | RewardsSection) -> str | None:
    """Address of the key that a table pays with, 40 hex digits; None where there is none, or its keyfile does not state it."""
    if section.signer_address is not None:
        return section.signer_address.lower().removeprefix("0x")
    return stated_address(section.gas_keyfile)


def key_users(config: Config) -> dict[str | None, str]:
    """By address, 40 hex digits: what the keys of targets and operators are for."""
    users = {payer_address(t): f"the gas key of target {n!r}" for n, t in config.targets.items()}
    return users | {report_key(o): f"the report key of operator {o.name!r}" for o in config.operators}


def watch_target(config: Config) -> str | None:
    """Name of the target over whose store the contract is; None without targets."""
    home = config.network.home if config.network is not None else None
    return config.watch.target or home or next(iter(config.targets), None)
