"""An operator's own catalogue: in the config or beside it, read by everything, and never shadowing what is shipped in silence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from feeds.chains.abi import address
from oracle.config.resolve import resolve
from oracle.config.sections import load, parse
from oracle.config.tables.catalog import shipped
from tests.oracle.config.own_blocks import (
    ALL,
    CHAIN,
    CONFIG,
    ONE,
    POOL,
    REFERENCE,
    REPLACED,
    SYMBOL,
    TOKEN,
    TWO,
    UNIT,
    WSTETH,
    called,
    written,
    wrong,
)


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


def test_every_kind_of_record_may_be_own() -> None:
    own = parse(tomllib.loads(CONFIG + ALL)).catalog
    assert own.own_counts() == {
        "token": 1, "pool": 1, "reference": 1, "symbol": 1, "chain": 1, "unit": 1, "replaced": 0,
    }  # fmt: skip
    assert own.graph.at_par("wNEW", "newETH")


def test_a_shipped_record_is_replaced_whole_where_the_block_says_so() -> None:
    config = CONFIG.replace("newETH", "agETH") + TOKEN.replace("newETH", "agETH")
    text = "agETH is in the shipped catalogue: write extends = true to change it key by key, replaces = true to take its place"
    assert text in wrong(config)["token[0]"]
    resolved = resolve(parse(tomllib.loads(config.replace("[[token]]", "[[token]]\nreplaces = true"))))
    assert called(resolved, "agETH/ETH") == [address(ONE)]
    held = resolved.config.catalog
    assert held.replaced == {"token agETH"}
    assert held.counts()["tokens"] == shipped().counts()["tokens"]
    assert shipped().tokens["agETH"].source
    assert held.tokens["agETH"].source == (), "the whole record, not key by key"


def test_a_replacement_that_breaks_what_is_shipped_is_an_error() -> None:
    """A token at another address, while its pools stay as they are."""
    told = wrong(
        CONFIG.replace("newETH", "tETH") + TOKEN.replace("newETH", "tETH").replace("kind", "replaces = true\nkind")
    )
    assert (
        "coins are listed in the order of their addresses" in told["pool balancer_v3 waEthLidowstETH/tETH on ethereum"]
    )


EXTENDED = f"""
[[token]]
extends = true
symbol = "rsETH"
address.linea = "{ONE}"
address.ethereum = ""
cap_percent = "12.5"
note = ""

[[pool]]
extends = true
name = "fluid rsETH/ETH"
chain = "ethereum"
dead_why = "drained"
dead_source = ["a look"]
"""


def test_a_shipped_record_is_extended_key_by_key() -> None:
    held, before = parse(tomllib.loads(EXTENDED + "[feeds]")).catalog, shipped()
    own, known = held.tokens["rsETH"], before.tokens["rsETH"]
    rest = {c: a for c, a in known.address.items() if c != "ethereum"}
    assert own.address == {**rest, "linea": ONE}, "what is in a table is added to it, or taken away"
    assert (own.cap_percent, own.note) == ("12.5", None), "an empty text takes a key away"
    assert (own.rate, own.second, own.source, own.last_rate) == (
        known.rate,
        known.second,
        known.source,
        known.last_rate,
    )
    (dead,) = [p for p in held.pools if p.name == "fluid rsETH/ETH" and p.chain == "ethereum"]
    assert dead.is_dead
    assert sum(p.is_dead for p in held.pools) == sum(p.is_dead for p in before.pools) + 1
    assert held.replaced == {"token rsETH", "pool fluid rsETH/ETH on ethereum"}


def test_a_pool_that_the_operator_marks_dead_is_refused() -> None:
    config = '[chains.main]\nchain_id = 1\nendpoints = ["http://127.0.0.1:1"]\n[feeds."rsETH/ETH"]\nnotional = "1"\n'
    used = config + 'catalog = ["rate", "fluid rsETH/ETH", "uniswap_v3 rsETH/WETH 0.05%"]\n'
    resolve(parse(tomllib.loads(used)))
    told = wrong(used + EXTENDED)
    assert "is dead: drained" in told['feeds."rsETH/ETH".catalog[1]']


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
        "is in the shipped catalogue: write extends = true" in t for k, t in told.items() if k.startswith(kind)
    ), told


@pytest.mark.parametrize("key", ["replaces", "extends"])
def test_what_is_meant_and_not_there_is_told_the_nearest_name(key: str) -> None:
    told = wrong(CONFIG + TOKEN.replace("newETH", "wstEHT").replace("[[token]]", f"[[token]]\n{key} = true"))
    assert told == {f"token[0].{key}": f"no token wstEHT is shipped: leave {key} out; did you mean 'wstETH'?"}


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
        (TOKEN + "rate.extends = true", "token[0].rate.extends", "unknown key"),
        (TOKEN.replace("kind", 'replaces = "wstETH"\nkind'), "token[0].replaces", "expected true or false"),
        (TOKEN.replace("kind", "replaces = true\nextends = true\nkind"), "token[0]", "write one of them"),
        (TOKEN.replace(ONE, ONE.lower()), "token[0].rate", f"is not checksummed: write {ONE}"),
        (
            TOKEN + "[[token]]\nextends = true\n",
            "token[1].symbol",
            "write the symbol of the shipped token that this block",
        ),
        (
            '[[symbol]]\nextends = true\nvenue = "okx"\n' + TOKEN,
            "symbol[0].symbol",
            "write the symbol of the shipped symbol",
        ),
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


def test_what_editors_leave_is_no_trouble(tmp_path: Path) -> None:
    """A mark before the first line and line ends of another system; locks and copies beside the file, hidden as they are."""
    config = written(tmp_path, f'[oracle]\ncatalog_path = "own"\n{CONFIG}', own__mine=TOKEN)
    (tmp_path / "own" / ".#mine.toml").symlink_to("nobody@nowhere")
    (tmp_path / "own" / ".old").mkdir()
    for copy in (".mine.toml", ".old/mine.toml"):
        (tmp_path / "own" / copy).write_text(TOKEN, encoding="utf-8")
    for file in (config, tmp_path / "own" / "mine.toml"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert resolve(load(config)).config.catalog.own_counts() == {"token": 1, "replaced": 0}


def test_a_file_keeps_its_name_in_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is called as the config is: an easy thing to name."""
    config = written(tmp_path, f'[oracle]\ncatalog_path = "config.toml"\n{CONFIG}')
    monkeypatch.chdir(tmp_path)
    assert "config.toml: feeds" in wrong(Path(config.name))


def test_a_coin_without_an_address_is_told_by_its_name() -> None:
    pool = POOL.replace("WETH", "otherETH")
    told = wrong(CONFIG.replace('"rate"', '"rate", "uniswap_v3 newETH/otherETH"') + 'notional = "5"\n' + TOKEN + pool)
    (text,) = told.values()
    assert text.endswith("the catalogue has no address of otherETH on ethereum: add it in a [[token]] or [[unit]]")


def test_who_raises_the_dead_is_told() -> None:
    alive = """
[[pool]]
extends = true
name = "balancer_stable rsETH/WETH"
chain = "ethereum"
dead_why = ""
dead_since = ""
dead_source = []
instead = []
"""
    (note,) = parse(tomllib.loads(CONFIG + TOKEN + alive)).catalog.revived
    assert note.startswith(
        "pool balancer_stable rsETH/WETH on ethereum is alive because your own catalogue says so; as shipped"
    )
    assert parse(tomllib.loads(CONFIG + TOKEN)).catalog.revived == ()
