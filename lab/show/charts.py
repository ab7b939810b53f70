"""The pictures of ``docs/methodology.md``: how methods follow a step, what liars do to them, and two incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feeds.units import BPS
from lab.outcome.replay import Replay
from lab.seeded.estimate import Estimate, step_response
from lab.show.plot import draw, library

FOLDER = "methodology"
STEP_METHODS = ("median", "trimmed_mean", "twap_arithmetic", "time_median", "ema", "dia_mair")
INCIDENTS = ("steth-2022", "ezeth-2024-04-24")
_BEFORE, _AFTER = 15, 200


def step(file: Path, seed: int) -> None:
    """Published price after the truth fell by 2 %, by method."""
    picture, axes = _empty()
    for method in STEP_METHODS:
        made, prices = step_response(method, seed)
        first, _ = made.middle
        span = range(first - _BEFORE, first + _AFTER)
        truth = made.truth[first - 1]
        axes.plot(
            [(i - first) * made.interval_s for i in span],
            [(prices[i] / truth - 1) * BPS for i in span],
            label=method,
            linewidth=1.2,
        )
    axes.set_xlabel("seconds after the step")
    axes.set_ylabel("published price, bps from where it was")
    axes.legend(fontsize=8)
    _save(picture, file)


def liars(file: Path, found: Mapping[int, Mapping[str, Estimate]]) -> None:
    """The worst error by the number of sources that lie, without a filter. ``found``: liars -> method -> estimate."""
    picture, axes = _empty()
    for method in next(iter(found.values())):
        axes.plot(list(found), [max(0.1, found[k][method].worst_bps) for k in found], marker="o", label=method)
    axes.set_yscale("log")
    axes.set_xticks(list(found))
    axes.set_xlabel("sources of five that say 3 % too much; no filter")
    axes.set_ylabel("worst error, bps")
    axes.legend(fontsize=8)
    _save(picture, file)


def incidents(folder: Path, played: Sequence[Replay]) -> None:
    """A picture of each of the chosen cases."""
    for each in played:
        if each.case.name in INCIDENTS:
            draw(each, folder / f"{each.case.name}.png")


def _empty() -> tuple[Any, Any]:
    figure = library()
    import matplotlib as mpl  # noqa: PLC0415 - an optional extra, which library() has found

    mpl.rcParams["svg.hashsalt"] = "lrt-oracle"
    mpl.rcParams["svg.fonttype"] = "none"
    picture = figure.Figure(figsize=(8, 4.5), layout="constrained")
    return picture, picture.subplots()


def _save(picture: Any, file: Path) -> None:
    picture.savefig(file, metadata={"Date": None, "Creator": None})
