"""What a database keeps of the agreement on reports: stakes at a freeze, and words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.roots.words import RootWord, decode_word
from oracle.storage.database import Database

_unpack_words = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
_unpack_stakes = msgspec.msgpack.Decoder(tuple[tuple[bytes, ...], ...]).decode


def kept_stakes(database: Database, target: str, frozen: FrozenEpoch) -> tuple[tuple[int, ...], ...] | None:
    """Stake at a freeze, as it was read then; None where it was not."""
    kept = database.stakes_at(target, frozen.epoch, frozen.capture_s)
    return None if kept is None else tuple(tuple(int.from_bytes(s, "big") for s in of) for of in _unpack_stakes(kept))


def kept_words(database: Database, target: str, epoch: int) -> Sequence[RootWord]:
    """What a database knows of the agreement on an epoch's report."""
    body = database.root_words(target, epoch)
    return [decode_word(raw) for raw in _unpack_words(body)] if body else []
