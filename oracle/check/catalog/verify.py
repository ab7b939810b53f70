"""Ask real chains about every entry of the catalogue: a few entries a request, at one block, with the chain's quorum.

What an endpoint fails to answer is asked again, then left as not asked: an endpoint's failure says nothing of a contract.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import aiohttp

from feeds.chain_follower import ChainPlan
from feeds.chains.abi import checksummed
from feeds.chains.endpoint import Head
from feeds.chains.jsonrpc import BlockMissing, JsonRpc
from feeds.chains.reader import ChainReader
from feeds.errors import FeedError
from feeds.types import Read
from feeds.units import MS
from oracle.check.catalog.entries import CatalogEntry, entries_on, groups_of
from oracle.check.catalog.findings import EntryFinding, EntryResult, EntryState, dead, fine, unasked, worst_of
from oracle.check.catalog.questions import Question
from oracle.config.tables.catalog import Catalog
from oracle.runtime.clock import now_ms

_TIMEOUT_MS = 20_000
_MAX_BODY = 8 << 20
_LOST = 2
"""So many groups of entries in a row without any answer: the endpoints are gone, and the rest is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPace:
    """How a chain is asked.

    Attributes:
        weight: of the entries that are asked at a time, in as few requests as their calls fit in; most weigh 1.
        pause_ms: between two such groups.
        tries: how often a group is asked whose endpoints fail.
        retry_ms: pause before the second try; doubles.
    """

    weight: int = 24
    pause_ms: int = 250
    tries: int = 3
    retry_ms: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVerdict:
    """What was found on one chain, and how many requests it took."""

    chain: str
    results: tuple[EntryResult, ...]
    block: int
    requests: int
    failures: int


async def verify_catalog(
    catalog: Catalog,
    plans: Mapping[str, ChainPlan],
    *,
    notional: str,
    before: Iterable[EntryResult] = (),
    pace: VerifyPace | None = None,
) -> list[ChainVerdict]:
    """Ask every chain about its entries.

    Args:
        catalog: the operator's.
        plans: how to read each chain, by the catalogue's name of it.
        notional: base tokens that pools are priced for, decimal text.
        before: what an earlier run has found: only what it could not ask is asked.
        pace: see VerifyPace.
    """
    known = {r.label: r for r in before if not r.has_unasked}
    async with aiohttp.ClientSession() as session:
        jobs = [
            _ChainVerifier(name, plan, session, pace or VerifyPace()).run(entries_on(catalog, name, notional), known)
            for name, plan in plans.items()
        ]
        return list(await asyncio.gather(*jobs))


class _ChainVerifier:
    """One chain, asked group by group."""

    def __init__(self, name: str, plan: ChainPlan, session: aiohttp.ClientSession, pace: VerifyPace) -> None:
        self._name = name
        self._pace = pace
        self._codes = [JsonRpc(u, session=session, timeout_ms=_TIMEOUT_MS, max_body=_MAX_BODY) for u in plan.endpoints]
        self._code_requests = 0
        self._codeless: dict[tuple[str, bytes], bool] = {}
        self._reader = ChainReader(
            chain_id=plan.chain_id,
            endpoints=plan.endpoints,
            session=session,
            now_ms=now_ms,
            limits=replace(plan.limits, timeout_ms=_TIMEOUT_MS, stall_ms=1 << 40),  # one block is read, however long
            multicall=plan.multicall,
        )

    async def run(self, entries: Sequence[CatalogEntry], known: Mapping[str, EntryResult]) -> ChainVerdict:
        """Ask about every entry that is not known yet; results in the order of the entries."""
        results = {e.label: known[e.label] for e in entries if e.label in known}
        left = [e for e in entries if e.label not in known]
        head: Head | None = None
        lost = 0
        for i, group in enumerate(groups_of(left, self._pace.weight)):
            if lost >= _LOST:
                results |= {e.label: _result(e, None, (_gone(),)) for e in group}
                continue
            if i:
                await asyncio.sleep(self._pace.pause_ms / MS)
            head, found = await self._group(head, group)
            results |= found
            lost = 0 if any(r.state is not EntryState.UNASKED for r in found.values()) else lost + 1
        stats = self._reader.stats
        return ChainVerdict(
            chain=self._name,
            results=tuple(results[e.label] for e in entries),
            block=head.number if head is not None else 0,
            requests=stats.requests + self._code_requests,
            failures=stats.failures,
        )

    async def _group(
        self, head: Head | None, group: Sequence[CatalogEntry]
    ) -> tuple[Head | None, dict[str, EntryResult]]:
        """Ask a group until all of it is answered, or the tries are used up."""
        done: dict[str, EntryResult] = {}
        for attempt in range(self._pace.tries):
            waiting = [e for e in group if e.label not in done or done[e.label].has_unasked]
            if not waiting:
                break
            if attempt:
                await asyncio.sleep((self._pace.retry_ms << (attempt - 1)) / MS)
            try:
                head = head or await self._reader.head()
            except FeedError as e:
                done |= {one.label: _result(one, None, (unasked("endpoints", f"{e}; {e.advice}"),)) for one in waiting}
                continue
            found, missing = await self._asked(head, waiting)
            done |= found
            head = None if missing else head  # its state is gone at every endpoint: go on at a new block
        return head, done

    async def _asked(self, head: Head, group: Sequence[CatalogEntry]) -> tuple[dict[str, EntryResult], bool]:
        """One try: every question of the group, what is thin again, and the code behind what does not answer."""
        asked = {(e.label, q.what): q for e in group for q in e.questions}
        answers, missing = await self._answers(head, asked)
        thin = {e.label: e for e in group if e.again is not None and _is_thin(answers, e)}
        again = {(label, e.again.what): e.again for label, e in thin.items() if e.again is not None}
        if again:
            more, lost = await self._answers(head, again)
            answers, missing = answers | more, missing or lost
        results = {}
        for entry in group:
            findings: list[EntryFinding] = []
            for question in entry.questions:
                findings += await self._with_code(head, question, answers[entry.label, question.what])
            results[entry.label] = _result(entry, head, findings)
        return results, missing

    async def _answers(
        self, head: Head, questions: Mapping[tuple[str, str], Question]
    ) -> tuple[dict[tuple[str, str], tuple[EntryFinding, ...]], bool]:
        """Findings of each question, and whether the block is no longer known."""
        reads = {key: cast("Read", q.answered(head.time_ms)) for key, q in questions.items()}
        read = await self._reader.read(head, reads)
        if read.head.block_hash != head.block_hash:  # one block back, whose time is another
            lost = unasked("block", "its block is no longer known: asked again at a new one")
            return dict.fromkeys(questions, (lost,)), True
        answers: dict[tuple[str, str], tuple[EntryFinding, ...]] = {}
        missing = False
        for key, result in read.results.items():
            missing = missing or isinstance(result, BlockMissing)
            if isinstance(result, FeedError):
                answers[key] = (unasked(key[1], f"{result}; {result.advice}"),)
            else:
                answers[key] = cast("tuple[EntryFinding, ...]", result)
        return answers, missing

    async def _with_code(
        self, head: Head, question: Question, findings: Sequence[EntryFinding]
    ) -> Sequence[EntryFinding]:
        """What looks dead for want of a contract is told so: no code at this address."""
        if worst_of(findings) not in {EntryState.DEAD, EntryState.CHANGED}:
            return findings
        empty = [c for c in question.contracts if await self._is_codeless(head, c)]
        if not empty:
            return findings
        where = ", ".join(checksummed(c) for c in empty)
        return (dead(question.what, f"no contract at {where} on {self._name}"),)

    async def _is_codeless(self, head: Head, where: bytes) -> bool:
        """Whether every endpoint that answers says so; an endpoint that does not answer says nothing."""
        key = head.block_hash, where
        if key not in self._codeless:
            self._codeless[key] = await self._asked_codeless(head, where)
        return self._codeless[key]

    async def _asked_codeless(self, head: Head, where: bytes) -> bool:
        said = []
        for rpc in self._codes:
            self._code_requests += 1
            try:
                code: Any = await rpc.request("eth_getCode", ("0x" + where.hex(), hex(head.number)))
            except FeedError:
                continue
            said.append(code in {"0x", "0x0", ""})
            if not said[-1]:
                break
        return bool(said) and all(said)


def _is_thin(answers: Mapping[tuple[str, str], tuple[EntryFinding, ...]], entry: CatalogEntry) -> bool:
    """Whether a pool trades but refuses the notional."""
    what = entry.again.what if entry.again is not None else ""
    return worst_of(answers[entry.label, what]) is EntryState.THIN


def _gone() -> EntryFinding:
    return unasked("endpoints", "the chain's endpoints stopped answering: go on with --resume")


def _result(entry: CatalogEntry, head: Head | None, findings: Sequence[EntryFinding]) -> EntryResult:
    doubt = getattr(entry.record, "doubtful", None)
    doubts = (fine("doubt", f"the catalogue doubts it: {doubt}"),) if doubt and head is not None else ()
    return EntryResult(
        label=entry.label,
        kind=entry.kind,
        name=entry.name,
        chain=entry.chain,
        end=entry.end,
        block=head.number if head is not None else 0,
        block_ms=head.time_ms if head is not None else 0,
        findings=(*findings, *doubts),
    )
