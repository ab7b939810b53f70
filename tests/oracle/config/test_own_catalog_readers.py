"""Everything that reads the catalogue reads the operator's: units, sequencers, references, the check, the docs' example."""

from __future__ import annotations

import ast
import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from feeds.chains.abi import address
from oracle.check.check import check
from oracle.check.references import comparisons
from oracle.config.feed_sources import chains_of
from oracle.config.resolve import resolve
from oracle.config.sections import load, parse
from oracle.config.tables.schema import ConfigError
from oracle.model.canonical_json import digest
from tests.oracle.config.own_blocks import ALL, CHAIN, CONFIG, ONE, SYMBOL, TOKEN, called

ROOT = Path(__file__).resolve().parents[3]


def test_every_reader_of_the_catalogue_reads_the_operators() -> None:
    """Units, sequencers and references of own records: what the check and the process read."""
    rate = {"type": "rate_call", "kind": "redemption", "chain": "main", "contract": ONE, "function": "getRate()"}
    table = tomllib.loads(CONFIG + ALL)
    table["chains"]["l2"] = {"chain_id": 424242, "endpoints": ["http://127.0.0.1:1"]}
    table["feeds"]["newETH/ETH"] = {"reference_only": True, "mode": "redemption", "sources": [rate]}
    resolved = resolve(parse(table))
    plan = chains_of(resolved.config)["l2"].sequencer
    assert plan is not None
    assert address(plan.sequencer_feed or "") == address(ONE)
    assert [c.reference.name for c in comparisons(resolved.config.catalog, resolved, "main")] == [
        "chainlink newETH/ETH"
    ]
    table["feeds"] = {"rETH/ETH": table["feeds"]["newETH/ETH"]}
    with pytest.raises(ConfigError, match="states newETH/ETH, not rETH/ETH"):
        resolve(parse(table))


def test_only_the_config_knows_that_a_catalogue_is_shipped() -> None:
    """A room that asks for the shipped one would not see the operator's."""
    users = set()
    for path in (ROOT / "oracle").rglob("*.py"):
        names = {n.id for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Name)}
        if "shipped" in names:
            users.add(path.relative_to(ROOT / "oracle").as_posix())
    about_the_shipped = {"config/reference.py", "start/shipped_feeds.py"}
    assert users == {"config/sections.py", *about_the_shipped}, (
        "the docs, and what init offers before there is a config"
    )


def test_check_says_how_many_records_are_own() -> None:
    document = asyncio.run(check(resolve(parse(tomllib.loads(CONFIG + ALL))), offline=True))
    assert document["own_records"]["pool"] == 1
    assert any(
        n
        == "own catalogue: 1 token, 1 pool, 1 reference, 1 symbol, 1 chain, 1 unit; 0 of them changing or replacing a shipped one"
        for n in document["notes"]
    ), document["notes"]
    plain = asyncio.run(check(resolve(load(ROOT / "config.toml")), offline=True))
    assert plain["own_records"] == {}
    assert not any("own catalogue" in n for n in plain["notes"])


def test_operators_with_different_catalogues_share_a_spec_where_the_feed_is_the_same() -> None:
    """What a record decides of a feed is in its spec; a record that the feed does not use is not."""

    def spec(more: str) -> str:
        return digest(resolve(parse(tomllib.loads(CONFIG + more))).specs["newETH/ETH"])

    same = spec(TOKEN)
    assert spec(TOKEN + SYMBOL + CHAIN) == same
    assert spec(TOKEN + 'note = "another"') == same
    assert spec(TOKEN.replace('"9.5"', '"9.6"')) != same, "another growth cap"
    assert spec(TOKEN + 'redemption = "closed"') != same, "other rules"
    flag = f'[[token.open]]\nchain = "ethereum"\ncontract = "{ONE}"\nfunction = "paused()"\nmeans = "closed"\n'
    assert spec(TOKEN + flag) != same, "another source"


def blocks_of_the_docs() -> tuple[str, dict[str, Any]]:
    """The worked example of docs/config.md: its one block and its feed."""
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    section = text.split("\n### Your own catalogue\n")[1].split("\n### ")[0].split("\n## ")[0]
    (block,) = [b for b in re.findall(r"```toml\n(.*?)```", section, re.DOTALL) if "[[token]]" in b]
    return block, tomllib.loads(block)


def test_the_example_of_the_docs_works_as_it_stands() -> None:
    text, block = blocks_of_the_docs()
    assert text.count("[[") == 1, "one block for the token"
    (feed,) = block["feeds"]
    resolved = resolve(parse({"chains": {"main": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]}}, **block}))
    rate = address(block["token"][0]["rate"]["contract"])
    assert rate in called(resolved, feed)
    assert resolved.specs[feed].rules.growth_bps_year > 0
