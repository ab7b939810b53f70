"""Stake on the page in a real browser: readable on every screen and in both schemes, by keyboard too, and never older than it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feeds.units import MS
from oracle.serve.interface import Update
from tests.oracle.serve.browser import CHROMIUM
from tests.oracle.serve.memory_service import ROUND_S, STRANGE, MemoryService, half_an_hour
from tests.oracle.serve.operators_world import seen
from tests.oracle.serve.page_world import has, now_ms, shown
from tests.oracle.serve.stake_world import found, stake_view

pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
FAINT = """(() => {
  const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
  let seen = 0;
  for (let n; (n = walk.nextNode());) {
    const e = n.parentElement;
    if (!n.textContent.trim() || !e.checkVisibility() || e.closest("noscript, script")) continue;
    seen += 1;
    const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.add(`${e.tagName}.${e.className} ${n.textContent.trim().slice(0, 30)} ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return [seen, ...found];
})()"""
"""How many pieces of text are seen, and those with less contrast than 4.5 to 1."""


async def test_what_secures_a_price_opens_at_the_price(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    service.seen, service.staked = seen(), stake_view(read_ms=now_ms())
    async with shown(service, tmp_path) as (_, page):
        await has(page, "secured by 104 ETH")
        assert "To seal one false price" not in await page.text(), "folded"
        await page.value("document.querySelectorAll('#rows a')[1].click()")
        await page.until(f"document.getElementById('detail-title').textContent === {STRANGE!r}")
        await page.value("document.querySelector('#secured button').click()")
        text = await has(page, "nothing is taken for it")
        assert await page.value("document.getElementById('detail-title').textContent") == STRANGE
        assert "who signed the last record is not kept" in text
        assert await page.value("document.querySelectorAll('#stake-rows tr').length") == 4
        assert await page.value("document.querySelectorAll('#stake b').length") == 0, "a name stays text"
        assert page.complaints == []


@pytest.mark.parametrize("width", [360, 1280])
async def test_stake_is_no_wider_than_the_screen(tmp_path: Path, width: int) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    service.seen, service.staked = seen(), stake_view(read_ms=now_ms())
    async with shown(service, tmp_path, width=width, height=844) as (_, page):
        await has(page, "104 ETH can be slashed")
        card = "document.querySelector('#stake .card')"
        assert await page.value(f"{card}.scrollWidth <= {card}.clientWidth")
        assert await page.value("document.documentElement.scrollWidth") <= width
        await page.value("location.hash = '/feed/wdivETH/ETH'; document.getElementById('security').open = true")
        await has(page, "To stop it")
        assert await page.value("document.documentElement.scrollWidth") <= width


def in_wei() -> MemoryService:
    """Weights as a set by stake has them: of 18 digits and more."""
    service, view = half_an_hour(now_ms() // MS, depeg=False), seen()
    rows = tuple(replace(r, weight=(r.weight or 0) * 10**18) for r in view.rows)
    newest = view.hour.newest
    assert newest is not None
    signers = newest.signers
    heavy = replace(signers, weights=tuple(w * 10**18 for w in signers.weights), threshold=signers.threshold * 10**18)
    hour = replace(view.hour, newest=replace(newest, signers=heavy))
    service.seen, service.staked = replace(view, rows=rows, hour=hour), stake_view(read_ms=now_ms())
    return service


@pytest.mark.parametrize("width", [360, 1280])
async def test_weights_of_wei_are_shares_and_fit(tmp_path: Path, width: int) -> None:
    async with shown(in_wei(), tmp_path, width=width, height=844) as (_, page):
        text = await has(page, "80.00 % of the weight needed")
        assert "0" * 18 not in text
        assert await page.value("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
async def test_every_word_stands_out_from_what_is_behind_it(tmp_path: Path, dark: bool) -> None:
    """As WCAG 2 AA wants it of small text: 4.5 to 1."""
    service = half_an_hour(now_ms() // MS, depeg=True)
    expired = found(expires_s=ROUND_S - 9, rotate_due_s=0)
    service.seen, service.staked = seen(), stake_view(expired, read_ms=now_ms(), error="no endpoint answers")
    async with shown(service, tmp_path, dark=dark) as (_, page):
        await has(page, "no set was made by stake yet")
        await page.value("document.getElementById('security').open = true")
        await has(page, "To stop it")
        words, *faint = await page.value(FAINT)
        assert words > 100
        assert faint == []


async def test_ages_grow_while_nobody_answers(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    service.seen, service.staked = seen(), stake_view(read_ms=now_ms() - 20_000)
    fact = "[...document.querySelectorAll('#stake-facts div')].find((d) => d.innerText.startsWith('Read'))?.innerText"
    async with shown(service, tmp_path) as (_, page):
        first = await page.until(fact)
        assert await page.until(f"{fact} !== {first!r}")
        assert int((await page.value(fact)).split()[1]) > int(first.split()[1])
        assert len([u for u in page.requests if u.endswith("/v1/operators")]) <= 2, "no new answer was needed"


async def test_what_is_focused_stays_focused_over_an_update(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    service.seen, service.staked = seen(), stake_view(read_ms=now_ms())
    focused = "document.activeElement.textContent"
    async with shown(service, tmp_path) as (_, page):
        await has(page, "secured by 104 ETH")
        await page.value("document.querySelector('#secured button').focus()")
        service.staked = stake_view(found(by_stake=False), read_ms=now_ms())
        service.notify(Update(round_time_s=now_ms() // MS))
        await has(page, "not secured by stake")
        assert await page.until(f"{focused} === 'not secured by stake'")
        await page.key("Tab")
        assert await page.value(focused) == "5 min"


async def test_a_price_that_nobody_signed_is_secured_by_nobody(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    service.rounds["ETH/USD"] = [replace(r, seal=None) for r in service.rounds["ETH/USD"]]
    service.seen, service.staked = seen(), stake_view(read_ms=now_ms())
    async with shown(service, tmp_path) as (_, page):
        await has(page, "secured by 104 ETH")
        told = "document.querySelector('#secured button').textContent"
        assert await page.value(told) == "secured by 104 ETH"
        await page.value("[...document.querySelectorAll('#rows a')].find((a) => a.textContent === 'ETH/USD').click()")
        assert await page.until(f"{told} === 'signed by nobody'")
