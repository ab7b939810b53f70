"""How an archive is, over HTTP: alive, up to date, its metrics. It serves nothing of what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from oracle.archive.gaps import GapFiller
from oracle.archive.parquet_files import ParquetFiles
from oracle.archive.upkeep import Upkeep
from oracle.archive.writer import ArchiveWriter
from oracle.follow.follower import RoundFollower
from oracle.runtime.listening import cannot_listen

_LATE_ROUNDS, _SHOWN_GAPS = 3, 50
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class StatusPage:
    """What it says.

    Args:
        writer, gaps, upkeep, files: of the archive.
        follower: where its rounds come from.
        metrics: the exposition.
        now_ms: the clock.
        interval_s: between rounds.
    """

    def __init__(
        self, writer: ArchiveWriter, gaps: GapFiller, upkeep: Upkeep, files: ParquetFiles | None, follower: RoundFollower, *,
        metrics: Callable[[], bytes], now_ms: Callable[[], int], interval_s: int,
    ) -> None:  # fmt: skip
        self._writer, self._gaps, self._upkeep, self._files, self._follower = writer, gaps, upkeep, files, follower
        self._metrics, self._now_ms, self._interval_s = metrics, now_ms, interval_s

    def document(self) -> dict[str, Any]:
        """All of it."""
        newest_s = self._writer.newest_s
        lag_s = self._now_ms() // 1_000 - newest_s
        reasons = [f"PostgreSQL: {self._writer.error}"] if self._writer.error else []
        if not newest_s:
            reasons.append("no round is in the archive yet")
        elif lag_s >= _LATE_ROUNDS * (self._interval_s + 1):
            reasons.append(f"the archive is {lag_s // self._interval_s} rounds ({lag_s} s) behind")
        if self._follower.sets.error:
            reasons.append(f"the store's chain cannot be read: {self._follower.sets.error}")
        return {
            "live": True,
            "ready": not reasons,
            "reasons": reasons,
            "warnings": self._warnings(),
            "round": newest_s or None,
            "round_lag_s": lag_s if newest_s else None,
            "waiting": self._writer.waiting,
            "missing": [
                {"first": g.first_s, "last": g.last_s, "rounds": g.rounds, "asked_for": g.is_open}
                for g in self._gaps.gaps[:_SHOWN_GAPS]
            ],
        }

    def _warnings(self) -> list[str]:
        said = [
            f"source {s.name} is not connected: {s.error or 'it was not reached yet'}"
            for s in self._follower.states
            if not s.connected
        ]
        said += [
            f"source {s.name} told rounds that do not verify: {', '.join(f'{w} {n}' for w, n in sorted(s.refused.items()))}"
            for s in self._follower.states
            if s.refused
        ]
        said += [
            f"{g.rounds} rounds are missing, {_utc(g.first_s)} to {_utc(g.last_s)}: "
            + ("operators are asked for them" if g.is_open else "no operator that was asked has them")
            for g in self._gaps.gaps[:_SHOWN_GAPS]
        ]
        if self._upkeep.error:
            said.append(f"roll-ups and retention: {self._upkeep.error}")
        if self._files is not None and self._files.error:
            said.append(f"Parquet files: {self._files.error}")
        return said

    async def listen(self, host: str, port: int) -> tuple[web.AppRunner, str]:
        """Serve it; what to clean up at the end, and where it listens.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=1)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._exposition)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as e:
            await runner.cleanup()
            raise cannot_listen("archive", host, port, e) from None
        at = runner.addresses[0]
        return runner, f"http://{at[0]}:{at[1]}"

    async def _healthz(self, _: web.Request) -> web.Response:
        return self._answer(200)

    async def _readyz(self, _: web.Request) -> web.Response:
        return self._answer(200 if self.document()["ready"] else 503)

    def _answer(self, status: int) -> web.Response:
        return web.Response(
            body=orjson.dumps(self.document()), status=status, content_type="application/json", headers=_HEADERS
        )

    async def _exposition(self, _: web.Request) -> web.Response:
        headers = {**_HEADERS, "Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics(), headers=headers)


def _utc(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
