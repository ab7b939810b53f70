"""A replayed case as a picture: prices, our band, the status and why it changed. Needs matplotlib, an optional extra."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError
from feeds.units import BPS, MS, WAD
from lab.measure import OURS
from lab.replay import Replay
from oracle.model.status import Status

_COLOURS = {Status.WATCH: "#f2d16b", Status.DEPEG: "#e58a4e", Status.HALT: "#c94f4f"}
_MOST_REASONS = 8
_MARGIN = 0.05


class PlotError(LrtOracleError, ValueError):
    """There is nothing to draw, or nothing to draw with."""


def library() -> Any:
    """Matplotlib's figure module.

    Raises:
        PlotError: it is not installed.
    """
    try:
        from matplotlib import figure  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise PlotError("a plot needs matplotlib: pip install 'lrt-oracle[plot]'") from None
    return figure


def draw(played: Replay, file: Path) -> None:
    """Write a PNG or SVG, by the file's suffix.

    Raises:
        PlotError: no matplotlib, a suffix that it does not know, or a case about a config.
    """
    figure = library()
    if not played.moments:
        raise PlotError(f"{played.case.name} is about a config: there is nothing to draw")
    picture = figure.Figure(figsize=(11, 6), layout="constrained")
    axes = picture.subplots()
    at = [datetime.fromtimestamp((played.case.began_ms + m.t_ms) / MS, UTC) for m in played.moments]
    _prices(axes, played, at)
    _states(axes, played, at)
    low, high = _limits(played)
    axes.set_ylim(low, high)
    axes.set_title(f"{played.case.name}: {played.case.title}", fontsize=10, loc="left")
    axes.set_ylabel(played.case.feed)
    axes.legend(fontsize=7, loc="best")
    picture.autofmt_xdate()
    try:
        picture.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else None)
    except (OSError, ValueError) as e:
        raise PlotError(f"{file}: {e}") from None


def _prices(axes: Any, played: Replay, at: Sequence[datetime]) -> None:
    moments = played.moments
    for name, statements in played.peers.items():
        prices = [s.price_wad / WAD if s.price_wad else float("nan") for s in statements]
        axes.plot(at, prices, linewidth=0.8, label=name)
    ours = [m.price_wad / WAD if m.price_wad else float("nan") for m in moments]
    band = [m.price_wad * m.spread_bps / BPS / WAD for m in moments]
    axes.fill_between(
        at,
        [p - b for p, b in zip(ours, band, strict=True)],
        [p + b for p, b in zip(ours, band, strict=True)],
        alpha=0.3,
        color="#3b6ea5",
        linewidth=0,
    )
    axes.plot(at, ours, color="#1d3f66", linewidth=1.8, label=OURS)
    owed = [m.redemption_wad / WAD if m.redemption_wad else float("nan") for m in moments]
    if any(m.redemption_wad for m in moments):
        axes.plot(at, owed, color="#4d8f4d", linewidth=1, linestyle="--", label="redemption")
    truth = played.case.truth
    if truth is not None:
        axes.plot(
            at,
            [(truth.at(m.t_ms) or 0) / WAD for m in moments],
            color="black",
            linewidth=0.8,
            linestyle=":",
            label="truth",
        )


def _states(axes: Any, played: Replay, at: Sequence[datetime]) -> None:
    """Shade what is not ok, and write why beside each change."""
    place = 0
    for status, run in groupby(played.moments, key=lambda m: m.status):
        size = len(list(run))
        if status in _COLOURS:
            axes.axvspan(at[place], at[min(place + size, len(at) - 1)], color=_COLOURS[status], alpha=0.35, linewidth=0)
        place += size
    by_time = {m.t_ms: moment for m, moment in zip(played.moments, at, strict=True)}
    for i, change in enumerate(played.changes[:_MOST_REASONS]):
        why = f"{change.after.word}: {', '.join(change.codes) or 'inside its bands'}"
        axes.annotate(
            why,
            (by_time[change.t_ms], 0.97 - 0.05 * (i % 4)),
            xycoords=("data", "axes fraction"),
            fontsize=7,
            rotation=0,
        )


def _limits(played: Replay) -> tuple[float, float]:
    """Our prices and the truth must be visible; a design that is far off may leave the picture."""
    prices = [m.price_wad / WAD for m in played.moments if m.price_wad]
    if played.case.truth is not None:
        prices += [wad / WAD for _, wad in played.case.truth.points]
    if not prices:
        peers = (s.price_wad for statements in played.peers.values() for s in statements if s.price_wad)
        prices = [price / WAD for price in peers] or [0.0, 1.0]
    low, high = min(prices), max(prices)
    room = max((high - low) * 2 * _MARGIN, high * _MARGIN / 10)
    return low - room, high + room
