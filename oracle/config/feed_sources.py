"""The config's sources in the form that the feeds layer takes, and where venues and chains are."""

from __future__ import annotations

from feeds.chain_follower import ChainPlan
from feeds.chains.endpoint import ReaderLimits
from feeds.chains.quorum import quorum_of
from feeds.chains.sequencer import Sequencer
from feeds.ingest import VenuePlan
from feeds.observe import Source
from feeds.types import Kind
from oracle.combine.methods.registry import METHODS
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.chain_sections import ChainSection


def sources_of(resolved: ResolvedConfig) -> list[Source]:
    """All sources of all feeds."""
    return [
        Source(
            feed=p.feed,
            name=p.spec.name,
            pair=p.spec.pair,
            group=p.spec.group,
            kind=p.spec.kind,
            max_age_s=p.spec.max_age_s,
            venue=p.venue,
            symbol=p.symbol,
            chain=p.chain,
            adapter=p.adapter,
            block=p.block,
            pull=p.pull,
            trades=p.spec.kind is Kind.MARKET and METHODS[resolved.specs[p.feed].method].of_trades,
            dust_wad=resolved.specs[p.feed].tuning.dust,
        )
        for p in resolved.sources
    ]


def venues_of(config: Config) -> dict[str, VenuePlan]:
    """Venues with addresses or patience of their own."""
    return {
        n: VenuePlan(
            ws_url=v.ws_url, rest_url=v.rest_url, silence_ms=v.silence_ms, rest_ms=v.rest_ms, depth_ms=v.depth_ms
        )
        for n, v in config.venues.items()
    }


def sequencer_of(catalog: Catalog, chain: ChainSection) -> Sequencer | None:
    """The rollup's uptime feed: the config's, else the one that the catalogue knows of this chain."""
    known = (c.sequencer for c in catalog.chains.values() if c.chain_id == chain.chain_id)
    feed = chain.sequencer_feed if chain.sequencer_feed is not None else next(known, None)
    return Sequencer(sequencer_feed=feed, sequencer_grace_s=chain.sequencer_grace_s) if feed else None


def chains_of(config: Config) -> dict[str, ChainPlan]:
    """How each chain is read."""
    return {
        n: ChainPlan(
            chain_id=c.chain_id,
            endpoints=c.endpoints,
            multicall=c.multicall,
            poll_ms=c.poll_ms,
            limits=ReaderLimits(
                max_head_age_s=c.max_head_age_s, max_calls=c.max_calls, agree=quorum_of(c.agree, len(c.endpoints))
            ),
            announcers=c.announcers,
            sequencer=sequencer_of(config.catalog, c),
        )
        for n, c in config.chains.items()
    }
