"""The change itself: all of it at once between two rounds, or none of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
import pytest

from feeds.types import Quote, Tick
from feeds.units import MS, WAD, Wad
from oracle.app import App
from oracle.build import build
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.model.publication import PushRow, PushState
from oracle.reload import swap as swapping
from oracle.reload.difference import difference
from oracle.reload.outcome import ReloadRefused
from oracle.reload.swap import swap
from oracle.sign import keyfiles
from tests.oracle.assemble.keyed_config import ENVIRON, FEED, hear, keyed_config
from tests.oracle.assemble.small_config import small_config

pytestmark = pytest.mark.loopback
NEW = "BTC/USD"
STEPS = (
    "observer.change", "rounds.change", "live.change", "service.change", "components.questions.change", "agreements.change", "loops.replace", "change",
)  # fmt: skip


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    components = build(keyed_config(tmp_path), environ=ENVIRON)
    process = App(components)
    process.is_running = True
    yield process
    await components.close()


def other(app: App) -> ResolvedConfig:
    """Another feed, a wider bound, another endpoint, another target in the place of one."""
    config = app.resolved.config
    chain = replace(config.chains["local"], endpoints=("http://127.0.0.1:2",))
    targets = {"home": config.targets["home"], "third": replace(config.targets["other"], store="0x" + "77" * 20)}
    feeds = {**config.feeds, NEW: _renamed(config.feeds[FEED])}
    operators = tuple(replace(o, bound_bps=50) for o in config.operators)
    changed = replace(config, chains={"local": chain}, targets=targets, feeds=feeds, operators=operators)
    return resolve(difference(app.resolved, resolve(changed)).after)


def _renamed(feed: Any) -> Any:
    symbols = {"coinbase": "BTC-USD", "kraken": "BTC/USD"}
    return replace(feed, sources=tuple(replace(s, symbol=symbols[s.type]) for s in feed.sources))


def picture(app: App) -> list[object]:
    """All that a round, an indication, a push and a reader go by."""
    rounds, faults = app.rounds, list[str]()
    app.live.on_fault = lambda feed, _: faults.append(feed)
    indicated = [r.feed for r in app.live.refresh((FEED, NEW), app.clock.now_ms())]
    return [
        indicated, faults,
        app.resolved, app.components.questions.resolved, dict(rounds.specs), list(rounds.specs),
        [(m.name, dict(m.specs), {f: id(s) for f, s in m.states.items()}) for m in rounds.members],
        rounds.published(FEED), app.live.get(FEED), dict(app.service.specs()), app.service.record(FEED),
        [str(app.observer.observe(f, 1_000, 0)) for f in (FEED, NEW)],
        {n: (id(t), t.client.nodes.urls, tuple(t.feeds)) for n, t in app.targets.items()}, list(app.service.targets()),
        app.components.agreements.rules, app.components.agreements.inbox.rules, [o.bound_bps for o in app.operators],
    ]  # fmt: skip


async def turns() -> None:
    """Others have their turn, again and again."""
    for _ in range(100):
        await asyncio.sleep(0.01)


async def make_round(app: App) -> int:
    round_s = max(app.last_round_s + 10, app.clock.now_ms() // MS - 60)
    hear(app, round_s * MS)
    done = await app.round(round_s)
    return len(done.feeds)


@pytest.mark.parametrize("broken", STEPS)
async def test_a_reload_is_whole_or_nothing(app: App, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await make_round(app) == 1
    before = picture(app)

    def breaks(*_: object) -> None:
        raise RuntimeError("a fault of this program")

    holder: Any = app
    *path, name = (f"components.{broken}" if broken.startswith("agreements") else broken).split(".")
    for part in path:
        holder = getattr(holder, part)
    with monkeypatch.context() as patched:
        patched.setattr(holder, name, breaks)
        with pytest.raises(RuntimeError, match="a fault of this program"):
            await swap(app, other(app))
    assert picture(app) == before
    assert await make_round(app) == 1


async def test_what_is_different_holds_in_the_next_round(app: App) -> None:
    assert await make_round(app) == 1
    state, rules, kept = app.rounds.members[0].states[FEED], app.components.agreements.rules, app.targets["home"]
    after = other(app)
    await swap(app, after)
    assert app.resolved is after
    assert app.rounds.members[0].states[FEED] is state, "what a feed remembers goes on"
    assert list(app.targets) == list(app.service.targets()) == ["home", "third"]
    assert app.targets["home"] is kept
    assert {t.client.nodes.urls for t in app.targets.values()} == {("http://127.0.0.1:2",)}
    assert app.components.agreements.rules != rules
    assert app.components.agreements.inbox.rules == app.components.agreements.rules
    assert [o.bound_bps for o in app.operators] == [50]
    assert set(kept.feeds) == {FEED, NEW}
    assert await make_round(app) == 2


async def test_no_round_is_made_of_two_configs(app: App) -> None:
    async with app.between_rounds:
        changing = asyncio.create_task(swap(app, other(app)))
        await turns()
        assert not changing.done(), "it waits for the round under way"
        assert list(app.service.specs()) == [FEED]
    await changing
    assert set(app.service.specs()) == {FEED, NEW}


async def test_a_process_that_ends_meanwhile_is_left_alone(app: App) -> None:
    async with app.between_rounds:
        changing = asyncio.create_task(swap(app, other(app)))
        await turns()
        app.is_running = False
        before = picture(app)
    with pytest.raises(ReloadRefused, match="starts or ends"):
        await changing
    assert picture(app) == before


async def test_a_look_at_a_target_that_lasts_is_not_cut_in_two(app: App) -> None:
    async with app.loops.at_rest(["other"]):
        changing = asyncio.create_task(swap(app, other(app)))
        await turns()
        assert not changing.done()
        assert "other" in app.targets
    await changing
    assert "other" not in app.targets


async def test_a_feed_that_comes_back_begins_with_what_is_stored_of_it(tmp_path: Path) -> None:
    alone = small_config(tmp_path / "o.db")
    both = resolve(replace(alone.config, feeds={**alone.config.feeds, NEW: _renamed(alone.config.feeds[FEED])}))
    shown = []
    for first, then in ((both, alone), (alone, both)):
        components = build(first, environ={})
        app = App(components)
        app.is_running = True
        try:
            if NEW in first.specs:
                for venue, symbol in (("coinbase", "BTC-USD"), ("kraken", "BTC/USD")):
                    tick = Tick(symbol=symbol, result=Quote(price_wad=Wad(60_000 * WAD)))
                    app.observer.latest.put(venue, tick, app.clock.now_ms() - 60_000)
                await make_round(app)
            shown.append((app.rounds.published(NEW) is None, app.service.specs().get(NEW) is None))
            await swap(app, then)
            shown.append((app.rounds.published(NEW) is None, app.service.record(NEW) is None))
        finally:
            await components.close()
    assert shown == [(False, False), (False, True), (True, True), (False, False)]


def clients() -> list[QuorumRpc]:
    """All of this interpreter."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, QuorumRpc)]


async def test_everything_that_asks_a_chain_asks_its_new_endpoints(tmp_path: Path) -> None:
    known = clients()
    components = build(keyed_config(tmp_path), environ=ENVIRON)
    app = App(components)
    app.is_running = True
    try:
        mine = [c for c in clients() if not any(c is k for k in known)]
        assert len(mine) > len(app.targets), "targets, watch, keeper, stake"
        await swap(app, other(app))
        assert {c.urls for c in mine} == {("http://127.0.0.1:2",)}
    finally:
        await components.close()


PAID = {**ENVIRON, "LRT_ORACLE_GAS_PASSPHRASE": "gas"}


@pytest.fixture
async def paying(tmp_path: Path) -> AsyncIterator[App]:
    """The second target pays, and has a push under way."""
    made = keyed_config(tmp_path)
    keyfiles.save(tmp_path / "gas.json", coincurve.PrivateKey(bytes([12]) * 32), "gas", iterations=2)
    targets = made.config.targets
    pays = replace(targets["other"], gas_keyfile=str(tmp_path / "gas.json"))
    components = build(resolve(replace(made.config, targets={**targets, "other": pays})), environ=PAID)
    process = App(components)
    process.is_running = True
    row = PushRow(
        id=0, target="other", chain_id=31337, round_s=10, items=b"", nonce=3, tx_hash="0x" + "aa" * 32, raw=b"\x02",
        state=PushState.SENT, made_ms=10_000,
    )  # fmt: skip
    process.database.add_push(row)
    yield process
    await components.close()


async def test_a_push_under_way_is_not_left_alone(paying: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app, after = paying, other(paying)
    monkeypatch.setattr(swapping, "_FINISH_S", 0.2)
    monkeypatch.setattr(swapping, "_LOOK_S", 0.05)
    before = picture(app)
    assert app.targets["other"].pusher.pending == 1
    with pytest.raises(ReloadRefused, match="a push of target other is under way"):
        await swap(app, after)
    assert picture(app) == before
    (row,) = app.database.watched_pushes("other")
    app.database.update_push(row.id, state=PushState.LANDED)
    await swap(app, after)
    assert list(app.targets) == ["home", "third"]


async def test_who_follows_with_the_same_key_goes_on_with_a_push(paying: App) -> None:
    app = paying
    targets = {**app.resolved.config.targets}
    targets["other"] = replace(targets["other"], bump_after_s=7)
    first = app.targets["other"]
    await swap(app, resolve(difference(app.resolved, resolve(replace(app.resolved.config, targets=targets))).after))
    assert app.targets["other"] is not first
    assert app.targets["other"].pusher.pending == 1
