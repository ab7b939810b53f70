"""The page with thirty-four feeds: the worst first, green only while prices are current, and a page for each feed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from feeds.units import MS
from oracle.serve.interface import Update
from oracle.serve.server import Server, serve
from tests.oracle.serve.browser import CHROMIUM, Tab, tab
from tests.oracle.serve.many_feeds import FALLEN, QUIET, ManyFeeds, many_feeds
from tests.oracle.serve.page_world import has, now_ms

pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
LINK = "document.getElementById('link').className + ': ' + document.getElementById('link').textContent"
ICON = "document.getElementById('icon').getAttribute('href')"
FIRST = "[...document.querySelectorAll('#rows tr')].slice(0, 3).map((r) => r.dataset.feed)"
TITLE = "document.getElementById('detail-title').textContent"


@asynccontextmanager
async def at(page: Tab, service: ManyFeeds, *, to: str = "", width: int = 1440) -> AsyncIterator[Server]:
    """A service behind this tab, which asks nobody else."""
    server = await serve(service, host="127.0.0.1", port=0, now_ms=now_ms, metrics=bytes)
    page.requests.clear()
    page.complaints.clear()
    try:
        await page.open(f"{server.url}/{to}", width=width)
        await page.until("document.querySelectorAll('#rows tr[data-feed]').length === 34")
        yield server
        asked = {u.split("/")[2] for u in page.requests if not u.startswith(("data:", "about:", "chrome"))}
        assert asked == {server.url.removeprefix("http://")}, "no request leaves for anybody else"
    finally:
        await page.call("Page.navigate", url="about:blank")
        await server.close()


async def test_what_thirty_four_feeds_look_like(tmp_path: Path) -> None:
    """One browser, as each start costs a second: calm, a depeg, all dead, no rounds, and the process stopped."""
    async with tab(tmp_path) as page:
        await calm(page)
        await one_that_loses_its_peg(page)
        await all_dead(page)
        await no_rounds(page)
        await stopped(page)
        await a_page_for_each_feed(page)
        await on_a_phone(page)
        await by_keyboard(page)


async def calm(page: Tab) -> None:
    async with at(page, many_feeds(now_ms() // MS)):
        assert await page.until(f"{LINK} === 'link open: live'")
        assert await page.value("document.title") == "34 ok · lrt-oracle"
        assert await page.value(ICON) == "page/icon.svg"
        assert await page.until("document.querySelectorAll('#rows svg.spark').length === 34")
        assert page.complaints == []


async def one_that_loses_its_peg(page: Tab) -> None:
    async with at(page, many_feeds(now_ms() // MS, depeg=True)) as server:
        assert await page.until("document.title === '! 2 depeg · lrt-oracle'")
        assert await page.value(ICON) == "page/icon-depeg.svg"
        assert await page.value(FIRST) == [FALLEN, "weETH/USD", QUIET]
        assert await page.until(f"{LINK} === 'link partly: 33 of 34 current'")
        text = await has(page, "no quorum: carol: not reached")
        assert "gas for 812 pushes" in text
        assert "188,412" in text
        assert "4 of 5 sources count, as alice saw round" in text
        assert "NO_DATA: nothing yet" in text, "why a source does not count"
        assert "at least 4" in text, "what moving it costs"
        assert "+0.12 %" in text, "another oracle beside it"
        assert "2.02 % below redemption" in text, "when it fell"
        beside = "document.getElementById('detail').getBoundingClientRect().top < 200"
        assert await page.value(beside), "beside the list and not below it"
        await page.value("document.querySelector('#tally button.depeg').click()")
        assert await page.value("document.querySelectorAll('#rows tr').length") == 2
        await page.value("document.querySelector('#tally button.depeg').click()")
        await filter_by(page, "beth")
        assert await page.value("[...document.querySelectorAll('#rows tr')].map((r) => r.dataset.feed)") == ["cbETH/ETH", "wBETH/ETH"]  # fmt: skip
        await filter_by(page, "nothing like this")
        await has(page, "No feed is like this.")
        old = await page.until(
            "document.querySelector('#headline').textContent && document.querySelector('[data-since]').textContent"
        )
        assert await page.until(f"document.querySelector('#figures [data-since]').textContent !== {old!r}"), "ages tick"
        assert page.complaints == []
        assert len(server.hub) == 1


async def filter_by(page: Tab, text: str) -> None:
    put = f"f.value = {text!r}; f.dispatchEvent(new Event('input'))"
    await page.value(f"(() => {{ const f = document.getElementById('filter'); {put}; }})()")


async def all_dead(page: Tab) -> None:
    async with at(page, many_feeds(now_ms() // MS, dead=True)):
        await has(page, "None of 34 feeds has a current price: 0 of 2 independent groups: no source answers")
        assert await page.until(f"{LINK} === 'link lost: no current price'")
        assert await page.value("document.title") == "! NO CURRENT PRICE · lrt-oracle"
        assert await page.value(ICON) == "page/icon-lost.svg"
        assert await page.value("document.querySelectorAll('#rows .chip.ok, #chips .chip.ok').length") == 0, (
            "nothing old is green"
        )
        assert page.complaints == []


async def no_rounds(page: Tab) -> None:
    """The process answers and makes no rounds any more: what it has is old, however good it was."""
    async with at(page, many_feeds(now_ms() // MS - 40)):
        await has(page, "No rounds are made: no price here is current.")
        assert await page.value(LINK) == "link lost: not live"
        assert await page.value("document.title") == "! NOT LIVE · lrt-oracle"
        assert await page.value("document.body.classList.contains('old')")


async def stopped(page: Tab) -> None:
    async with at(page, many_feeds(now_ms() // MS)) as server:
        assert await page.until(f"{LINK} === 'link open: live'")
        await server.close()
        text = await has(page, "What is shown may be old")
        assert "The newest round is" in text
        assert await page.value(LINK) == "link lost: not live"
        assert await page.value("document.title") == "! NOT LIVE · lrt-oracle"
        await page.call("Page.navigate", url="about:blank")


async def a_page_for_each_feed(page: Tab) -> None:
    service = many_feeds(now_ms() // MS, depeg=True)
    async with at(page, service, to="#/feed/rETH/ETH"):
        assert await page.until(f"{TITLE} === 'rETH/ETH'"), "an address can be shared"
        await page.value("document.querySelectorAll('#rows tr')[2].click()")
        assert await page.until(f"{TITLE} === {QUIET!r}")
        assert await page.value("location.hash") == "#/feed/pufETH/ETH"
        await page.value("history.back()")
        assert await page.until(f"{TITLE} === 'rETH/ETH'")
        service.notify(Update(round_time_s=now_ms() // MS))
        await page.value("location.hash = '#weETH%2FETH'")
        assert await page.until("location.hash === '#/feed/weETH/ETH'"), "addresses of the older kind still lead there"
        await page.value("location.hash = '#/feed/no/such'")
        await has(page, "There is no feed no/such here.")
        assert page.complaints == []


async def on_a_phone(page: Tab) -> None:
    async with at(page, many_feeds(now_ms() // MS, depeg=True), width=375):
        seen = "document.getElementById('{}').checkVisibility()".format
        assert await page.value(seen("feeds"))
        assert not await page.value(seen("detail")), "a page of its own"
        assert await page.value("document.documentElement.scrollWidth") <= 375
        await page.value("document.querySelector('#rows tr').click()")
        assert await page.until(seen("detail"))
        assert not await page.value(seen("feeds"))
        await has(page, "4 of 5 sources count")
        assert await page.value("document.documentElement.scrollWidth") <= 375
        await page.value("document.querySelector('.back').click()")
        assert await page.until(seen("feeds"))


async def by_keyboard(page: Tab) -> None:
    focused = "document.activeElement.id || document.activeElement.textContent"
    async with at(page, many_feeds(now_ms() // MS, depeg=True)):
        await page.key("Tab")
        assert await page.value(focused) == "skip"
        assert await page.until("document.getElementById('skip').getBoundingClientRect().top >= 0"), (
            "shown when focused"
        )
        await page.key("Enter")
        await page.value("document.getElementById('skip').click()")
        assert await page.value(focused) == "feeds-title"
        await page.key("/")
        assert await page.value(focused) == "filter"
        await page.key("Escape")
        await page.key("j")
        assert await page.until(f"{TITLE} === 'weETH/USD'")
        await page.key("k")
        assert await page.until(f"{TITLE} === {FALLEN!r}")
        await page.key("4")
        assert await page.value("document.querySelector('#spans [aria-pressed=true]').textContent") == "24 h"
        await page.key("?")
        await has(page, "filter the feeds")
        assert await page.value("document.getElementById('keys').open")
        await page.key("Escape")
        assert await page.until("!document.getElementById('keys').open")
        await page.key("t")
        assert await page.value("document.documentElement.dataset.theme") == "light"
        await page.key("t")
        assert await page.value("document.documentElement.dataset.theme") == "dark"
        assert await page.value("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 28)"
        await page.key("t")
        await page.key("Escape")
        assert await page.until("location.hash === '#/'"), "back to all of them"
