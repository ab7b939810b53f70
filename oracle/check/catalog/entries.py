"""Every entry of the catalogue that is on a chain, with the questions that it is asked there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from feeds.catalog.records import CatalogPool
from feeds.chains.abi import wad_of
from oracle.check.catalog.depth import DUST, depth_question
from oracle.check.catalog.pools import pool_questions
from oracle.check.catalog.questions import Question, nothing
from oracle.check.catalog.references import chain_questions, reference_questions
from oracle.check.catalog.tokens import token_questions, unit_questions
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.record_tables import label_of

_WITH_TICKS = frozenset({"uniswap_v3", "pancakeswap_v3", "slipstream", "uniswap_v4"})
_TICKS_WEIGHT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One record on one chain.

    Attributes:
        label: kind, name and chain.
        kind: the table that it is written in; name: within the kind.
        chain: the catalogue's name of the chain.
        record: as it is known.
        questions: what it is asked.
        again: what a pool is asked once more that does not carry the notional.
    """

    label: str
    kind: str
    name: str
    chain: str
    record: Any
    questions: tuple[Question, ...]
    again: Question | None = None

    @property
    def weight(self) -> int:
        """How much it asks, one for a few calls: a pool with ticks is asked for hundreds of them."""
        return _TICKS_WEIGHT if getattr(self.record, "family", None) in _WITH_TICKS else 1

    @property
    def end(self) -> str:
        """The sentence with which the catalogue marks it dead; empty while it lives."""
        return str(getattr(self.record, "end", ""))


def entries_on(catalog: Catalog, chain: str, notional: str) -> tuple[CatalogEntry, ...]:
    """The entries of a chain: the chain itself, units, tokens, pools, other oracles' feeds.

    Args:
        catalog: the operator's.
        chain: the catalogue's name of it.
        notional: base tokens that pools are priced for, decimal text.
    """
    return tuple(_entries(catalog, chain, notional))


def _entries(catalog: Catalog, chain: str, notional: str) -> Iterator[CatalogEntry]:
    facts = catalog.chains[chain]
    yield CatalogEntry(
        label=label_of("chain", facts), kind="chain", name=chain, chain=chain, record=facts,
        questions=tuple(chain_questions(facts)),
    )  # fmt: skip
    for unit in catalog.units.values():
        yield from _entry("unit", unit.symbol, chain, unit, tuple(unit_questions(catalog, chain, unit)))
    for token in catalog.tokens.values():
        yield from _entry("token", token.symbol, chain, token, tuple(token_questions(catalog, chain, token)))
    for pool in catalog.pools:
        if pool.chain == chain:
            yield _pool(catalog, pool, notional)
    for reference in catalog.references:
        if reference.chain == chain:
            questions = tuple(reference_questions(catalog, reference))
            yield from _entry("reference", reference.name, chain, reference, questions)


def _entry(kind: str, name: str, chain: str, record: Any, questions: Sequence[Question]) -> Iterator[CatalogEntry]:
    if questions:
        label = f"{kind} {name} on {chain}"
        yield CatalogEntry(label=label, kind=kind, name=name, chain=chain, record=record, questions=tuple(questions))


def _pool(catalog: Catalog, pool: CatalogPool, notional: str) -> CatalogEntry:
    if not pool.is_placed:
        why = pool.missing or pool.why_null or "no address"
        questions: tuple[Question, ...] = (
            Question(what="address", contracts=(), ask=lambda _: nothing("address", why)),
        )
        again = None
    else:
        questions = (*pool_questions(catalog, pool), depth_question(catalog, pool, notional))
        again = depth_question(catalog, pool, DUST) if wad_of(notional) > wad_of(DUST) else None
    return CatalogEntry(
        label=label_of("pool", pool), kind="pool", name=pool.name, chain=pool.chain, record=pool, questions=questions,
        again=again,
    )  # fmt: skip


def groups_of(entries: Sequence[CatalogEntry], most: int) -> Iterator[list[CatalogEntry]]:
    """The entries in their order, cut where a group would weigh more."""
    group: list[CatalogEntry] = []
    for entry in entries:
        if group and sum(e.weight for e in group) + entry.weight > most:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group
