"""An operator's own catalogue: in the config or beside it, read by everything, and never shadowing what is shipped in silence."""

from __future__ import annotations

import ast
import asyncio
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from feeds.chains.abi import address
from oracle.check.check import check
from oracle.check.references import comparisons
from oracle.config.feed_sources import chains_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import load, parse
from oracle.config.tables.catalog import shipped
from oracle.config.tables.schema import ConfigError
from oracle.model.canonical_json import digest

ROOT = Path(__file__).resolve().parents[3]
ONE, TWO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
WSTETH = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
CONFIG = """
[chains.main]
chain_id = 1
endpoints = ["http://127.0.0.1:1"]

[feeds."newETH/ETH"]
mode = "redemption"
reference_only = true
catalog = ["rate"]
"""
TOKEN = f"""
[[token]]
symbol = "newETH"
kind = "LRT"
protocol = "New Protocol"
address.ethereum = "{ONE}"
cap_percent = "9.5"
rate.unit = "ETH"
rate.chain = "ethereum"
rate.contract = "{ONE}"
rate.function = "getRate()"
"""
POOL = f"""
[[pool]]
name = "uniswap_v3 newETH/WETH"
chain = "ethereum"
token = "newETH"
family = "uniswap_v3"
coins = ["newETH", "WETH"]
address = "{TWO}"
"""
REFERENCE = f"""
[[reference]]
name = "chainlink newETH/ETH"
provider = "chainlink"
chain = "ethereum"
kind = "market"
base = "newETH"
quote = "ETH"
address = "{TWO}"
"""
SYMBOL = '[[symbol]]\nvenue = "okx"\nsymbol = "NEWETH-ETH"\npair = "newETH/ETH"\n'
UNIT = f'[[unit]]\nsymbol = "wNEW"\npar = "newETH"\naddress.ethereum = "{TWO}"\n'
CHAIN = f'[[chain]]\nname = "nova"\nchain_id = 424242\nsequencer = "{ONE}"\n'
REPLACED = TOKEN.replace("newETH", "wstETH").replace(f'ethereum = "{ONE}"', f'ethereum = "{WSTETH}"')


def written(folder: Path, config: str, **files: str) -> Path:
    """A config file, and catalogue files beside it: ``lst__a`` is ``lst/a.toml``."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    path = folder / "config.toml"
    path.write_text(config)
    return path


def wrong(config: str | Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(load(config) if isinstance(config, Path) else parse(tomllib.loads(config)))
    return {p.key: p.text for p in caught.value.problems}


def called(resolved: ResolvedConfig, feed: str) -> list[bytes]:
    """The contracts that a feed's sources ask first."""
    return [c.to for s in resolved.sources if s.feed == feed and s.adapter for c in next(s.adapter.read())]


def test_one_block_in_the_config_is_enough() -> None:
    resolved = resolve(parse(tomllib.loads(CONFIG + TOKEN)))
    assert called(resolved, "newETH/ETH") == [address(ONE)]
    assert resolved.specs["newETH/ETH"].rules.growth_bps_year == 950


@pytest.mark.parametrize("path", ["own", "own/lst/tokens.toml"])
def test_a_file_or_folder_beside_the_config_is_read_wherever_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    config = written(tmp_path / "here", f'[oracle]\ncatalog_path = "{path}"\n{CONFIG}', own__lst__tokens=TOKEN)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    resolved = resolve(load(config))
    assert called(resolved, "newETH/ETH") == [address(ONE)]
    assert resolved.config.catalog.own == {"token newETH": str(tmp_path / "here" / "own" / "lst" / "tokens.toml")}


def test_blocks_of_the_config_and_of_a_file_are_one_catalogue(tmp_path: Path) -> None:
    text = f'[oracle]\ncatalog_path = "own.toml"\n{CONFIG}notional = "5"\nmin_groups = 1\n{POOL}'.replace(
        '["rate"]', '["rate", "uniswap_v3 newETH/WETH"]'
    )
    config = written(tmp_path, text, own=TOKEN)
    assert called(resolve(load(config)), "newETH/ETH")[0] == address(ONE)
    assert address(TWO) in called(resolve(load(config)), "newETH/ETH")


def test_the_shipped_catalogue_is_the_base_and_is_left_as_it_is() -> None:
    before = shipped().counts()
    own = parse(tomllib.loads(CONFIG + TOKEN)).catalog
    assert own.counts()["tokens"] == before["tokens"] + 1
    assert own.counts()["references"] == before["references"]
    assert shipped().counts() == before
    assert parse(tomllib.loads("[feeds]")).catalog is shipped()


ALL = TOKEN + POOL + REFERENCE.replace(TWO, "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb") + SYMBOL + CHAIN + UNIT.replace(
    TWO, "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"
)  # fmt: skip


def test_every_kind_of_record_may_be_own() -> None:
    own = parse(tomllib.loads(CONFIG + ALL)).catalog
    assert own.own_counts() == {
        "token": 1, "pool": 1, "reference": 1, "symbol": 1, "chain": 1, "unit": 1, "replaced": 0,
    }  # fmt: skip
    assert own.graph.at_par("wNEW", "newETH")


def test_a_shipped_record_is_replaced_whole_where_the_block_says_so() -> None:
    config = CONFIG.replace("newETH", "wstETH") + REPLACED
    key = "token[0]"
    assert wrong(config) == {
        key: "wstETH is in the shipped catalogue: write replaces = true to take its place, or another name"
    }
    resolved = resolve(parse(tomllib.loads(config.replace("[[token]]", "[[token]]\nreplaces = true"))))
    assert called(resolved, "wstETH/ETH") == [address(ONE)]
    held = resolved.config.catalog
    assert held.replaced == {"token wstETH"}
    assert held.counts()["tokens"] == shipped().counts()["tokens"]
    assert held.tokens["wstETH"].second == (), "the whole record, not key by key"


NAMED_ALIKE: Mapping[str, str] = {
    "token": REPLACED,
    "unit": UNIT.replace("wNEW", "WETH"),
    "chain": CHAIN.replace("nova", "base"),
    "symbol": SYMBOL.replace("NEWETH-ETH", "STETH-ETH"),
    "pool": POOL.replace("newETH/WETH", "wstETH/WETH 0.01%").replace("newETH", "wstETH"),
    "reference": REFERENCE.replace("newETH", "ezETH"),
}


@pytest.mark.parametrize("kind", NAMED_ALIKE)
def test_no_kind_of_record_is_shadowed_in_silence(kind: str) -> None:
    told = wrong(CONFIG + TOKEN.replace(ONE, "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB") + NAMED_ALIKE[kind])
    assert any(
        "is in the shipped catalogue: write replaces = true" in t for k, t in told.items() if k.startswith(kind)
    ), told


def test_what_replaces_nothing_is_told_the_nearest_name() -> None:
    told = wrong(CONFIG + TOKEN.replace("newETH", "wstEHT") + "replaces = true")
    assert told["token[0].replaces"] == "no token wstEHT is shipped: leave replaces out; did you mean 'wstETH'?"


@pytest.mark.parametrize(
    ("block", "key", "text"),
    [
        (TOKEN.replace(ONE, WSTETH), "token[0] (token newETH)", "is already token wstETH: one address has one meaning"),
        (TOKEN + TOKEN, "token[1] (token newETH)", "is listed twice"),
        (TOKEN + UNIT.replace("wNEW", "newETH"), "token[0] (token newETH)", "is listed twice"),
        (TOKEN + CHAIN.replace("424242", "10"), "chain[0] (chain nova)", "chain_id 10 is listed twice"),
        (TOKEN + POOL + REFERENCE, "reference[0] (reference chainlink newETH/ETH on ethereum)", "one address has one"),
        (TOKEN.replace('unit = "ETH"', 'unit = "ETJ"'), "token[0] (token newETH)", "'ETJ', which is not a token"),
        (TOKEN + "decimls = 18", "token[0].decimls", "did you mean 'decimals'?"),
        (TOKEN + 'replaces = "wstETH"', "token[0].replaces", "expected true or false"),
        (TOKEN.replace(ONE, ONE.lower()), "token[0].rate", f"is not checksummed: write {ONE}"),
        (
            TOKEN + POOL.replace('["newETH", "WETH"]', '["newETH"]'),
            "pool[0]",
            "write its coins in the contract's order",
        ),
    ],
)
def test_an_error_names_the_place(tmp_path: Path, block: str, key: str, text: str) -> None:
    """In the config by the block, in a file with the file before it; and nothing else is told beside it."""
    told = wrong(CONFIG + block)
    assert text in told[key]
    config = written(tmp_path, f'[oracle]\ncatalog_path = "own/mine.toml"\n{CONFIG}', own__mine=block)
    in_file = wrong(config)
    assert text in in_file[f"{tmp_path / 'own' / 'mine.toml'}: {key}"]
    assert len(in_file) == len(told)


@pytest.mark.parametrize(
    ("path", "files", "key", "text"),
    [
        ("own", {}, "oracle.catalog_path", "cannot be read (No such file or directory)"),
        ("own", {"own__x": "[[token"}, "own/x.toml", "is not TOML"),
        ("own", {"own__x": "[[tokens]]"}, "own/x.toml: tokens", "did you mean 'token'?"),
        ("own", {"own__x": "[token]"}, "own/x.toml: token", "write [[token]]"),
        ("own", {"own__x": "token = [1]"}, "own/x.toml: token[0]", "expected a table"),
    ],
)
def test_what_is_no_catalogue_is_told(tmp_path: Path, path: str, files: dict[str, str], key: str, text: str) -> None:
    told = wrong(written(tmp_path, f'[oracle]\ncatalog_path = "{path}"\n[feeds]', **files))
    own = {k.removeprefix(f"{tmp_path}/"): t for k, t in told.items()}
    assert text in own[key]


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    told = wrong(written(tmp_path, '[oracle]\ncatalog_path = "own"\n[feeds]'))
    assert "no .toml file is in" in told["oracle.catalog_path"]


def test_a_wrong_table_of_the_config_is_told_the_catalogues_too() -> None:
    assert "did you mean 'token'?" in wrong("[[tokens]]\n[feeds]")["tokens"]


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
    assert users == {"config/sections.py", "config/reference.py"}, "the docs are about what is shipped"


def test_check_says_how_many_records_are_own() -> None:
    document = asyncio.run(check(resolve(parse(tomllib.loads(CONFIG + ALL))), offline=True))
    assert document["own_records"]["pool"] == 1
    assert any(
        n
        == "own catalogue: 1 token, 1 pool, 1 reference, 1 symbol, 1 chain, 1 unit; 0 of them in the place of a shipped record"
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
