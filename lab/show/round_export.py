"""Every round of a replay as a row of a CSV or Parquet file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feeds.units import MS, wad_text
from lab.play.run import Moment, play
from lab.scenario.case import Case
from lab.tables.times import TableError

COLUMNS = (
    "time",
    "utc",
    "price",
    "market",
    "redemption",
    "deviation_bps",
    "spread_bps",
    "status",
    "reasons",
    "rejected",
    "fresh",
)
_BATCH = 10_000


@contextmanager
def round_writer(case: Case, file: Path, methods: Sequence[str] = ()) -> Iterator[Callable[[Moment], None]]:
    """Gives what writes a moment: a row for each round that it stands for. Prices are texts, exact to 18 places.

    Args:
        case: what is played.
        file: where the rows go; until all are there, into a file beside it with ``.part`` after its name.
        methods: for each a column more, the market price that the case's feed would have had with it.

    Raises:
        TableError: the file's suffix is none of .csv and .parquet, pyarrow is absent, or the file cannot be written.
    """
    if file.suffix not in (".csv", ".parquet"):
        raise TableError(f"{file}: rounds are written as .csv or .parquet")
    columns = (*COLUMNS, *(f"market {name}" for name in methods))
    others = [_Other(case, name) for name in methods]
    try:
        unfinished = file.with_name(f"{file.name}.part")
        with _csv_rows(unfinished, columns) if file.suffix == ".csv" else _parquet_rows(unfinished, columns) as write:
            yield lambda m: write(
                [
                    (*_row(case, m, t_ms), *(other.market(t_ms) for other in others))
                    for t_ms in range(m.t_ms, m.last_ms + 1, case.round_ms)
                ]
            )
        unfinished.replace(file)
    except OSError as e:
        raise TableError(f"{file}: {e.strerror or e}") from None


class _Other:
    """The case with another method, played beside it."""

    def __init__(self, case: Case, method: str) -> None:
        self._moments = play(case.with_method(method))
        self._now: Moment | None = None

    def market(self, t_ms: int) -> str | None:
        """Its market price in the round of a time, each later than the one before; None where it has none of its own."""
        while self._now is None or self._now.last_ms < t_ms:
            self._now = next(self._moments)
        return wad_text(self._now.market_wad) if self._now.fresh and self._now.market_wad else None


def _row(case: Case, m: Moment, t_ms: int) -> tuple[Any, ...]:
    at_s = (case.began_ms + t_ms) // MS
    return (
        at_s,
        datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        wad_text(m.price_wad) if m.price_wad else None,
        wad_text(m.market_wad) if m.market_wad else None,
        wad_text(m.redemption_wad) if m.redemption_wad else None,
        m.deviation_bps,
        m.spread_bps,
        "unknown" if case.own is not None and case.own.unknown else m.status.word,
        " ".join(m.codes),
        " ".join(f"{source}:{code}" for source, code in m.rejected),
        int(m.fresh),
    )


@contextmanager
def _csv_rows(file: Path, columns: Sequence[str]) -> Iterator[Callable[[list[tuple[Any, ...]]], None]]:
    with file.open("w", encoding="utf-8", newline="") as text:
        out = csv.writer(text, lineterminator="\n")
        out.writerow(columns)
        yield out.writerows


@contextmanager
def _parquet_rows(file: Path, columns: Sequence[str]) -> Iterator[Callable[[list[tuple[Any, ...]]], None]]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        raise TableError("Parquet needs pyarrow: pip install 'lrt-oracle[parquet]', or name a .csv") from None
    kinds = {"time": pa.int64(), "deviation_bps": pa.int64(), "spread_bps": pa.int64(), "fresh": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
    waiting: list[tuple[Any, ...]] = []
    with parquet.ParquetWriter(file, schema) as out:

        def flush() -> None:
            if waiting:
                made = list(zip(*waiting, strict=True))
                out.write_table(
                    pa.table([pa.array(c, f.type) for c, f in zip(made, schema, strict=True)], schema=schema)
                )
                waiting.clear()

        def write(rows: list[tuple[Any, ...]]) -> None:
            waiting.extend(rows)
            if len(waiting) >= _BATCH:
                flush()

        yield write
        flush()
