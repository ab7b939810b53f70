"""The operator's file: config.toml, parsed once into types. No secrets, and every error at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from feeds.types import Kind
from oracle.config.tables.archive_sections import ArchiveSection
from oracle.config.tables.catalog import Catalog, shipped
from oracle.config.tables.chain_sections import ChainSection, VenueSection
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.keeper_sections import KeeperSection
from oracle.config.tables.network_sections import NetworkSection
from oracle.config.tables.node_sections import NatsSection, NodeSection
from oracle.config.tables.operator_sections import OperatorSection, TargetSection
from oracle.config.tables.own_catalog import KINDS, own_blocks, with_own
from oracle.config.tables.process_sections import ApiSection, LogSection, OracleSection
from oracle.config.tables.renamed_keys import RENAMED
from oracle.config.tables.retention_sections import RetentionSection
from oracle.config.tables.rewards_sections import RewardsSection
from oracle.config.tables.schema import ConfigError, Problem, build
from oracle.config.tables.shorthand import VIA_FEED, expand
from oracle.config.tables.store_sections import StoreSection
from oracle.config.tables.watch_sections import WatchSection
from oracle.model.keys import required

_ROOT = "config"
_SOURCE_KEYS = frozenset({*(f.name for f in fields(SourceSection)), *RENAMED["SourceSection"]}) - {"params"}
"""Keys of a source, old names among them; every other one is its adapter's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. ``catalog``: the shipped catalogue with the operator's own records in it."""

    oracle: OracleSection = field(default_factory=OracleSection)
    api: ApiSection = field(default_factory=ApiSection)
    log: LogSection = field(default_factory=LogSection)
    retention: RetentionSection = field(default_factory=RetentionSection)
    chains: Mapping[str, ChainSection] = field(default_factory=dict)
    venues: Mapping[str, VenueSection] = field(default_factory=dict)
    operators: tuple[OperatorSection, ...] = ()
    targets: Mapping[str, TargetSection] = field(default_factory=dict)
    network: NetworkSection | None = None
    watch: WatchSection = field(default_factory=WatchSection)
    rewards: RewardsSection = field(default_factory=RewardsSection)
    keeper: KeeperSection = field(default_factory=KeeperSection)
    node: NodeSection = field(default_factory=NodeSection)
    nats: NatsSection = field(default_factory=NatsSection)
    archive: ArchiveSection = field(default_factory=ArchiveSection)
    stores: Mapping[str, StoreSection] = field(default_factory=dict)
    feeds: Mapping[str, FeedSection] = field(default_factory=dict)
    catalog: Catalog = field(
        default_factory=shipped, repr=False, compare=False, metadata=required("what is known", settable=False)
    )


def load(path: Path) -> Config:
    """Read and parse a config file.

    Raises:
        ConfigError: with every problem found in its form; what the parts mean together is :func:`~oracle.config.resolve.resolve`'s to check.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark before the first line
    except OSError as e:
        raise ConfigError([Problem(str(path), f"cannot be read ({e.strerror}): give --config FILE")]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError([Problem(str(path), f"is not TOML: {e}")]) from None
    return parse(table, folder=path.parent)


def parse(table: Mapping[str, Any], catalog: Catalog | None = None, *, folder: Path = Path()) -> Config:
    """Turn a parsed TOML document into the config; raises ConfigError as :func:`load` does.

    Args:
        table: the document.
        catalog: where names are looked up, beside the operator's own records; None: the shipped one.
        folder: what ``catalog_path`` is relative to.
    """
    problems: list[Problem] = []
    base = shipped() if catalog is None else catalog
    whole = with_own(base, own_blocks(table, folder, problems), problems)
    rest = {k: v for k, v in table.items() if k not in KINDS}
    expanded = expand(rest, [] if problems else problems, whole)  # a name may be missing since its block is wrong
    formal: list[Problem] = []
    config = build(Config, _with_params(expanded), _ROOT, formal, beside=KINDS)
    problems += [Problem(p.key.removeprefix(f"{_ROOT}."), p.text) for p in formal]
    if config is None or problems:
        raise ConfigError(problems)
    return replace(config, catalog=whole)


def feed_section(table: Mapping[str, Any]) -> FeedSection:
    """One feed as ``[feeds.X]`` states it, with the defaults of all that is left out; raises ConfigError as :func:`load` does."""
    problems: list[Problem] = []
    section = build(FeedSection, table, "feed", problems)
    if section is None:
        raise ConfigError(problems)
    return section


def _with_params(table: Mapping[str, Any]) -> dict[str, Any]:
    """Move a source's adapter keys into its ``params``."""
    shaped = dict(table)
    if not isinstance(table.get("feeds"), Mapping):
        return shaped
    shaped["feeds"] = {name: _feed(feed) for name, feed in table["feeds"].items()}
    return shaped


def _feed(feed: Any) -> Any:
    if not isinstance(feed, Mapping) or not isinstance(feed.get("sources"), list):
        return feed
    return {**feed, "sources": [_source(s) for s in feed["sources"]]}


def _source(source: Any) -> Any:
    if not isinstance(source, Mapping):
        return source
    own = {k: v for k, v in source.items() if k in _SOURCE_KEYS}
    if own.get("kind") == VIA_FEED:
        own["kind"] = Kind.REDEMPTION.value
    return {**own, "params": {k: v for k, v in source.items() if k not in _SOURCE_KEYS}}
