"""Keys, items and words for tests of the watch, and rows that keep them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import coincurve

from oracle.report.wire import encode_item
from oracle.sign.eip712 import Domain, address_of, sign_compact
from oracle.storage.migrations.migrate import migrate
from oracle.watch.kept import WatchRows
from oracle.watch.words import SignedWord, WordKind
from tests.oracle.report.reports import report

KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in range(1, 6)]
ADDRESSES = [address_of(k) for k in KEYS]
HERE = Domain(chain_id=31337, store=bytes(range(20)))
ROUND_S = 1_700_000_000
BATCH, SEALED = WordKind.BATCH, WordKind.SEALED


def items(*prices: tuple[int, str]) -> bytes:
    """Items of tokens, each with a price."""
    return b"".join(encode_item(i, report(p, "1.06")) for i, p in prices)


A, B = items((0, "1.05"), (1, "1.05")), items((0, "1.05"), (1, "1.04"))


def word_by(
    key: int,
    said: bytes,
    kind: WordKind = BATCH,
    *,
    round_s: int = ROUND_S,
    epoch: int = 1,
    step: int = 0,
    domain: Domain = HERE,
) -> SignedWord:
    """A word, really signed."""
    bare = SignedWord(
        key=ADDRESSES[key],
        domain=domain,
        kind=kind,
        step=step,
        epoch=epoch,
        round_time_s=round_s,
        items=said,
        signature=b"",
    )
    return SignedWord(
        key=bare.key, domain=domain, kind=kind, step=step, epoch=epoch, round_time_s=round_s, items=said,
        signature=sign_compact(KEYS[key], bare.digest),
    )  # fmt: skip


def push_signatures(words: Sequence[SignedWord], keys: Sequence[bytes] = ADDRESSES) -> bytes:
    """As the store takes them."""
    by = {w.key: w.signature for w in words}
    return b"".join(bytes([i]) + by[k] for i, k in enumerate(keys) if k in by)


def memory_rows() -> WatchRows:
    """On no disk."""
    return _rows(":memory:")


def file_rows(path: Path) -> WatchRows:
    """In a file that outlives a process."""
    return _rows(path)


def _rows(path: Path | str) -> WatchRows:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path)
    return WatchRows(connection)
