"""What the check asks of the chains: that every contract in use is the one that the config and the catalogue mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import aiohttp

from feeds.chains.abi import address, checksummed
from feeds.chains.endpoint import Head, ReaderLimits
from feeds.chains.jsonrpc import JsonRpc
from feeds.chains.reader import ChainReader
from feeds.chains.sequencer import Sequencer
from feeds.errors import FeedError
from feeds.types import Call, Quote, Read, Reply
from oracle.check.contracts import check_coins, check_descriptions, where_of
from oracle.check.sequencers import SEQUENCER_FIX, SequencerReading, read_sequencer, sequencer_key
from oracle.check.values import SourceValue
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.chain_sections import ChainSection
from oracle.config.tables.schema import Problem
from oracle.config.tables.shorthand_pools import NATIVE
from oracle.runtime.clock import now_ms

_TIMEOUT_MS = 8_000
_MAX_BODY = 8 << 20
_MAX_CONCURRENT = 8
_NATIVE = address(NATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReadings:
    """What was read of one chain. ``errors``: why a source, by feed and name, has no value."""

    head: Head | None
    values: tuple[SourceValue, ...]
    contracts: int
    references: Mapping[str, Quote | FeedError]
    problems: tuple[Problem, ...]
    sequencer: SequencerReading | None = None
    errors: Mapping[tuple[str, str], str] = field(default_factory=dict)


class ChainProbe:
    """One chain, asked for many small things in one batch.

    Args:
        name: the config's name of the chain.
        section: how it is read.
        session: the HTTP session.
    """

    def __init__(self, name: str, section: ChainSection, session: aiohttp.ClientSession) -> None:
        self.name = name
        self._rpc = JsonRpc(section.endpoints[0], session=session, timeout_ms=_TIMEOUT_MS, max_body=_MAX_BODY)
        self.reader = ChainReader(
            chain_id=section.chain_id,
            endpoints=section.endpoints,
            session=session,
            now_ms=now_ms,
            limits=ReaderLimits(max_head_age_s=section.max_head_age_s, max_calls=section.max_calls),
            multicall=section.multicall,
        )

    async def replies(self, head: Head, calls: Sequence[Call]) -> dict[Call, Reply]:
        """The raw answer of each call."""
        wanted = tuple(dict.fromkeys(calls))
        if not wanted:
            return {}
        results = (await self.reader.read(head, {"all": cast("Read", _replies_of(wanted))})).results["all"]
        if isinstance(results, FeedError):
            return dict.fromkeys(wanted, results)
        return dict(zip(wanted, cast("tuple[Reply, ...]", results), strict=True))

    async def codeless(self, head: Head, contracts: Sequence[bytes]) -> list[bytes]:
        """Those of the addresses that have no code in the block."""
        gate = asyncio.Semaphore(_MAX_CONCURRENT)

        async def empty(where: bytes) -> bool:
            async with gate:
                code = await self._rpc.request("eth_getCode", ("0x" + where.hex(), hex(head.number)))
            return code in ("0x", "0x0", "")

        no_code = await asyncio.gather(*(empty(c) for c in contracts))
        return [c for c, is_empty in zip(contracts, no_code, strict=True) if is_empty]


def _replies_of(calls: tuple[Call, ...]) -> Iterator[Any]:
    """A read that hands back its replies as they came."""
    return (yield calls)


async def read_chain(
    chain: ChainProbe,
    resolved: ResolvedConfig,
    catalog: Catalog,
    references: Mapping[str, Read],
    sequencer: Sequencer | None,
) -> ChainReadings:
    """Read every source of a chain, the references and the sequencer's uptime feed, and check every contract that they use."""
    sources = [s for s in resolved.sources if s.chain == chain.name and s.adapter is not None]
    try:
        head = await chain.reader.head()
        reads = {f"{s.feed}|{s.spec.name}": s.adapter.read() for s in sources if s.adapter is not None}
        results = (await chain.reader.read(head, {**reads, **references})).results
        contracts = contracts_of(sources)
        if sequencer is not None:
            contracts.setdefault(sequencer.call.to, sequencer_key(chain.name))
        missing = await chain.codeless(head, list(contracts))
        problems = [_codeless(contracts[c], c, chain.name) for c in missing]
        ask = partial(chain.replies, head)
        problems += await check_coins(ask, catalog, resolved, sources)
        problems += await check_descriptions(ask, catalog, sources)
        uptime, faults = await read_sequencer(ask, sequencer, chain.name, head, missing)
        problems += faults
    except FeedError as e:
        problem = Problem(f"chains.{chain.name}", f"{e}; {e.advice}")
        lost = {(s.feed, s.spec.name): f"{e}" for s in sources}
        return ChainReadings(head=None, values=(), contracts=0, references={}, problems=(problem,), errors=lost)
    values, errors = [], {}
    for source in sources:
        result = results[f"{source.feed}|{source.spec.name}"]
        if isinstance(result, FeedError):
            problems.append(Problem(where_of(source), f"{result}; {result.advice}"))
            errors[source.feed, source.spec.name] = str(result)
        else:
            values.append(SourceValue(source=source, price_wad=result.price_wad, block_ms=head.time_ms))
    quotes = {n: results[n] for n in references}
    return ChainReadings(
        head=head,
        values=tuple(values),
        contracts=len(contracts),
        references=quotes,
        problems=tuple(problems),
        sequencer=uptime,
        errors=errors,
    )


def _codeless(key: str, contract: bytes, chain: str) -> Problem:
    what = SEQUENCER_FIX if key == sequencer_key(chain) else "wrong address or wrong chain"
    return Problem(key, f"no contract at {checksummed(contract)} on {chain}: {what}")


def chain_errors(readings: Mapping[str, ChainReadings]) -> dict[tuple[str, str], str]:
    """Why sources on chains have no value, by feed and name."""
    return {place: text for chain in readings.values() for place, text in chain.errors.items()}


def contracts_of(sources: Sequence[SourcePlan]) -> dict[bytes, str]:
    """Every address that the sources call, with the first one that does."""
    contracts: dict[bytes, str] = {}
    for source in sources:
        if source.adapter is None:
            continue
        reading = source.adapter.read()
        for call in next(reading):
            if call.to != _NATIVE:
                contracts.setdefault(call.to, where_of(source))
        reading.close()
    return contracts
