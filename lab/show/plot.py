"""A replayed case as a page of a report: prices and band, distance from redemption, states. Needs matplotlib, an optional extra."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError
from feeds.units import BPS, MS, WAD
from lab.outcome.measure import OURS
from lab.outcome.pushes import pushed
from lab.outcome.replay import Replay
from lab.play.run import Moment
from oracle.model.status import Status

COLOURS = {Status.WATCH: "#f2d16b", Status.DEPEG: "#e58a4e", Status.HALT: "#c94f4f"}
"""Shading of what is not ok."""
OURS_COLOUR, OWED_COLOUR, BAND_COLOUR = "#1d3f66", "#2f7d4f", "#3b6ea5"
_SUFFIXES = (".png", ".svg", ".pdf")
_MOST_REASONS = 8
_ROOM = 0.06
_NAN = float("nan")


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
    """Write a PNG, SVG or PDF, by the file's suffix.

    Raises:
        PlotError: no matplotlib, a suffix that it does not know, or a case about a config.
    """
    figure = library()
    if not played.moments:
        raise PlotError(f"{played.case.name} is about a config: there is nothing to draw")
    check_suffix(file)
    picture = figure.Figure(figsize=(11.7, 8.3), layout="constrained")
    prices, distance = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    at = [utc(played, m.t_ms) for m in played.moments]
    _prices(prices, played, at)
    _distance(distance, played, at)
    for axes in (prices, distance):
        _states(axes, played)
        axes.set_xlim(at[0], utc(played, played.moments[-1].last_ms))
        axes.grid(visible=True, linewidth=0.3, alpha=0.6)
    _reasons(prices, played)
    prices.set_title(f"{played.case.name}: {played.case.title}", fontsize=11, loc="left")
    prices.set_ylabel(played.case.feed)
    distance.set_xlabel("UTC")
    handles, labels = _legend(prices, played)
    prices.legend(handles, labels, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    format_times(distance)
    save(picture, file)


def check_suffix(file: Path) -> None:
    """PlotError unless a picture can be written in such a file."""
    if file.suffix not in _SUFFIXES:
        raise PlotError(f"{file}: a plot is written as {', '.join(_SUFFIXES)}")


def save(picture: Any, file: Path) -> None:
    """Write a picture.

    Raises:
        PlotError: the file cannot be written.
    """
    try:
        picture.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as e:
        raise PlotError(f"{file}: {e.strerror or e}") from None
    except ValueError as e:
        raise PlotError(f"{file}: {e}") from None


def utc(played: Replay, t_ms: int) -> datetime:
    """The time of a moment, in UTC and without a zone, as axes want it."""
    return datetime.fromtimestamp((played.case.began_ms + t_ms) / MS, UTC).replace(tzinfo=None)


def price_limits(played: Replay) -> tuple[float, float]:
    """Our prices, redemption and the truth are in view; a design that is far off may leave the picture."""
    seen = [p / WAD for m in played.moments for p in (m.price_wad, m.market_wad, m.redemption_wad) if p]
    truth, end = played.case.truth, played.case.length_ms
    if truth is not None:
        ends = truth.lowest(0, end), truth.scaled(-1, 1).lowest(0, end)
        seen += [abs(wad) / WAD for wad in ends if wad is not None]
    if not seen:
        peers = (s.price_wad for statements in played.peers.values() for s in statements if s.price_wad)
        seen = [price / WAD for price in peers] or [0.0, 1.0]
    low, high = min(seen), max(seen)
    room = max((high - low) * _ROOM, high * _ROOM / 10)
    return low - room, high + room


def spans(played: Replay) -> list[tuple[Status, int, int]]:
    """(status, from, to) of each stretch with one status, in ms since the case began."""
    out: list[tuple[Status, int, int]] = []
    for m in played.moments:
        if out and out[-1][0] is m.status:
            out[-1] = (m.status, out[-1][1], m.last_ms)
        else:
            if out:
                out[-1] = (out[-1][0], out[-1][1], m.t_ms)
            out.append((m.status, m.t_ms, m.last_ms))
    return out


def _prices(axes: Any, played: Replay, at: Sequence[datetime]) -> None:
    moments = played.moments
    for name, statements in played.peers.items():
        prices = [s.price_wad / WAD if s.price_wad else _NAN for s in statements]
        if any(s.price_wad for s in statements):
            axes.plot(at, prices, linewidth=0.6, alpha=0.8, drawstyle="steps-post", label=name)
    ours = [m.price_wad / WAD if m.price_wad else _NAN for m in moments]
    half = [m.price_wad * m.spread_bps / BPS / WAD for m in moments]
    low, high = ([p + sign * b for p, b in zip(ours, half, strict=True)] for sign in (-1, 1))
    axes.fill_between(at, low, high, alpha=0.25, color=BAND_COLOUR, linewidth=0, step="post", label="price +- spread")
    market = [m.market_wad / WAD if m.market_wad else _NAN for m in moments]
    axes.plot(at, market, color=BAND_COLOUR, linewidth=1.0, drawstyle="steps-post", label="market")
    if any(m.redemption_wad for m in moments):
        owed = [m.redemption_wad / WAD if m.redemption_wad else _NAN for m in moments]
        axes.plot(
            at, owed, color=OWED_COLOUR, linewidth=1.2, linestyle="--", drawstyle="steps-post", label="redemption"
        )
    axes.plot(
        at, ours, color=OURS_COLOUR, linewidth=1.8, drawstyle="steps-post", label=f"{OURS} ({played.case.spec.mode})"
    )
    truth = played.case.truth
    if truth is not None:
        values = [(truth.at(m.t_ms) or truth.first) / WAD for m in moments]
        axes.plot(at, values, color="black", linewidth=0.8, linestyle=":", label="truth")
    low_limit, high_limit = price_limits(played)
    axes.set_ylim(low_limit, high_limit)
    due = pushed(played.case.spec, moments)
    if due:
        times, heights = [utc(played, m.t_ms) for m in due], [low_limit + (high_limit - low_limit) * 0.015] * len(due)
        axes.plot(
            times,
            heights,
            linestyle="",
            marker="^",
            markersize=3,
            color=OURS_COLOUR,
            label=f"pushes by change ({len(due)})",
        )


def _distance(axes: Any, played: Replay, at: Sequence[datetime]) -> None:
    """Market against redemption in percent, with the bands."""
    bands = played.case.spec.bands
    known = [m.deviation_bps for m in played.moments if m.deviation_bps is not None]
    if not known:
        axes.plot(at, [m.spread_bps / 100 for m in played.moments], color=BAND_COLOUR, linewidth=0.8)
        axes.set_ylabel("spread, %")
        return
    values = [_NAN if m.deviation_bps is None else m.deviation_bps / 100 for m in played.moments]
    axes.plot(at, values, color=BAND_COLOUR, linewidth=1.0, drawstyle="steps-post")
    for bps, status in ((bands.watch_bps, Status.WATCH), (bands.depeg_bps, Status.DEPEG)):
        for sign in (-1, 1):
            axes.axhline((bands.normal_bps + sign * bps) / 100, color=COLOURS[status], linewidth=0.9)
    reach = max(abs(bps - bands.normal_bps) for bps in (*known, bands.normal_bps + bands.depeg_bps))
    below = min(*known, bands.normal_bps - bands.watch_bps)
    axes.set_ylim(
        (below - reach * _ROOM) / 100, (max(*known, bands.normal_bps + bands.watch_bps) + reach * _ROOM) / 100
    )
    axes.set_ylabel("from redemption, %")


def _states(axes: Any, played: Replay) -> None:
    for status, from_ms, to_ms in spans(played):
        if status in COLOURS:
            axes.axvspan(utc(played, from_ms), utc(played, to_ms), color=COLOURS[status], alpha=0.35, linewidth=0)


def _reasons(axes: Any, played: Replay) -> None:
    """Why the status changed, beside the change."""
    end_ms = max(1, played.moments[-1].last_ms)
    for i, change in enumerate(played.changes[:_MOST_REASONS]):
        why = f"{change.after.word}: {', '.join(change.codes) or 'inside its bands'}"
        late = change.t_ms * 2 > end_ms
        axes.annotate(
            why, (utc(played, change.t_ms), 0.97 - 0.04 * (i % 5)), xycoords=("data", "axes fraction"), fontsize=7,
            ha="right" if late else "left", xytext=(-3 if late else 3, 0), textcoords="offset points",
        )  # fmt: skip


def _legend(axes: Any, played: Replay) -> tuple[list[Any], list[str]]:
    """The lines, and what each shading means where it occurs."""
    from matplotlib.patches import Patch  # noqa: PLC0415 - an optional extra

    handles, labels = axes.get_legend_handles_labels()
    for status in {s: None for s, _, _ in spans(played) if s in COLOURS}:
        handles.append(Patch(facecolor=COLOURS[status], alpha=0.35))
        labels.append(f"status {status.word}")
    return handles, labels


def format_times(axes: Any) -> None:
    """Times along an axis, as short as they can be told apart."""
    from matplotlib import dates  # noqa: PLC0415 - an optional extra

    locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def explained(m: Moment) -> str:
    """A round in a few lines, for people."""
    rows = [f"status {m.status.word}" + ("" if m.fresh else ", no price of its own")]
    rows += [f"{code}: {text}" for code, text in zip(m.codes, m.texts, strict=False)]
    rows += [f"refused {source}: {code}" for source, code in m.rejected[:_MOST_REASONS]]
    if m.rounds > 1:
        rows.append(f"{m.rounds} rounds alike")
    return "\n".join(rows)
