"""Writes the cases as files, and what a design or we ourselves answer to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from feeds.types import Failure
from feeds.units import BPS, MS, WAD
from lab.benchmark.layout import (
    ANSWER_COLUMNS,
    CASE,
    FORMAT,
    QUOTE_COLUMNS,
    QUOTES,
    TRUTH,
    TRUTH_COLUMNS,
    VERSION,
    attack_document,
    number,
    seconds,
    write_rows,
)
from lab.outcome.measure import OURS, own_statement
from lab.play.peers import PeerRuns, PeerStatement
from lab.play.run import outcomes_at, play
from lab.scenario.case import Case
from lab.scenario.rows import RowPath
from lab.scenario.source_series import SeriesPath


def export(case: Case, folder: Path) -> None:
    """Write a case into a folder of its name."""
    own = folder / case.name
    own.mkdir(parents=True, exist_ok=True)
    truth = case.truth
    between = "step" if isinstance(truth, RowPath) else truth.between if isinstance(truth, SeriesPath) else "linear"
    document = {
        "format": FORMAT,
        "version": VERSION,
        "name": case.name,
        "title": case.title,
        "part": case.part,
        "honest": case.honest,
        "recorded": case.recorded,
        "licence": case.licence,
        "source": case.source,
        "facts": case.facts,
        "made_up": case.synthesised,
        "feed": case.feed,
        "feeds": [_feed(case, spec.feed) for spec in case.specs],
        "began": case.began_ms // MS,
        "length_s": case.length_ms // MS,
        "round_s": case.round_ms // MS,
        "warm_up_s": case.warm_up_ms // MS,
        "truth_between": between,
        "attacks": [attack_document(a, case.began_ms) for a in case.attacks],
    }
    (own / CASE).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_rows(own / QUOTES, QUOTE_COLUMNS, _quotes(case))
    write_rows(own / TRUTH, TRUTH_COLUMNS, _truth(case))


def _feed(case: Case, name: str) -> dict[str, Any]:
    spec = next(s for s in case.specs if s.feed == name)
    bands = spec.bands
    return {
        "feed": name,
        "watch_bps": bands.watch_bps,
        "depeg_bps": bands.depeg_bps,
        "normal_bps": bands.normal_bps,
        "converted": {s.name: s.convert for s in spec.sources if s.convert},
    }


def _truth(case: Case) -> Iterator[tuple[str, str]]:
    truth = case.truth
    points: Sequence[tuple[int, int]] = ()
    if isinstance(truth, SeriesPath):
        points = truth.points
    elif truth is not None:
        points = tuple(zip(truth.times_ms, truth.values, strict=True))
    for at_ms, wad in points:
        yield seconds(case.began_ms + at_ms), number(wad)


def _quotes(case: Case) -> Iterator[tuple[Any, ...]]:
    """A row whenever a source answers something else at a round; it counts until its next row."""
    last: dict[tuple[str, str], tuple[Any, ...]] = {}
    t_ms = still_ms = 0
    while t_ms <= case.length_ms:
        at = seconds(case.began_ms + t_ms)
        for feed, outcomes in outcomes_at(case, t_ms).items():
            for series, outcome in zip(case.series[feed], outcomes, strict=True):
                if isinstance(outcome, Failure):
                    row: tuple[Any, ...] = ("failed", "", "", "", "", "", "")
                else:
                    live = outcome.observed_at_ms == case.began_ms + t_ms
                    share = None if outcome.base_share_bps is None else outcome.base_share_bps * WAD // BPS
                    row = (
                        "live" if live else "silent", "" if live else seconds(outcome.observed_at_ms), number(outcome.price_wad),
                        number(outcome.bid_wad), number(outcome.ask_wad), number(outcome.depth_wad), number(share),
                    )  # fmt: skip
                key = (feed, series.source)
                if last.get(key) != row:
                    last[key] = row
                    yield (at, feed, series.source, series.group, series.kind.value, *row)
        following, change_ms = case.next_round_ms(t_ms), case.next_change_ms(t_ms)
        if t_ms < still_ms:  # the round after a change: what was live in it may be silent now
            t_ms = max(following, -(-change_ms // case.round_ms) * case.round_ms)
        else:
            t_ms, still_ms = following, change_ms


def write_answers(case: Case, names: Sequence[str], folder: Path) -> None:
    """Write what designs (and we, by our own name) answer to a case: FOLDER/DESIGN/CASE.csv, a row for each change."""
    peers = PeerRuns(case, [name for name in names if name != OURS])
    answers: dict[str, list[tuple[int, PeerStatement]]] = {name: [] for name in names}
    for m in play(case):
        statements = {OURS: own_statement(m), **peers.step(m)}
        for name in names:
            statement = statements[name]
            if not answers[name] or answers[name][-1][1] != statement:
                answers[name].append((m.t_ms, statement))
    for name, rows in answers.items():
        own = folder / name
        own.mkdir(parents=True, exist_ok=True)
        write_rows(own / f"{case.name}.csv", ANSWER_COLUMNS, (_answer(case, at, s, name) for at, s in rows))


def _answer(case: Case, t_ms: int, statement: PeerStatement, name: str) -> tuple[Any, ...]:
    spread = "" if statement.spread_bps is None else statement.spread_bps
    state = statement.status.word if name == OURS else ""
    return seconds(case.began_ms + t_ms), number(statement.price_wad), spread, state
