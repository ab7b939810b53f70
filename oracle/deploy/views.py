"""The views that a store's feeds are read through, with the addresses that they will have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oracle.deploy.create2 import Placement, placement
from oracle.model.spec import FeedSpec, Mode

MODES: Mapping[Mode, int] = {Mode.MARKET: 0, Mode.REDEMPTION: 1, Mode.CAPPED: 1, Mode.MIN: 2, Mode.MAX: 3}
"""FeedView's numbering of the modes: the redemption rate of a capped feed is capped before it is signed."""
_UNLESS_DEPEG = 4
"""ModeView's number of the redemption rate unless the token is in depeg."""
_USD_DECIMALS = 8
_DECIMALS = 18
_MS = 1_000


def feed_id(feed: str) -> bytes:
    """The feed's name, left-aligned in 32 bytes."""
    return feed.encode("ascii").ljust(32, b"\0")


def decimals_of(spec: FeedSpec) -> int:
    """Decimals of a feed's view: 8 against USD, as lenders expect, else 18."""
    return _USD_DECIMALS if spec.pair.quote == "USD" else _DECIMALS


def views_of(store: Placement, specs: Sequence[FeedSpec], *, salt: bytes) -> dict[str, Placement]:
    """A view for each feed, by its name, and before it what it is made of.

    Args:
        store: that holds the feeds.
        specs: feeds, legs before what needs them.
        salt: of the addresses.
    """
    views: dict[str, Placement] = {}
    for spec in specs:
        if spec.is_cross:
            args = [*(views[leg].address for leg in spec.legs), decimals_of(spec)]
            views[spec.feed] = placement(f"the view of {spec.feed}", "CrossView", args, salt=salt)
        elif spec.mode is Mode.REDEMPTION_UNLESS_DEPEG:
            views |= _unless_depeg(store, spec, salt)
        else:
            views[spec.feed] = _plain(store, spec, spec.mode, decimals_of(spec), salt)
    return views


def _plain(store: Placement, spec: FeedSpec, mode: Mode, decimals: int, salt: bytes) -> Placement:
    args = [store.address, feed_id(spec.feed), MODES[mode], decimals, spec.heartbeat_s]
    return placement(f"the view of {spec.feed}", "FeedView", args, salt=salt)


def _unless_depeg(store: Placement, spec: FeedSpec, salt: bytes) -> dict[str, Placement]:
    """Both prices, and the ramp over them."""
    both = {f"{spec.feed} ({m.value})": _plain(store, spec, m, _DECIMALS, salt) for m in (Mode.MARKET, Mode.REDEMPTION)}
    args = [*(v.address for v in both.values()), _UNLESS_DEPEG, spec.rules.ramp_s, decimals_of(spec)]
    return {**both, spec.feed: placement(f"the view of {spec.feed}", "ModeView", args, salt=salt)}
