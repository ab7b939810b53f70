"""[archive]: a process that keeps for good what operators sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oracle.config.tables.forms import http_url, postgres_url
from oracle.model.keys import key

_DOC = "[the archive](archive.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSection:
    """[archive]: what `lrt-oracle archive` follows, and where it writes."""

    dsn: str | None = key(
        None,
        "the PostgreSQL database (15 or later) that it writes to, `postgresql://USER:${PASSWORD}@HOST/DATABASE`; a password as"
        " `${NAME}` or `${file:/PATH}`",
        form=postgres_url,
        see=_DOC,
    )
    operators: tuple[str, ...] = key(
        (),
        "public endpoints of operators or nodes that it follows, as `node.operators`; none: those of `[node]`. Rounds of `[nats]`"
        " are taken as well",
        form=http_url,
        see=_DOC,
    )
    follow_hours: int = key(
        168,
        "how far back rounds are asked for at the first start, and missing ones later: no longer than operators replay them",
        least=1,
        most=8_760,
    )
    parquet: str | None = key(
        None, "folder in which every day of a feed becomes a Parquet file; none: no files", see=f"{_DOC}"
    )
    keep_days: int = key(400, "how long every round is kept in PostgreSQL; minutes and hours stay", least=2)
    keep_minutes_days: int = key(1_830, "how long its minutes are kept; hours stay for good", least=2)
    host: str = key("127.0.0.1", "where `/healthz`, `/readyz` and `/metrics` listen")
    port: int = key(8_553, "0: any free one", least=0, most=65_535)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.keep_minutes_days < self.keep_days:
            yield (
                "keep_minutes_days",
                f"is less than keep_days ({self.keep_days}): minutes are kept at least as long as rounds",
            )
        if self.follow_hours > self.keep_days * 24:
            yield (
                "follow_hours",
                f"is more than keep_days ({self.keep_days}): what is asked for would be dropped at once",
            )
