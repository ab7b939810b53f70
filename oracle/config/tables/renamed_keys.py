"""Keys that have another name now, so that an old config, or one written after an old answer, is answered with the new name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_ONE_UNIT = "2026-11-30"
"""When a key of a feed got one name and one unit from the config to the rule and to the answers."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """What became of a key.

    Attributes:
        key: what it is called now; None: it is gone.
        since: the date of the change.
        hint: what else is to be known, as the unit; or why it is gone.
    """

    key: str | None
    since: str
    hint: str = ""

    def sentence(self, old: str) -> str:
        """The sentence for a config that has the old name."""
        if self.key is None:
            return f"`{old}` is gone since {self.since}: {self.hint}"
        return (
            f"`{old}` is called `{self.key}` since {self.since}: write {self.key} = ...{self.hint and f', {self.hint}'}"
        )


_SECONDS = "in seconds"
_BY_STAKE = "2026-12-01"
"""When stake began to decide who signs."""
_BY_KIND = "2026-12-01"
"""When each kind of what is stored got its own time."""
RENAMED: Mapping[str, Mapping[str, Renamed]] = MappingProxyType({
    "OracleSection": {
        "keep_days": Renamed(
            None, _BY_KIND, "each kind has its own time now; write `rounds_days = ...` in [retention], or leave it out for 7"
        ),
        "round_deadline_ms": Renamed(None, "2026-11-21", "a round ends at its own time; leave it out"),
    },
    "VenueSection": {"rest": Renamed("rest_ms", "2026-11-21", "a pause, 0 turns requests off")},
    "FeedSection": {
        "max_age_ms": Renamed("max_age_s", _ONE_UNIT, _SECONDS),
        "window_ms": Renamed("window_s", _ONE_UNIT, _SECONDS),
        "halt_after_ms": Renamed("halt_after_s", _ONE_UNIT, _SECONDS),
    },
    "Bands": {
        "watch_enter_bps": Renamed("watch_bps", _ONE_UNIT),
        "depeg_enter_bps": Renamed("depeg_bps", _ONE_UNIT),
        "watch_dwell_ms": Renamed("watch_dwell_s", _ONE_UNIT, _SECONDS),
        "depeg_dwell_ms": Renamed("depeg_dwell_s", _ONE_UNIT, _SECONDS),
        "leave_dwell_ms": Renamed("leave_dwell_s", _ONE_UNIT, _SECONDS),
        "slash_hold_ms": Renamed("slash_hold_s", _ONE_UNIT, _SECONDS),
    },
    "Rules": {
        "moved_ms": Renamed("moved_s", _ONE_UNIT, _SECONDS),
        "drift_bps_h": Renamed("drift_bps_hours", _ONE_UNIT),
        "share_bps": Renamed("share_percent", _ONE_UNIT, "in percent"),
        "depth_ms": Renamed("depth_s", _ONE_UNIT, _SECONDS),
        "stuck_ms": Renamed("stuck_s", _ONE_UNIT, _SECONDS),
        "snapshot_wad": Renamed("snapshot_rate", _ONE_UNIT, 'a decimal text, "1.05" say'),
        "snapshot_at_ms": Renamed("snapshot_at_s", _ONE_UNIT, "in Unix seconds"),
        "snapshot_ms": Renamed("snapshot_days", _ONE_UNIT, "in days"),
        "cadence_ms": Renamed("cadence_s", _ONE_UNIT, _SECONDS),
        "ramp_ms": Renamed("ramp_s", _ONE_UNIT, _SECONDS),
    },
    "Tuning": {
        "half_life_ms": Renamed("half_life_s", _ONE_UNIT, _SECONDS),
        "recent_ms": Renamed("recent_s", _ONE_UNIT, _SECONDS),
        "shift_ms": Renamed("shift_s", _ONE_UNIT, _SECONDS),
        "horizon_ms": Renamed("horizon_s", _ONE_UNIT, _SECONDS),
        "dust_wad": Renamed("dust", _ONE_UNIT, 'a decimal text, "0.1" say'),
        "min_cost_100bps_wad": Renamed("min_cost_100bps", _ONE_UNIT, 'a decimal text, "250" say'),
        "bounds": Renamed("least", _ONE_UNIT, 'and most = ..., decimal texts, "0.9" say'),
    },
    "SourceSection": {
        "max_age_ms": Renamed("max_age_s", _ONE_UNIT, _SECONDS),
        "average_ms": Renamed("average_s", _ONE_UNIT, _SECONDS),
    },
    "TargetSection": {
        "registry": Renamed(None, _BY_STAKE, "what decides who signs is found from the store's owner; leave it out"),
    },
    "StoreSection": {
        "registry": Renamed("stake", _BY_STAKE, "a table of its own, see docs/config.md: what is bonded is `stake.delegated`"),
    },
})  # fmt: skip
"""Old names by the record that the table is parsed into."""


def explained(record: str, name: str) -> str | None:
    """The sentence for a key that a record has under another name by now, or has in another file; None for any other."""
    old = RENAMED.get(record, {}).get(name)
    if old is not None:
        return old.sentence(name)
    return None
