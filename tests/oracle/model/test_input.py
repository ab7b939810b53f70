"""An input with another weight is the same input in everything else."""

from __future__ import annotations

from dataclasses import fields, replace

from feeds.units import WAD, Wad
from oracle.model.types import Input


def test_with_weight_changes_the_weight_and_nothing_else() -> None:
    entry = Input(
        source="pool", group="chain:ethereum", price_wad=Wad(WAD), weight=1, at_ms=2, rank=3, own_bps=5,
        recent_wad=6,
    )  # fmt: skip
    assert all(getattr(entry, f.name) != f.default for f in fields(Input)), "every field is one that could be lost"
    assert entry.with_weight(9) == replace(entry, weight=9)
    assert entry.weight == 1
