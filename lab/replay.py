"""Replay cases: what we and others would have published, when our status changed and why, and whether it is as expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError
from feeds.units import wad_text
from lab import case as cases
from lab.case import Case
from lab.designs.registry import DESIGNS
from lab.judging import failures, refusal
from lab.measure import OURS, Change, Outcome, changes, measured, ours
from lab.peers import PeerStatement, publications
from lab.run import Moment, run
from oracle.combine.methods.registry import METHODS
from oracle.model.status import Status
from oracle.model.suggest import nearest


class ReplayError(LrtOracleError, ValueError):
    """The case, method or design cannot be used: what is wrong and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A case and its results. ``peers``: what each of the named designs published, moment by moment."""

    case: Case
    moments: tuple[Moment, ...]
    failures: tuple[str, ...]
    refused: tuple[str, ...]
    changes: tuple[Change, ...]
    designs: Mapping[str, Outcome]
    peers: Mapping[str, Sequence[PeerStatement]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all results are as expected."""
        return not self.failures


def replay(case: Case, against: Sequence[str] = tuple(DESIGNS)) -> Replay:
    """Run the real pipeline, and the designs named, over a case."""
    for name in against:
        if name not in DESIGNS:
            raise ReplayError(f"{name!r} is not a design; {nearest(name, DESIGNS)}")
    if case.config:
        refused = tuple(refusal(case))
        return Replay(
            case=case, moments=(), failures=tuple(failures(case, ())), refused=refused, changes=(), designs={}
        )
    moments = run(case)
    peers = {name: publications(case, moments, name) for name in against}
    return Replay(
        case=case,
        moments=moments,
        failures=tuple(failures(case, moments)),
        refused=(),
        changes=changes(moments),
        designs={
            OURS: ours(case, moments),
            **{n: measured(case, moments, statements) for n, statements in peers.items()},
        },
        peers=peers,
    )


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
    return [cases.load(f, data) for f in files]


def ranges(played: Replay) -> dict[str, tuple[int, int] | None]:
    """The lowest and the highest price that each design published, in wad; None: none at all."""
    prices_by_design = {OURS: [int(m.price_wad) for m in played.moments if m.price_wad and m.status is not Status.HALT]}
    prices_by_design |= {
        name: [s.price_wad for s in statements if s.price_wad] for name, statements in played.peers.items()
    }
    return {name: (min(prices), max(prices)) if prices else None for name, prices in prices_by_design.items()}


def document(played: Replay) -> dict[str, Any]:
    """A replayed case as JSON."""
    case, ranges_by_design = played.case, ranges(played)
    return {
        "name": case.name,
        "title": case.title,
        "passed": played.passed,
        "failures": list(played.failures),
        "feed": case.feed,
        "honest": case.honest,
        "recorded": case.recorded,
        "rounds": len(played.moments),
        "cadence_s": case.cadence_ms // 1_000,
        "stretch": case.stretch,
        "refused": list(played.refused),
        "designs": {
            name: {**o.document(), "low": _text(ranges_by_design[name], 0), "high": _text(ranges_by_design[name], 1)}
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


def _text(pair: tuple[int, int] | None, place: int) -> str | None:
    return None if pair is None else wad_text(pair[place])
