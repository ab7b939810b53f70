"""The journal of pushes on disk: an older database is taken over, what can still change is watched, refusals are kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from oracle.model.publication import NotPushed, PushRow, PushState
from oracle.storage.database import Database

OLD = """
CREATE TABLE pushes (
  id INTEGER PRIMARY KEY, target TEXT NOT NULL, chain_id INTEGER NOT NULL, round_s INTEGER NOT NULL, items BLOB NOT NULL,
  nonce INTEGER NOT NULL, tx_hash TEXT NOT NULL, raw BLOB NOT NULL, state TEXT NOT NULL, made_ms INTEGER NOT NULL,
  landed_ms INTEGER, block INTEGER, block_hash TEXT, gas_used INTEGER, note TEXT, signers TEXT NOT NULL DEFAULT ''
)
"""


def row(**changes: Any) -> PushRow:
    base: dict[str, Any] = {
        "id": 0, "target": "t", "chain_id": 1, "round_s": 100, "items": bytes(30) + b"\0\1" + bytes(28), "nonce": 4,
        "tx_hash": "0x1", "raw": b"\2", "state": PushState.SENT, "made_ms": 100_000,
    }  # fmt: skip
    return PushRow(**{**base, **changes})


def test_a_database_from_before_is_taken_over(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "o.db")
    old.execute(OLD)
    sql = "INSERT INTO pushes (target, chain_id, round_s, items, nonce, tx_hash, raw, state, made_ms) VALUES"
    for nonce, state in ((1, "landed"), (2, "expired"), (3, "sent"), (4, "prepared")):
        old.execute(f"{sql} ('t', 1, 9, x'', {nonce}, 'h', x'', '{state}', 5)")
    old.commit()
    old.close()
    for _ in range(2):
        store = Database(tmp_path / "o.db")
        assert [(r.nonce, r.state, r.why) for r in store.watched_pushes("t")] == [(3, "sent", ""), (4, "prepared", "")]
        assert len(store.pushes("t")) == 4
        assert [r.taken for r in store.pushes("t")] == [1, 1, 1, 0], "what a node may have taken"
        store.close()


def test_what_is_final_is_watched_no_more_and_the_rest_comes_nonce_by_nonce(tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    first = store.add_push(row(nonce=5, why="A/B: heartbeat"))
    second, third = store.add_push(row(nonce=4)), store.add_push(row(nonce=5))
    assert [r.id for r in store.watched_pushes("t")] == [second.id, first.id, third.id]
    store.update_push(first.id, final=1, state=PushState.LANDED)
    assert [r.id for r in store.watched_pushes("t")] == [second.id, third.id]
    assert store.pushes("t")[0].why == "A/B: heartbeat"
    assert store.watched_pushes("other") == []
    store.close()


def test_refusals_are_kept_for_a_month_and_gas_is_shared(tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    store.add_refusal(1_000, "t", 1, b"", "A/B: first", "too dear")
    store.add_refusal(2_000 + 30 * 86_400_000, "t", 2, b"x", "A/B: heartbeat", "no quorum")
    kept = NotPushed(
        at_ms=2_000 + 30 * 86_400_000, target="t", round_s=2, items=b"x", why="A/B: heartbeat", error="no quorum"
    )
    assert store.not_pushed("t") == [kept]
    store.add_push(row(gas_used=101, state=PushState.LANDED))
    store.add_push(row(gas_used=10, state=PushState.REVERTED, made_ms=200_000))
    store.add_push(row(state=PushState.EXPIRED))
    assert store.gas_spent("t", 0) == {0: 51 + 5, 1: 51 + 5}
    assert store.gas_spent("t", 150_000) == {0: 5, 1: 5}
    store.close()
