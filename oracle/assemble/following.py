"""Whoever follows operators by a config: which store, which feeds, and who tells of its rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from oracle.assemble.handing_on import check_nats_installed
from oracle.assemble.network import home_target
from oracle.chain.store_reads import StoreReads
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import Problem
from oracle.follow.follower import RoundFollower
from oracle.follow.jetstream import JetStreamSource
from oracle.follow.operator_stream import OperatorStream
from oracle.follow.sources import RoundSource
from oracle.follow.store_sets import StoreSets
from oracle.model.spec import FeedSpec
from oracle.nats.link import nats_access
from oracle.sign.eip712 import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A store that is followed.

    Attributes:
        target: its name here.
        store: read only, closed with what was opened.
        specs: feeds that operators seal, and crosses of them: of others nobody outside hears.
        follower: not running yet.
        streams: of its sources, those that are operators.
    """

    target: str
    store: StoreReads
    specs: dict[str, FeedSpec]
    follower: RoundFollower
    streams: tuple[OperatorStream, ...]


def following_problems(resolved: ResolvedConfig, operators: Sequence[str], key: str) -> list[Problem]:
    """What keeps a config from following: the key, and what to write."""
    problems = []
    if not operators and not resolved.config.nats.servers:
        text = "is empty: list the public endpoints of the operators that are to be followed, or nats.servers"
        problems.append(Problem(key, text))
    if home_target(resolved.config) is None:
        text = (
            "is missing: rounds are verified against the signer set of a store; add [targets.NAME] with chain and store"
        )
        problems.append(Problem("targets", text))
    return problems


def sealed_specs(resolved: ResolvedConfig) -> dict[str, FeedSpec]:
    """Feeds that operators seal, and crosses of them."""
    return {f: s for f, s in resolved.specs.items() if set(s.legs or (f,)) <= set(resolved.pushed)}


def followed(
    resolved: ResolvedConfig, operators: Sequence[str], opened: AsyncExitStack, *, now_ms: Callable[[], int], keep_s: int,
    session: aiohttp.ClientSession, most_known: int = 1 << 20,
) -> Followed:  # fmt: skip
    """The home store of a config, followed at these operators and at the servers of [nats].

    Raises:
        ConfigError: the library of NATS is needed and not there.
    """
    config = resolved.config
    name = home_target(config) or ""
    target = config.targets[name]
    chain = config.chains[target.chain]
    domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
    store = StoreReads(chain.endpoints, domain, agree=target.agree)
    opened.push_async_callback(store.close)
    streams = tuple(OperatorStream(u, i, session) for i, u in enumerate(operators))
    sources: list[RoundSource] = [*streams]
    if config.nats.servers:
        check_nats_installed(config.nats)
        sources.append(JetStreamSource(nats_access(config.nats), config.nats.stream, domain, len(sources)))
    specs = sealed_specs(resolved)
    follower = RoundFollower(
        name, StoreSets(store, now_ms), specs, sources, now_ms=now_ms, keep_s=keep_s, most_known=most_known
    )
    return Followed(target=name, store=store, specs=specs, follower=follower, streams=streams)
