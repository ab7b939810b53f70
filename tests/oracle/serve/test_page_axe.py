"""The page by the rules of WCAG 2 AA, as axe-core checks them: light and dark, wide and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from feeds.units import MS
from oracle.serve.server import serve
from tests.oracle.serve.browser import CHROMIUM, Tab, tab
from tests.oracle.serve.many_feeds import many_feeds
from tests.oracle.serve.operators_world import seen
from tests.oracle.serve.page_world import has, now_ms
from tests.oracle.serve.stake_world import stake_view

AXE = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make setup"),
]
RUN = """(() => { window.said = null; axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then((r) => {
  window.said = {passes: r.passes.length, violations: r.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])};
}); })()"""


async def found(page: Tab) -> Any:
    await page.value(AXE.read_text(encoding="utf-8"))
    await page.value(RUN)
    said = await page.until("window.said")
    assert said["passes"] > 10
    return said["violations"]


async def test_nothing_keeps_anybody_out(tmp_path: Path) -> None:
    """One browser for all: the list, a feed with everything opened, and the page when it is not live."""
    service = many_feeds(now_ms() // MS, depeg=True)
    service.seen, service.staked = seen(), stake_view(read_ms=now_ms())
    server = await serve(service, host="127.0.0.1", port=0, now_ms=now_ms, metrics=bytes)
    async with tab(tmp_path) as page:
        for width, dark, to in ((1440, False, ""), (1440, True, ""), (375, False, ""), (375, True, "#/feed/weETH/ETH")):
            await page.call("Page.navigate", url="about:blank")
            await page.open(f"{server.url}/{to}", width=width, dark=dark)
            if width > 1000 or to:
                await has(page, "4 of 5 sources count")
                await page.value("for (const d of document.querySelectorAll('details')) d.open = true")
                await has(page, "To stop it")
            else:
                await has(page, "104 ETH can be slashed")
            assert await found(page) == [], (width, dark, to)
        await page.value("document.getElementById('keys').showModal()")
        assert await found(page) == [], "the keys"
        await page.value("document.getElementById('keys').close()")
        await server.close()
        await has(page, "What is shown may be old")
        assert await found(page) == [], "not live"
