"""A shadow run has nothing that could sign, vote, send or tell, whatever the config has."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import Config, parse
from oracle.config.shadow import compared_with, own_threshold_of, shadow_database, shadowed, without_reference
from oracle.config.tables.process_sections import ApiSection

KEPT = {"chains", "venues", "feeds", "catalog", "log"}
CHANGED = {"oracle", "api", "retention"}
"""Another file, an endpoint that only this machine reaches, rounds that are kept for the whole run."""
ADDRESS = "0x86392dC19c0b719886221c78AB11eb8Cf5c52812"


def production(tmp_path: Path) -> ResolvedConfig:
    """A config with a part of everything that acts."""
    key = {"name": "alpha", "keyfile": "a.json", "journal": "a.db"}
    target = {"chain": "ethereum", "store": "0x" + "11" * 20, "gas_keyfile": "gas.json"}
    feed = {
        "sources": [
            {"type": "coinbase", "symbol": "ETH-USD"},
            {"type": "kraken", "symbol": "ETH/USD"},
        ]
    }
    lst = {
        "min_groups": 1,
        "accept_single_group": True,
        "sources": [
            {"type": "kraken", "symbol": "STETH/ETH", "pair": "stETH/ETH"},
            {"type": "chainlink", "name": "theirs", "kind": "reference", "chain": "ethereum", "feed": ADDRESS},
        ],
    }
    return resolve(
        parse(
            {
                "oracle": {"database": str(tmp_path / "own.db"), "witness": str(tmp_path)},
                "api": {"host": "0.0.0.0", "port": 8551},  # noqa: S104 - what production may do
                "chains": {"ethereum": {"chain_id": 1, "endpoints": ["https://one.example"]}},
                "operators": [key],
                "targets": {"main": target},
                "watch": {"keep_days": 30},
                "feeds": {"ETH/USD": feed, "stETH/ETH": lst},
            }
        )
    )


def test_nothing_of_a_shadow_run_acts_and_a_section_that_is_added_later_is_off(tmp_path: Path) -> None:
    before = production(tmp_path)
    assert before.config.operators
    assert before.config.targets
    assert before.pushed
    after, bare = shadowed(before), Config()
    assert after.pushed == ()
    for declared in fields(Config):
        own, default = (getattr(c, declared.name) for c in (after.config, bare))
        if declared.name in KEPT:
            assert own is getattr(before.config, declared.name), declared.name
        elif declared.name not in CHANGED:
            assert own == default, f"{declared.name} is not known to be harmless in a shadow run"
    assert after.config.api == ApiSection(port=0)
    assert after.config.api.host == "127.0.0.1"
    assert after.config.oracle.witness == ""
    assert (after.specs, after.sources) == (before.specs, before.sources), "prices are made of the same"


def test_its_rounds_are_in_a_file_of_their_own_and_outlast_the_run(tmp_path: Path) -> None:
    before = production(tmp_path)
    assert shadowed(before).config.oracle.database == str(tmp_path / "own.shadow.db")
    assert shadow_database(before.config) != Path(before.config.oracle.database)
    assert shadowed(before, database=tmp_path / "x.db").config.oracle.database == str(tmp_path / "x.db")
    assert [shadowed(before, lasting_s=d * 86_400).config.retention.rounds_days for d in (0, 7, 90, 10**9)] == [
        60, 60, 104, 36_500,
    ]  # fmt: skip


def test_what_is_compared_and_when_its_provider_writes_is_known(tmp_path: Path) -> None:
    resolved = production(tmp_path)
    assert without_reference(resolved) == ("ETH/USD",)
    known = next(r for r in resolved.config.catalog.references if (r.address or "").lower() == ADDRESS.lower())
    own = own_threshold_of(resolved, "stETH/ETH", "theirs")
    assert (own.bps, own.heartbeat_s) == (round(float(known.deviation_percent or 0) * 100), known.heartbeat_s)
    assert own.bps
    assert own_threshold_of(resolved, "stETH/ETH", "kraken").bps is None


def test_the_example_of_the_page_is_a_config_with_three_references() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "shadow.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    chains = {"ethereum": {"chain_id": 1, "endpoints": ["https://one.example"]}}
    resolved = resolve(parse({"chains": chains, **tomllib.loads(block)}))
    assert len(compared_with(resolved, "weETH/ETH")) >= 3
    assert without_reference(resolved) == ()


@pytest.mark.parametrize("path", ["own.db", "./own.db"])
def test_the_config_s_own_database_is_refused(tmp_path: Path, path: str) -> None:
    from oracle.cli.shadow import _not_productions  # noqa: PLC0415
    from oracle.cli.shell import Exit  # noqa: PLC0415

    (tmp_path / "own.db").touch()
    with pytest.raises(Exit, match="needs a file of its own"):
        _not_productions(tmp_path / "own.db", tmp_path / path)
    _not_productions(tmp_path / "own.db", tmp_path / "own.shadow.db")
