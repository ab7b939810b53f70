"""A replay, or all of them, as one HTML file that needs nothing else: zoom, and each round's explanation under the pointer.

Needs plotly, an optional extra; its script is written into the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from feeds.units import BPS, WAD
from lab.outcome.measure import OURS
from lab.outcome.pushes import pushed
from lab.outcome.replay import Replay
from lab.show.plot import BAND_COLOUR, COLOURS, OURS_COLOUR, OWED_COLOUR, PlotError, explained, price_limits, spans, utc
from lab.show.replay_text import all_lines, case_lines

_MOST_POINTS = 4_000
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1a2433}
pre{background:#f4f6f8;padding:1rem;overflow-x:auto;font-size:12.5px}h2{margin-top:3rem}
td,th{padding:.15rem .7rem;text-align:left}.no{color:#b02a2a;font-weight:600}
"""


def plotly_objects() -> Any:
    """Plotly's graph objects.

    Raises:
        PlotError: it is not installed.
    """
    try:
        from plotly import graph_objects  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise PlotError("an HTML report needs plotly: pip install 'lrt-oracle[plot]'") from None
    return graph_objects


def write_report(played: Sequence[Replay], file: Path) -> None:
    """Write the report.

    Raises:
        PlotError: plotly is absent, or the file cannot be written.
    """
    go = plotly_objects()
    one = len(played) == 1
    title = f"{played[0].case.name}: {played[0].case.title}" if one else f"{len(played)} cases"
    parts = [page_head(title), "<p>Times are UTC. Point at a line for the round's explanation; drag to look closer."]
    if not one:
        parts += [_contents(played), f"<pre>{escape(chr(10).join(all_lines(played)))}</pre>"]
    script: Any = True
    for each in played:
        if not one:
            parts.append(f'<h2 id="{escape(each.case.name)}">{escape(each.case.name)}: {escape(each.case.title)}</h2>')
        if each.moments:
            parts.append(_figure(go, each).to_html(full_html=False, include_plotlyjs=script, default_height="30rem"))
            script = False
        parts.append(f"<p>{escape(each.case.facts)}</p><pre>{escape(chr(10).join(case_lines(each)))}</pre>")
    write_page(parts, file)


def page_head(title: str) -> str:
    """How a page begins: its title, and how it looks."""
    shown = escape(title)
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{shown}</title><style>{_STYLE}</style><h1>{shown}</h1>"


def write_page(parts: Sequence[str], file: Path) -> None:
    """Write the parts of a page.

    Raises:
        PlotError: the file cannot be written.
    """
    try:
        file.write_text("\n".join(parts) + "</html>\n", encoding="utf-8")
    except OSError as e:
        raise PlotError(f"{file}: {e.strerror or e}") from None


def _contents(played: Sequence[Replay]) -> str:
    rows = [
        f'<tr><td><a href="#{escape(p.case.name)}">{escape(p.case.name)}</a></td><td>{escape(p.case.title)}</td>'
        f"<td>{'as expected' if p.passed else '<span class=no>NOT as expected</span>'}</td></tr>"
        for p in played
    ]
    return f"<table>{''.join(rows)}</table>"


def _figure(go: Any, played: Replay) -> Any:
    moments = _thinned(played)
    at = [utc(played, played.moments[i].t_ms) for i in moments]
    kept = [played.moments[i] for i in moments]
    figure = go.Figure()
    ours = [m.price_wad / WAD if m.price_wad else None for m in kept]
    half = [m.price_wad * m.spread_bps / BPS / WAD for m in kept]
    step = {"shape": "hv"}
    for name, statements in played.peers.items():
        prices = [p / WAD if (p := statements[i].price_wad) else None for i in moments]
        if any(prices):
            figure.add_scatter(x=at, y=prices, name=name, line={**step, "width": 1}, opacity=0.6, hoverinfo="skip")
    low, high = ([None if p is None else p + sign * b for p, b in zip(ours, half, strict=True)] for sign in (-1, 1))
    plain = {"line": {**step, "width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=at, y=low, showlegend=False, **plain)
    figure.add_scatter(x=at, y=high, name="price +- spread", fill="tonexty", fillcolor="rgba(59,110,165,.2)", **plain)
    figure.add_scatter(
        x=at, y=[m.market_wad / WAD if m.market_wad else None for m in kept], name="market",
        line={**step, "width": 1.2, "color": BAND_COLOUR}, hoverinfo="skip",
    )  # fmt: skip
    if any(m.redemption_wad for m in kept):
        figure.add_scatter(
            x=at, y=[m.redemption_wad / WAD if m.redemption_wad else None for m in kept], name="redemption",
            line={**step, "width": 1.4, "color": OWED_COLOUR, "dash": "dash"}, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=at, y=ours, name=f"{OURS} ({played.case.spec.mode})", line={**step, "width": 2, "color": OURS_COLOUR},
        customdata=[escape(_hover(m)).replace("\n", "<br>") for m in kept], hovertemplate="%{x|%Y-%m-%d %H:%M:%S} UTC<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    truth = played.case.truth
    if truth is not None:
        values = [(truth.at(m.t_ms) or truth.first) / WAD for m in kept]
        figure.add_scatter(
            x=at, y=values, name="truth", line={"width": 1, "color": "black", "dash": "dot"}, hoverinfo="skip"
        )
    bottom, top = price_limits(played)
    due = pushed(played.case.spec, played.moments)
    figure.add_scatter(
        x=[utc(played, m.t_ms) for m in due], y=[bottom] * len(due), name=f"pushes by change ({len(due)})", mode="markers",
        marker={"symbol": "triangle-up", "size": 6, "color": OURS_COLOUR}, hoverinfo="x",
    )  # fmt: skip
    shown = set()
    for status, from_ms, to_ms in spans(played):
        if status in COLOURS:
            figure.add_vrect(
                x0=utc(played, from_ms), x1=utc(played, to_ms), fillcolor=COLOURS[status], opacity=0.35, line_width=0, layer="below",
                name=f"status {status.word}", showlegend=status not in shown,
            )  # fmt: skip
            shown.add(status)
    figure.update_layout(
        template="plotly_white", margin={"l": 60, "r": 10, "t": 10, "b": 40}, yaxis={"range": [bottom, top], "title": played.case.feed},
        hovermode="closest", xaxis={"title": "UTC"}, legend={"y": 0.93},
    )  # fmt: skip
    return figure


def _hover(m: Any) -> str:
    texts = [f"price {m.price_wad / WAD:.6f} +- {m.spread_bps} bps"]
    texts += [f"market {m.market_wad / WAD:.6f}"] if m.market_wad else []
    texts += [f"redemption {m.redemption_wad / WAD:.6f}"] if m.redemption_wad else []
    texts += [f"from redemption {m.deviation_bps / 100:+.2f} %"] if m.deviation_bps is not None else []
    return "\n".join([*texts, explained(m)])


def _thinned(played: Replay) -> list[int]:
    """Places of the moments that are shown: all of a short case; of a longer one those at which something changes, and some between."""
    moments = played.moments
    every = -(-len(moments) // _MOST_POINTS)
    out: list[int] = []
    for i, m in enumerate(moments):
        last = moments[out[-1]] if out else None
        changed = last is None or (m.status, m.codes) != (last.status, last.codes)
        if changed or not i % every or i + 1 == len(moments):
            out.append(i)
    return out
