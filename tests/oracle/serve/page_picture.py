"""Makes docs/page.png anew: `PYTHONPATH=. .venv/bin/python -m tests.oracle.serve.page_picture`. Needs chromium."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from feeds.units import MS
from tests.oracle.serve.many_feeds import many_feeds
from tests.oracle.serve.operators_world import ODD, seen
from tests.oracle.serve.page_world import has, now_ms, shown
from tests.oracle.serve.stake_world import stake_view

PICTURE = Path(__file__).parents[3] / "docs" / "page.png"


async def main() -> None:
    """A token that loses its peg among thirty-four, with operators and their stake."""
    service, view = many_feeds(now_ms() // MS, depeg=True), seen()
    rows = tuple(replace(r, name="bob" if r.name == ODD else r.name) for r in view.rows)
    service.seen, service.staked = replace(view, rows=rows, warnings=()), stake_view(read_ms=now_ms())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with shown(service, Path(profile), width=1440, height=1000) as (_, page):
            await has(page, "104 ETH can be slashed")
            await page.until("document.querySelector('#chart canvas') !== null")
            await asyncio.sleep(1)  # the chart is drawn
            await page.value("scrollTo(0, 0)")
            PICTURE.write_bytes(await page.shoot(width=1440, height=1000))


if __name__ == "__main__":
    asyncio.run(main())
