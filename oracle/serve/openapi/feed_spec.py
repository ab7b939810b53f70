"""The schemas of a feed's bands and rules."""

from __future__ import annotations

from oracle.serve.openapi.schema import flag, object_of, text, whole

BANDS = object_of(
    {
        "watch_bps": whole("deviation at which watch is entered"),
        "watch_leave_bps": whole("and left"),
        "depeg_bps": whole("deviation at which depeg is entered"),
        "depeg_leave_bps": whole("and left"),
        "normal_bps": whole("the discount that is usual for this token"),
        "watch_dwell_s": whole("how long it must last before watch"),
        "depeg_dwell_s": whole("before depeg"),
        "leave_dwell_s": whole("before a better status"),
        "slash_ppb": whole("fall of the rate that counts as a slash, parts per billion"),
        "slash_hold_s": whole("how long a slash is held against the token"),
    }
)
RULES = object_of(
    {
        "moved_bps": whole("change of the deviation that is watched"),
        "moved_s": whole("within so long"),
        "drift_slack_bps": whole("excess over the normal level that never adds up"),
        "drift_bps_hours": whole("sum of the excess at which a slow drift is watched"),
        "disagree_bps": whole("distance of a group that is watched"),
        "share_percent": whole("share of stable pools' value in the token that is watched"),
        "depth_percent": whole("of the usual depth, below which it is watched"),
        "depth_s": whole("over so long"),
        "stuck_s": whole("a source that says the same for so long"),
        "stuck_bps": whole("while the market moves so far"),
        "growth_bps_year": whole("cap on the redemption rate's growth; 0: none"),
        "growth_slack_bps": whole("a step on top of it"),
        "snapshot_rate": text("rate that the cap first grew from, where it was given", nullable=True),
        "snapshot_at_s": whole("when it was that"),
        "snapshot_days": whole("age of the snapshot that the cap grows from"),
        "cadence_s": whole("the rate moves at least this often; 0: not checked"),
        "derivation_bps": whole("how far two readings of the rate may differ"),
        "supply_bps": whole("how much more of the token may exist than is backed"),
        "premium_bps": whole("a market further above redemption is refused"),
        "lone_bps": whole("one group alone is not believed further below"),
        "least_part": whole("a market below one part in so many is refused"),
        "doubt_bps": whole("added to the spread on doubt"),
        "learn_bps_day": whole("how fast the normal level is learned; 0: not"),
        "learn_cap_bps": whole("and how far"),
        "redemption_open": flag("holders can redeem now"),
        "ramp_s": whole("of redemption_unless_depeg"),
    }
)
