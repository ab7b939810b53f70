"""[stores.*] against the rest of the config, and with the keys that the command line overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from oracle.config.sections import Config
from oracle.config.tables.schema import ConfigError, Problem, build
from oracle.config.tables.store_sections import LOCAL_CHAINS, StoreSection, cautions
from oracle.model.suggest import nearest


def store_problems(config: Config) -> Iterator[Problem]:
    """What a store names that the config does not have."""
    for name, store in config.stores.items():
        if store.chain is not None and store.chain not in config.chains:
            text = f"{store.chain!r} is not a chain of the config; {nearest(store.chain, config.chains)}"
            yield Problem(f"stores.{name}.chain", text)
        for limits in store.classes:
            for feed in limits.feeds:
                if feed not in config.feeds:
                    text = f"{feed!r} is not a feed of the config; {nearest(feed, config.feeds)}"
                    yield Problem(f"stores.{name}.classes.{limits.name}", text)


def store_with_overrides(config: Config, name: str | None, overrides: Mapping[str, Any]) -> StoreSection:
    """A store as its section states it, with the command line's keys in their place.

    Args:
        config: the config.
        name: of the section; None: the command line states everything.
        overrides: keys of the section from the command line; those of its first class are in ``limits``, those of its stake
            in ``stake``, with those of what is delegated in ``delegated``. None: not written there.

    Raises:
        ConfigError: there is no such section, or the outcome is not a valid one.
    """
    if name is not None and name not in config.stores:
        raise ConfigError([Problem("stores", f"{name!r} is not a store of the config; {nearest(name, config.stores)}")])
    table = _plain(asdict(config.stores[name])) if name is not None else {}
    written = _written(overrides)
    limits, stake = _written(written.pop("limits", {})), _written(written.pop("stake", {}))
    if limits:
        first, *others = table.get("classes") or [{}]
        table["classes"] = [first | limits, *others]
    held = table.get("stake", {})
    if delegated := _written(stake.pop("delegated", {})):
        stake["delegated"] = held.get("delegated", {}) | delegated
    if stake:
        table["stake"] = held | stake
    if "signers" in written and "weights" not in written:
        table.pop("weights", None)  # they belonged to the other signers
    problems: list[Problem] = []
    section = build(StoreSection, table | written, "store" if name is None else f"stores.{name}", problems)
    if section is None or problems:
        raise ConfigError(problems)
    return section


def store_cautions(section: StoreSection, chain_id: int) -> list[str]:
    """What of a store to be made is unsafe, each with what to do; nothing is on a local chain."""
    if chain_id in LOCAL_CHAINS:
        return []
    of_stake = [] if section.stake is None else section.stake.cautions(timelock=section.owner is not None)
    return of_stake + cautions(
        rotation_delay_s=section.rotation_delay_s,
        overlap_s=section.overlap_s,
        longest_epoch_s=section.longest_epoch_s,
        max_push_age_s=section.max_push_age_s,
        weights=section.all_weights,
        threshold=section.threshold,
        step_bps=max(c.step_bps for c in section.classes),
        guardian=section.guardian is not None,
        owner_is_key=section.owner is None and section.stake is None,
    )


def _written(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in table.items() if v is not None}


def _plain(value: Any) -> Any:
    """A record as the TOML that it came from: lists, and no key without a value."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
