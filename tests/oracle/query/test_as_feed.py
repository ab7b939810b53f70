"""The block of a question about any shipped feed comes back out of the config as the feed itself, served and not pushed."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.query.as_feed import as_feed
from oracle.query.plan import planned
from oracle.query.question import PriceQuestion

CONFIG = Path(__file__).resolve().parents[3] / "config.toml"


def test_the_block_of_any_shipped_feed_is_that_feed() -> None:
    table = tomllib.loads(CONFIG.read_text())
    shipped = resolve(parse(table, folder=CONFIG.parent))
    own = [s for s in shipped.specs.values() if s.sources]
    names = {s.feed: f"{s.pair}#asked{number}" for number, s in enumerate(own)}
    blocks = [
        as_feed(planned(shipped, PriceQuestion(base=s.pair.base, quote=s.pair.quote, feed=s.feed)), names[s.feed])
        for s in own
    ]
    table["feeds"] |= tomllib.loads("\n".join(blocks))["feeds"]
    again = resolve(parse(table, folder=CONFIG.parent))
    for spec in own:
        assert replace(again.specs[names[spec.feed]], feed=spec.feed) == spec
    assert not set(names.values()) & set(again.pushed)
    assert len(own) > 10
