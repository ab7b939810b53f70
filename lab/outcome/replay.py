"""Replay cases: what we and others would have published, when our status changed and why, and whether it is as expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError
from feeds.units import wad_text
from lab.designs.registry import DESIGNS
from lab.outcome.figures import Figures
from lab.outcome.judging import Judging, config_failures, refusal
from lab.outcome.measure import OURS, Change, Meter, Outcome, change_between, own_statement
from lab.play.peers import PeerRuns, PeerStatement
from lab.play.run import Moment, play
from lab.scenario import case as cases
from lab.scenario.case import Case, OwnData
from oracle.combine.methods.registry import METHODS
from oracle.model.suggest import nearest


class ReplayError(LrtOracleError, ValueError):
    """The case, method or design cannot be used: what is wrong and what to write."""


KEPT_MOMENTS = 20_000
"""So many moments of a case are kept for pictures; of a longer one those at which something changes, and some between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A case and its results.

    ``moments``: those kept for pictures; ``peers``: what each of the named designs published at them; ``ranges``: the lowest and
    the highest price that each design published.
    """

    case: Case
    moments: tuple[Moment, ...]
    failures: tuple[str, ...]
    refused: tuple[str, ...]
    changes: tuple[Change, ...]
    designs: Mapping[str, Outcome]
    figures: Figures
    ranges: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)
    peers: Mapping[str, Sequence[PeerStatement]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all results are as expected."""
        return not self.failures


Watcher = Callable[[Moment], None]


def replay(
    case: Case, against: Sequence[str] = tuple(DESIGNS), watchers: Sequence[Watcher] = (), *, leap: bool = True
) -> Replay:
    """Run the real pipeline, and the designs named, over a case.

    Args:
        case: the case.
        against: names of designs. Over a quiet stretch that is leapt over a design is asked in its last rounds.
        watchers: each is called with every moment, in order.
        leap: see :func:`lab.play.run.play`.
    """
    for name in against:
        if name not in DESIGNS:
            raise ReplayError(f"{name!r} is not a design; {nearest(name, DESIGNS)}")
    if case.config:
        return Replay(
            case=case, moments=(), failures=tuple(config_failures(case)), refused=tuple(refusal(case)), changes=(), designs={},
            figures=Figures(case=case),
        )  # fmt: skip
    figures, judging, kept = Figures(case=case), Judging(case), _Kept(case)
    peers = PeerRuns(case, against)
    meters = {name: Meter(case.truth, case.length_ms, case.attacks) for name in (OURS, *against)}
    found: list[Change] = []
    before: Moment | None = None
    for m in play(case, leap=leap):
        statements = {OURS: own_statement(m), **peers.step(m)}
        for name, statement in statements.items():
            meters[name].add(m.t_ms, statement)
        figures.add(m)
        judging.add(m)
        kept.add(m, statements)
        if before is not None and (change := change_between(before, m)) is not None:
            found.append(change)
        before = m
        for watcher in watchers:
            watcher(m)
    outcomes = {name: meter.outcome() for name, meter in meters.items()}
    return Replay(
        case=case,
        moments=tuple(kept.moments),
        failures=tuple(judging.failures(outcomes[OURS].error_bps, outcomes[OURS].cheapest)),
        refused=(),
        changes=tuple(found),
        designs=outcomes,
        figures=figures,
        ranges={name: None if m.low is None or m.high is None else (m.low, m.high) for name, m in meters.items()},
        peers={name: kept.statements[name] for name in against},
    )


class _Kept:
    """Moments for pictures: of a long case each change of status, reason or price by a part in ten thousand, thinned."""

    def __init__(self, case: Case) -> None:
        rounds = case.length_ms // case.round_ms + len(case.row_rounds_ms)
        self._every_ms = 0 if rounds <= KEPT_MOMENTS else -(-case.length_ms // KEPT_MOMENTS)
        self.moments: list[Moment] = []
        self.statements: dict[str, list[PeerStatement]] = defaultdict(list)

    def add(self, m: Moment, statements: Mapping[str, PeerStatement]) -> None:
        last = self.moments[-1] if self.moments else None
        if (
            last is not None
            and m.t_ms - last.t_ms < self._every_ms
            and (m.status, m.codes) == (last.status, last.codes)
        ):
            return
        self.moments.append(m if not self._every_ms else replace(m, outcomes={}))
        for name, statement in statements.items():
            self.statements[name].append(statement)


def with_method(case: Case, method: str | None) -> Case:
    """The case with another method in its own feed; as it is for None, and where the case is about a config.

    Raises:
        ReplayError: no such method.
    """
    if method is not None and method not in METHODS:
        raise ReplayError(f"{method!r} is not a method; {nearest(method, METHODS)}")
    return case if method is None or case.config else case.with_method(method)


def load_cases(what: str, data: Path | None) -> list[Case]:
    """Cases of a name, a TOML file, or ``all``.

    Raises:
        ReplayError: no such case.
        ConfigError: the file is not a case.
    """
    known = cases.names()
    if what == "all":
        files = [cases.CASES / f"{n}.toml" for n in known]
    elif what in known:
        files = [cases.CASES / f"{what}.toml"]
    elif Path(what).is_file():
        files = [Path(what)]
    else:
        raise ReplayError(f"{what!r} is neither a case nor a file; {nearest(what, known)}")
    try:
        return [cases.load(f, data) for f in files]
    except UnicodeDecodeError:
        raise ReplayError(
            f"{what} is neither a case (TOML) nor a table: write a table as .csv, .tsv, .txt or .parquet, unpacked"
        ) from None


def document(played: Replay) -> dict[str, Any]:
    """A replayed case as JSON."""
    case = played.case
    return {
        "name": case.name,
        "title": case.title,
        "passed": played.passed,
        "failures": list(played.failures),
        "feed": case.feed,
        "honest": case.honest,
        "recorded": case.recorded,
        "round_s": case.round_ms // 1_000,
        "stretch": case.stretch,
        "own_data": None if case.own is None else _own_document(case.own),
        **played.figures.document(),
        "refused": list(played.refused),
        "designs": {
            name: {**o.document(), "low": _text(played.ranges[name], 0), "high": _text(played.ranges[name], 1)}
            for name, o in played.designs.items()
        },
        "changes": [
            {
                "at_ms": case.began_ms + c.t_ms,
                "before": c.before.word,
                "after": c.after.word,
                "codes": list(c.codes),
                "texts": list(c.texts),
            }
            for c in played.changes
        ],
    }


def _own_document(own: OwnData) -> dict[str, Any]:
    return {
        "between_rows": own.between.value,
        "spacing_s": own.spacing_ms / 1_000,
        "columns": own.columns,
        "notes": list(own.notes),
        "status_unknown": own.unknown or None,
    }


def _text(pair: tuple[int, int] | None, place: int) -> str | None:
    return None if pair is None else wad_text(pair[place])
