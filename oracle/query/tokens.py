"""A token by its place on a chain instead of by its symbol: ``ethereum:0x...``, as the catalogue knows it."""

from __future__ import annotations

from feeds.chains.abi import address
from oracle.config.tables.catalog import Catalog
from oracle.model.suggest import nearest
from oracle.query.question import BAD_QUERY, QuestionRefused

_SHOWN = 80


def symbol_of(catalog: Catalog, written: str) -> str:
    """The symbol that is meant; what names no place is a symbol already.

    Raises:
        QuestionRefused: nothing is known there.
    """
    chain, mark, where = written.partition(":")
    if not mark:
        return written
    shown = repr(written[:_SHOWN])
    if chain not in catalog.chains:
        raise QuestionRefused(
            BAD_QUERY, f"{shown}: {chain[:_SHOWN]!r} is no chain", nearest(chain[:_SHOWN], catalog.chains)
        )
    try:
        place = address(where[:_SHOWN])
    except ValueError as e:
        raise QuestionRefused(BAD_QUERY, f"{shown} is no chain:address: {e}") from None
    known = {s: k.address for s, k in catalog.tokens.items()} | {s: k.address for s, k in catalog.units.items()}
    for symbol, places in known.items():
        if chain in places and address(places[chain]) == place:
            return symbol
    raise QuestionRefused(
        BAD_QUERY, f"{shown} is no token of the catalogue", "write its symbol, as a feed of the config has it"
    )
