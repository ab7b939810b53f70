"""What a provider's feed and a chain's own contracts are asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from feeds.catalog.records import ChainFacts, Reference
from feeds.chains.abi import address, calldata
from feeds.chains.multicall import ADDRESS as MULTICALL3
from feeds.chains.sequencer import Sequencer
from feeds.decode import abi_words
from feeds.errors import FeedError, Malformed, Reverted, SequencerDown, Stale
from feeds.registry import RATES
from feeds.types import Call, Pair, Read, Reply
from feeds.units import MS, wad_text
from oracle.check.catalog.findings import EntryFinding, changed, dead, fine, unread
from oracle.check.catalog.questions import Asking, Question, nothing
from oracle.check.contracts import same_unit, stated_pair, text_of
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.shorthand_rates import reader

_SILENT_DAYS = 30
"""A feed whose heartbeat was not published has stopped when it said nothing for so long: no provider's is half of it."""
_DAY_S = 86_400
_SHOWN = 6
_DESCRIBED = "chainlink"
_GUARDED = "chronicle"
"""A provider whose feeds revert for callers that it does not know."""


def reference_questions(catalog: Catalog, reference: Reference) -> Iterator[Question]:
    """A provider's feed: its value, the age of that against the heartbeat, and what it calls itself."""
    if reference.address is None:
        yield Question(
            what="address", contracts=(), ask=lambda _: nothing("address", reference.why_null or "no address")
        )
        return
    keys = reader(reference)
    adapter: Any = RATES[str(keys.pop("type"))]
    to = address(reference.address)
    yield Question(
        what="answer", contracts=(to,), ask=lambda now_ms: _answer(reference, adapter(**keys).read(), now_ms)
    )
    if adapter is RATES[_DESCRIBED]:
        yield Question(what="description", contracts=(to,), ask=lambda _: _description(catalog, reference, to))


def chain_questions(facts: ChainFacts) -> Iterator[Question]:
    """The contract that batches reads, and a rollup's uptime feed."""
    multicall = address(facts.multicall or MULTICALL3)
    yield Question(what="multicall", contracts=(multicall,), ask=partial(_multicall, multicall))
    if facts.sequencer is not None:
        sequencer = Sequencer(sequencer_feed=facts.sequencer, sequencer_grace_s=0)
        yield Question(what="sequencer", contracts=(address(facts.sequencer),), ask=partial(_sequencer, sequencer))


def _answer(reference: Reference, read: Read, now_ms: int) -> Asking:
    try:
        quote = yield from read
    except Stale as e:
        age_s = int(e.facts["age_ms"]) // MS
        text = f"the last answer is {_days(age_s)} old, its heartbeat is {_days(reference.heartbeat_s or 0)}"
        return (dead("answer", text),)
    except Reverted as e:
        if reference.provider != _GUARDED:
            raise
        return (unread("answer", f"answers only callers that its provider has let in: {e}"),)
    shown = f"{wad_text(quote.price_wad, _SHOWN)} {reference.quote or ''}".strip()
    if quote.stated_at_ms is None:
        return (fine("answer", f"{shown}, without a time"),)
    age_s = max(0, now_ms - quote.stated_at_ms) // MS
    if reference.heartbeat_s is None and age_s > _SILENT_DAYS * _DAY_S:
        return (dead("answer", f"the last answer is {_days(age_s)} old: no provider's heartbeat is that long"),)
    beat = f"heartbeat {_days(reference.heartbeat_s)}" if reference.heartbeat_s else "its heartbeat was not published"
    return (fine("answer", f"{shown}, {_days(age_s)} old, {beat}"),)


def _days(seconds: int) -> str:
    """A time as people say it."""
    for size, name in ((_DAY_S, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _description(catalog: Catalog, reference: Reference, to: bytes) -> Asking:
    """What a feed calls itself, where it calls itself anything."""
    said, places = yield (Call(to=to, data=calldata("description()")), Call(to=to, data=calldata("decimals()")))
    try:
        text = text_of(said)
    except FeedError:
        return (fine("description", "does not describe itself"),)
    return tuple(_described(catalog, reference, text)) or (
        fine("description", f"calls itself {text!r}{_decimals(places)}"),
    )


def _decimals(reply: Reply) -> str:
    try:
        return f", {abi_words.uint_at(abi_words.returned(reply))} decimals"
    except FeedError:
        return ""


def _described(catalog: Catalog, reference: Reference, text: str) -> Iterator[EntryFinding]:
    stated = stated_pair(text)
    if stated is None or reference.quote is None:
        return
    try:
        own = Pair.parse(f"{reference.base}/{reference.quote}")
    except ValueError:
        return
    known = {s.upper() for s in (*catalog.tokens, *catalog.units)}
    other = stated.base.upper() in known and not catalog.graph.at_par(_named(catalog, stated.base), own.base)
    if not same_unit(catalog, stated, own) or (other and stated.base.upper() != own.base.upper()):
        yield changed("description", f"calls itself {text!r}, the catalogue says {own}")


def _named(catalog: Catalog, symbol: str) -> str:
    return next(s for s in (*catalog.tokens, *catalog.units) if s.upper() == symbol.upper())


def _multicall(to: bytes, block_ms: int) -> Asking:
    (reply,) = yield (Call(to=to, data=calldata("getCurrentBlockTimestamp()")),)
    if abi_words.uint_at(abi_words.returned(reply)) * MS != block_ms:
        raise Malformed("Multicall3 tells another time than the block")
    return (fine("multicall", "Multicall3 answers"),)


def _sequencer(sequencer: Sequencer, block_ms: int) -> Asking:
    try:
        yield from sequencer.read_at(block_ms)
    except SequencerDown as e:
        return (changed("sequencer", str(e)),)
    return (fine("sequencer", "the sequencer is up"),)
