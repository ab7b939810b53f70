"""A feed beside its references as a picture, and a whole report as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from feeds.types import Kind
from feeds.units import BPS, WAD
from lab.shadow.feed_report import FeedReport
from lab.shadow.rounds import NO_PRICE, ReferenceWord, ShadowRound
from lab.shadow.text import feed_lines
from lab.show.html_report import page_head, plotly_objects, write_page
from lab.show.plot import BAND_COLOUR, COLOURS, OURS_COLOUR, OWED_COLOUR, check_suffix, format_times, library, save
from oracle.model.status import Status

_MOST_POINTS = 4_000
_THEIRS = ("#8e3b8e", "#b5651d", "#0f8a8a", "#7a7a12", "#c2185b", "#5d4037")
"""Of references: none is like ours, the redemption rate or a shading."""
_NAN = float("nan")


def utc(at_s: int) -> datetime:
    """A time in UTC and without a zone, as axes want it."""
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None)


def draw(report: FeedReport, file: Path) -> None:
    """Write a PNG, SVG or PDF: prices above, below the distance of each reference.

    Raises:
        PlotError: no matplotlib, or the file cannot be written.
    """
    figure = library()
    check_suffix(file)
    rounds = shown(report)
    at = [utc(r.at_s) for r in rounds]
    picture = figure.Figure(figsize=(11.7, 8.3), layout="constrained")
    prices, distance = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    ours = [_or_nan(r.price_wad) for r in rounds]
    half = [p * r.spread_bps / BPS for p, r in zip(ours, rounds, strict=True)]
    low, high = ([p + sign * h for p, h in zip(ours, half, strict=True)] for sign in (-1, 1))
    prices.fill_between(at, low, high, alpha=0.25, color=BAND_COLOUR, linewidth=0, step="post", label="price +- spread")
    prices.plot(at, ours, color=OURS_COLOUR, linewidth=1.6, drawstyle="steps-post", label=f"ours ({report.spec.mode})")
    if any(r.redemption_wad for r in rounds):
        owed = [_or_nan(r.redemption_wad) for r in rounds]
        prices.plot(
            at, owed, color=OWED_COLOUR, linewidth=1.0, linestyle="--", drawstyle="steps-post", label="redemption"
        )
    for place, beside in enumerate(report.references):
        theirs = [_or_nan(r.words[place].price_wad) for r in rounds]
        colour = _THEIRS[place % len(_THEIRS)]
        prices.plot(at, theirs, color=colour, linewidth=1.0, drawstyle="steps-post", label=beside.name)
        off = [_off(r, place, beside.side) for r in rounds]
        distance.plot(at, off, linewidth=0.9, drawstyle="steps-post", color=colour)
    for axes in (prices, distance):
        for status, from_s, to_s in spans(rounds):
            axes.axvspan(utc(from_s), utc(to_s), color=COLOURS[status], alpha=0.35, linewidth=0)
        axes.grid(visible=True, linewidth=0.3, alpha=0.6)
    prices.set_title(
        f"{report.spec.feed} beside its references; shaded: status watch, depeg, halt", fontsize=11, loc="left"
    )
    prices.set_ylabel(report.spec.feed)
    distance.set_ylabel("theirs from ours, bps")
    distance.set_xlabel("UTC")
    prices.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    format_times(distance)
    save(picture, file)


def write_html(reports: Sequence[FeedReport], documents: Sequence[dict[str, Any]], file: Path) -> None:
    """Write a page with a section for each feed: picture and text.

    Raises:
        PlotError: no plotly, or the file cannot be written.
    """
    go = plotly_objects()
    parts = [page_head("Shadow run"), "<p>Times are UTC. Distances are theirs from ours. Drag to look closer."]
    script: Any = True
    for report, document in zip(reports, documents, strict=True):
        parts.append(f"<h2>{escape(report.spec.feed)}</h2>")
        if report.rounds:
            figure = _figure(go, report)
            parts.append(figure.to_html(full_html=False, include_plotlyjs=script, default_height="30rem"))
            script = False
        parts.append(f"<pre>{escape(chr(10).join(feed_lines(document)))}</pre>")
    write_page(parts, file)


def _figure(go: Any, report: FeedReport) -> Any:
    rounds = shown(report)
    at = [utc(r.at_s) for r in rounds]
    step = {"shape": "hv"}
    figure = go.Figure()
    for place, beside in enumerate(report.references):
        theirs = [_or_none(r.words[place].price_wad) for r in rounds]
        hover = [_hover(r, place, beside.side) for r in rounds]
        figure.add_scatter(
            x=at, y=theirs, name=beside.name, line={**step, "width": 1.2, "color": _THEIRS[place % len(_THEIRS)]}, customdata=hover,
            hovertemplate="%{x|%Y-%m-%d %H:%M:%S} UTC<br>%{customdata}",
        )  # fmt: skip
    if any(r.redemption_wad for r in rounds):
        figure.add_scatter(
            x=at, y=[_or_none(r.redemption_wad) for r in rounds], name="redemption",
            line={**step, "width": 1.2, "color": OWED_COLOUR, "dash": "dash"}, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=at, y=[_or_none(r.price_wad) for r in rounds], name=f"ours ({report.spec.mode})",
        line={**step, "width": 2, "color": OURS_COLOUR}, customdata=[_explained(r) for r in rounds],
        hovertemplate="%{x|%Y-%m-%d %H:%M:%S} UTC<br>%{customdata}",
    )  # fmt: skip
    named: set[Status] = set()
    for status, from_s, to_s in spans(rounds):
        figure.add_vrect(
            x0=utc(from_s), x1=utc(to_s), fillcolor=COLOURS[status], opacity=0.35, line_width=0, layer="below",
            name=f"status {status.word}", showlegend=status not in named,
        )  # fmt: skip
        named.add(status)
    figure.update_layout(
        template="plotly_white", margin={"l": 60, "r": 10, "t": 10, "b": 40}, yaxis={"title": report.spec.feed},
        hovermode="closest", xaxis={"title": "UTC"},
    )  # fmt: skip
    return figure


def shown(report: FeedReport) -> list[ShadowRound]:
    """All rounds of a short run; of a longer one those at which the status or a silence changes, and some between.

    A gap is one in the picture too: a round without any price stands in it.
    """
    every = -(-len(report.rounds) // _MOST_POINTS)
    return [
        r for i, r in enumerate(_with_gaps(report)) if not i % max(1, every) or not r.price_wad or _changes(report, r)
    ]


def _with_gaps(report: FeedReport) -> Iterator[ShadowRound]:
    gaps = dict(report.statuses.gaps)
    for r in report.rounds:
        yield r
        if r.at_s in gaps:
            yield ShadowRound(
                at_s=r.at_s + report.interval_s, price_wad=NO_PRICE, market_wad=NO_PRICE,
                redemption_wad=NO_PRICE, spread_bps=0, status=None, reasons=(), why="GAP", text="no round",
                groups=0, spec_hash="", words=(ReferenceWord(),) * len(r.words),
            )  # fmt: skip


def _changes(report: FeedReport, r: ShadowRound) -> bool:
    return any(change["at"] == r.at_s for change in report.statuses.changes)


def spans(rounds: Sequence[ShadowRound]) -> Iterator[tuple[Status, int, int]]:
    """(status, from, to) of each stretch with one status that is not ok."""
    begun: tuple[Status, int] | None = None
    for r in rounds:
        if begun is not None and r.status is not begun[0]:
            yield (*begun, r.at_s)
            begun = None
        if begun is None and r.status in COLOURS and r.status is not None:
            begun = (r.status, r.at_s)
    if begun is not None:
        yield (*begun, rounds[-1].at_s)


def _or_nan(wad: int) -> float:
    return wad / WAD if wad else _NAN


def _or_none(wad: int) -> float | None:
    return wad / WAD if wad else None


def _off(r: ShadowRound, place: int, side: Kind) -> float:
    own, theirs = r.own(side), r.words[place].price_wad
    return (theirs - own) * BPS / own if own and theirs else _NAN


def _hover(r: ShadowRound, place: int, side: Kind) -> str:
    off = _off(r, place, side)
    return f"{r.words[place].price_wad / WAD:.6f}" + ("" if off != off else f", {off:+.1f} bps from ours")  # noqa: PLR0124 - not a number


def _explained(r: ShadowRound) -> str:
    rows = [f"{r.price_wad / WAD:.6f} +- {r.spread_bps} bps, {r.status.word if r.status is not None else 'no status'}"]
    rows += [f"{reason.code.name}: {reason.text}" for reason in r.reasons]
    return "<br>".join(map(escape, rows))
