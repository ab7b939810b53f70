"""The change itself: all of it at once between two rounds, or none of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feeds.units import MS
from oracle.app import App
from oracle.build import build
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.reload.difference import difference
from oracle.reload.outcome import ReloadRefused
from oracle.reload.swap import swap
from tests.oracle.assemble.keyed_config import ENVIRON, FEED, hear, keyed_config

pytestmark = pytest.mark.loopback
NEW = "BTC/USD"
STEPS = (
    "observer.change", "rounds.change", "live.change", "service.change", "agreements.change", "loops.replace", "change",
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
    rounds = app.rounds
    return [
        app.resolved, dict(rounds.specs), list(rounds.specs),
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
