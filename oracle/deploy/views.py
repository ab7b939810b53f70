"""The views that a store's feeds are read through, with the addresses that they will have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oracle.deploy.create2 import PlannedContract, plan_contract
from oracle.model.spec import FeedSpec, Mode

MODES: Mapping[Mode, int] = {Mode.MARKET: 0, Mode.REDEMPTION: 1, Mode.CAPPED: 1, Mode.MIN: 2, Mode.MAX: 3}
"""FeedView's numbering of the modes: the redemption rate of a capped feed is capped before it is signed."""
_UNLESS_DEPEG = 4
"""ModeView's number of the redemption rate unless the token is in depeg."""
_USD_DECIMALS = 8
_DECIMALS = 18


def feed_id(feed: str) -> bytes:
    """The feed's name, left-aligned in 32 bytes."""
    return feed.encode("ascii").ljust(32, b"\0")


def decimals_of(spec: FeedSpec) -> int:
    """Decimals of a feed's view: 8 against USD, as lenders expect, else 18."""
    return _USD_DECIMALS if spec.pair.quote == "USD" else _DECIMALS


def views_for(store: PlannedContract, specs: Sequence[FeedSpec], *, salt: bytes) -> dict[str, PlannedContract]:
    """A view for each feed, by its name, and before it what it is made of.

    Args:
        store: that holds the feeds.
        specs: feeds, legs before what needs them.
        salt: of the addresses.
    """
    views: dict[str, PlannedContract] = {}
    for spec in specs:
        if spec.is_cross:
            args = [*(views[leg].address for leg in spec.legs), decimals_of(spec)]
            views[spec.feed] = plan_contract(f"the view of {spec.feed}", "CrossView", args, salt=salt)
        elif spec.mode is Mode.REDEMPTION_UNLESS_DEPEG:
            views |= _mode_view(store, spec, salt)
        else:
            views[spec.feed] = _feed_view(store, spec, spec.mode, decimals_of(spec), salt)
    return views


def _feed_view(store: PlannedContract, spec: FeedSpec, mode: Mode, decimals: int, salt: bytes) -> PlannedContract:
    args = [store.address, feed_id(spec.feed), MODES[mode], decimals, spec.heartbeat_s]
    return plan_contract(f"the view of {spec.feed}", "FeedView", args, salt=salt)


def _mode_view(store: PlannedContract, spec: FeedSpec, salt: bytes) -> dict[str, PlannedContract]:
    """Views of both prices, and the ramp over them."""
    both = {
        f"{spec.feed} ({m.value})": _feed_view(store, spec, m, _DECIMALS, salt) for m in (Mode.MARKET, Mode.REDEMPTION)
    }
    args = [*(v.address for v in both.values()), _UNLESS_DEPEG, spec.rules.ramp_s, decimals_of(spec)]
    return {**both, spec.feed: plan_contract(f"the view of {spec.feed}", "ModeView", args, salt=salt)}
