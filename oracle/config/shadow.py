"""A config as a shadow run takes it: everything that makes prices, and nothing that signs, votes, sends or is told to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from feeds.types import Kind
from feeds.units import BPS
from oracle.config.resolve import ResolvedConfig
from oracle.config.retention import retention_of
from oracle.config.sections import Config
from oracle.config.tables.process_sections import ApiSection
from oracle.config.tables.retention_sections import RetentionSection

_LEAST_DAYS = 60
_AFTER_DAYS = 14
"""So long after a run its first round can still be read."""
_MOST_DAYS = 36_500
_DAY_S = 86_400
_MARK = ".shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnThreshold:
    """When a provider writes a new answer: after a move of so many bps, and so many seconds after the last one. None: not known."""

    bps: int | None = None
    heartbeat_s: int | None = None


def shadow_database(config: Config) -> Path:
    """Where a shadow run of this config stores its rounds, unless it is told otherwise: beside the production's file, never in it."""
    own = Path(config.oracle.database)
    return own.with_name(f"{own.stem}{_MARK}{own.suffix}")


def shadowed(
    resolved: ResolvedConfig, *, database: Path | None = None, port: int = 0, lasting_s: float = 0
) -> ResolvedConfig:
    """The config of a shadow run.

    It is made anew of the sections that prices come from, so that one that is added later is left out until it is named here.

    Args:
        resolved: the config of production.
        database: where rounds are stored; None: :func:`shadow_database`.
        port: of the endpoint, which only this machine can reach; 0: a free one.
        lasting_s: how long it is to run: rounds are kept with their inputs for longer; 0: until it is stopped.
    """
    config = resolved.config
    days = min(_MOST_DAYS, max(_LEAST_DAYS, retention_of(config).rounds_days, -int(-lasting_s // _DAY_S) + _AFTER_DAYS))
    path = shadow_database(config) if database is None else database
    alone = Config(
        oracle=replace(config.oracle, database=str(path), witness=""),
        api=ApiSection(port=port),
        log=config.log,
        retention=RetentionSection(rounds_days=days),
        chains=config.chains,
        venues=config.venues,
        feeds=config.feeds,
        catalog=config.catalog,
    )
    return replace(resolved, config=alone, pushed=())


def without_reference(resolved: ResolvedConfig) -> tuple[str, ...]:
    """Feeds with sources of their own that nothing is compared with. One that is made of others has theirs."""
    specs = (s for s in resolved.specs.values() if s.sources)
    return tuple(s.feed for s in specs if not any(source.kind is Kind.REFERENCE for source in s.sources))


def compared_with(resolved: ResolvedConfig, feed: str) -> Mapping[str, Kind]:
    """Which of our two prices each reference of a feed is compared with, in the order of the config."""
    return {s.spec.name: s.against for s in resolved.sources if s.feed == feed and s.spec.kind is Kind.REFERENCE}


def own_threshold_of(resolved: ResolvedConfig, feed: str, name: str) -> OwnThreshold:
    """By how much a reference's answer must have moved, or after which time, before its provider writes it, as the catalogue knows."""
    source = next((s for s in resolved.config.feeds[feed].sources if (s.name or s.type) == name), None)
    section = None if source is None else resolved.config.chains.get(source.chain or "")
    if source is None or section is None:
        return OwnThreshold()
    words = {str(value).lower() for value in source.params.values()}
    chain = resolved.config.catalog.chain_of(section.chain_id)
    for known in resolved.config.catalog.references:
        at_it = known.chain == chain and known.address is not None and known.address.lower() in words
        if at_it and (known.feed_id is None or known.feed_id.lower() in words):
            percent = known.deviation_percent
            bps = None if percent is None else int(Decimal(percent) * BPS / 100)
            return OwnThreshold(bps=bps, heartbeat_s=known.heartbeat_s)
    return OwnThreshold()
