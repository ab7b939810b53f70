"""What the database still knows of the last hour's rounds when a process starts: who signed, what was lost, what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oracle.agree.outcome import name_of
from oracle.network.tally import WINDOW_S, Part, TalliedRound, Tally
from oracle.storage.database import Database
from oracle.storage.record_rows import SealRow

_BEFORE = "before this process started: why is not known any more"


def recall(tally: Tally, database: Database, targets: Iterable[str], now_s: int, home: str | None) -> None:
    """Put the stored rounds of the last hour into a tally.

    Args:
        tally: of the process.
        database: of the process.
        targets: names of the stores.
        now_s: Unix seconds.
        home: the store that seals what is published: rounds that were made and not sealed there were lost.
    """
    since_s = now_s - WINDOW_S
    for target in targets:
        rows = database.seals(target, since_s)
        for row in rows:
            tally.put(_sealed(tally, database, row))
        if rows and target == home:
            for lost in _lost(database, rows):
                tally.put(lost)


def _sealed(tally: Tally, database: Database, row: SealRow) -> TalliedRound:
    """A sealed round: all signed but those whom its record names as missing; without one those of the certificate."""
    records = (database.record(feed, row.round_time_s) for feed in row.feeds)
    seal = next((r.seal for r in records if r is not None and r.seal is not None), None)
    told = {a.operator: a.why for a in seal.missing} if seal is not None and seal.target == row.target else None
    parts = {}
    for address in row.signers.members:
        signed = address in row.addresses
        why = "" if signed or told is None else told.get(name_of(tally.names, address), "")
        parts[address] = Part(signed=signed or (told is not None and not why), why=why)
    return TalliedRound(
        target=row.target, round_time_s=row.round_time_s, signers=row.signers, parts=parts, sealed=True,
        attempts=row.step // 2 + 1, watched=False, evidence=_evidence(database, row.target, row.round_time_s),
    )  # fmt: skip


def _evidence(database: Database, target: str, round_s: int) -> tuple[tuple[bytes, str, str], ...]:
    return tuple((e.address, e.kind, e.text) for e in database.evidence_of(target, round_s))


def _lost(database: Database, rows: list[SealRow]) -> Iterator[TalliedRound]:
    """Rounds that were made here, after the first of these, and are not sealed."""
    known = {r.round_time_s: r for r in rows}
    newest = rows[-1]
    for round_s in database.rounds_made(newest.feeds[0], rows[0].round_time_s):
        if round_s not in known:
            of_set = [r for r in rows if r.round_time_s < round_s]
            yield TalliedRound(
                target=newest.target, round_time_s=round_s, signers=of_set[-1].signers, parts={}, sealed=False,
                why=_BEFORE, watched=False, evidence=_evidence(database, newest.target, round_s),
            )  # fmt: skip
