"""What the command line asks of an archive: the history of a feed, and questions in SQL."""

from __future__ import annotations

from typing import Any

from oracle.archive.link import ArchiveFault, connected, fault_text, faults
from oracle.archive.reading import ArchiveReader
from oracle.assemble.network import home_target
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.model.publication import Record
from oracle.model.roll_up import RollUp
from oracle.sign.eip712 import Domain

_MOST_ROWS, _STATEMENT_S = 10_000, 60


async def archived_history(
    resolved: ResolvedConfig, feed: str, since_s: int, limit: int
) -> tuple[list[Record], list[tuple[int, RollUp]], int]:
    """Records and roll-ups of a feed since a time, and from when on every record is kept (0: always).

    Raises:
        ArchiveFault: there is no archive, or it does not answer.
    """
    config = resolved.config
    target = home_target(config)
    if target is None:
        raise ArchiveFault("the config has no [targets.NAME]: whose rounds are asked for?")
    section = config.targets[target]
    domain = Domain(chain_id=config.chains[section.chain].chain_id, store=raw_address(section.store))
    reader = ArchiveReader(_dsn(resolved), domain, target)
    try:
        await reader.start()
        if reader.bounds is None:
            raise ArchiveFault(f"the archive does not answer: {reader.error}")
        until_s, kept_s = reader.bounds.newest_s, reader.bounds.kept_since_s
        return await reader.read(
            lambda: (
                reader.history(feed, since_s, until_s, limit),
                reader.roll_ups(feed, since_s, until_s, limit),
                kept_s,
            )
        )
    finally:
        await reader.close()


async def queried(resolved: ResolvedConfig, sql: str) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of a question, as JSON takes them: numbers that are exact as text. Nothing that it writes is kept.

    Raises:
        ArchiveFault: PostgreSQL does not answer, or not this question.
    """
    connection = await connected(_dsn(resolved), read_only=True, statement_s=_STATEMENT_S)
    try:
        # never committed: some functions write even in a transaction that only reads
        await connection.transaction(readonly=True).start()
        statement = await connection.prepare(sql)
        cursor = await statement.cursor()
        rows = await cursor.fetch(_MOST_ROWS + 1)
        columns = [a.name for a in statement.get_attributes()]
    except faults() as e:
        raise ArchiveFault(fault_text(e)) from None
    finally:
        connection.terminate()
    if len(rows) > _MOST_ROWS:
        raise ArchiveFault(f"more than {_MOST_ROWS} rows: ask for less, or with psql")
    return columns, [[_plain(v) for v in row] for row in rows]


def _dsn(resolved: ResolvedConfig) -> str:
    config = resolved.config
    dsn = config.node.archive or config.archive.dsn
    if dsn is None:
        raise ArchiveFault("the config names no archive: write node.archive or archive.dsn")
    return dsn


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return [_plain(v) for v in value] if isinstance(value, list) else str(value)
