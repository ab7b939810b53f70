"""How long suspicion takes, against the formula, and which histories must never lead to depeg.

``python -m lab.seeded.suspicion [--histories N]`` prints the figures of docs/adr/0006-suspicion.md.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from feeds.units import MS
from oracle.judge.suspicion import advance, round_limit_ms
from oracle.model.spec import Bands
from oracle.model.state import JudgeState
from oracle.model.status import Status

SPIKE, HEALTHY, BLIND, DOUBT = Status.DEPEG, Status.OK, None, Status.WATCH
"""Rounds with evidence of depeg and healthy ones have a price; blind ones have none, nor has doubt: a fact that asks for watch."""
INTERVAL_MS = 10_000
HOUR = 360
_START_MS = 1_700_000_000_000
EvidenceRound = tuple[int, Status | None, bool]
"""Milliseconds since the round before, the status that the evidence asks for, whether there is a price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Rounds of one interval after a quiet time; the first of them says depeg."""

    bands: Bands
    interval_ms: int
    evidence: tuple[Status | None, ...]


def bands(watch_ms: int = 30_000, depeg_ms: int = 60_000, leave_ms: int = 300_000) -> Bands:
    """The defaults of the config, or other dwells."""
    return Bands(
        watch_bps=50,
        watch_leave_bps=25,
        depeg_bps=200,
        depeg_leave_bps=100,
        watch_dwell_s=watch_ms // MS,
        depeg_dwell_s=depeg_ms // MS,
        leave_dwell_s=leave_ms // MS,
    )


def statuses(rounds: Sequence[EvidenceRound], bands: Bands) -> list[Status]:
    """The status after each round."""
    return list(_statuses(rounds, bands))


def _statuses(rounds: Iterable[EvidenceRound], bands: Bands) -> Iterator[Status]:
    state, now_ms = JudgeState(at_ms=_START_MS), _START_MS
    for gap_ms, evidence, priced in rounds:
        now_ms += gap_ms
        state = advance(bands, state, evidence, now_ms, priced=priced)
        yield state.status


def random_history(rng: random.Random) -> History:
    """Any dwells, interval, duty and share of blind rounds."""
    interval_ms = rng.choice((1_000, 2_000, 10_000, 10_000, 10_000, 60_000))
    duty, blind = rng.uniform(0.5, 1), rng.choice((0.0, 0.0, rng.uniform(0, 0.9)))
    evidence = [_hidden(rng) if rng.random() < blind else SPIKE if rng.random() < duty else HEALTHY for _ in range(600)]
    dwells = [2_000 * rng.randint(1, 60) for _ in range(3)]
    chosen = bands() if rng.random() < 0.5 else bands(*dwells)  # noqa: PLR2004 - half of them as configured
    return History(bands=chosen, interval_ms=interval_ms, evidence=(SPIKE, *evidence))


def _hidden(rng: random.Random) -> Status | None:
    return rng.choice((BLIND, BLIND, DOUBT))


def delay_ms(made: History, to: Status) -> int | None:
    """Milliseconds from the first evidence to a status or a worse one; None if it never came."""
    rounds = ((made.interval_ms, e, e in {SPIKE, HEALTHY}) for e in made.evidence)
    n = next((n for n, status in enumerate(_statuses(rounds, made.bands)) if status >= to), None)
    return None if n is None else n * made.interval_ms


def longest_ms(made: History, to: Status) -> int | None:
    """The longest delay that the formula allows this history; None while it promises nothing.

    With s rounds with evidence of depeg and h healthy ones so far: by the first round that is not healthy at which s u - h v exceeds
    the dwell. u = min(interval, dwell / 2); v = u for depeg, min(interval, leave dwell / 2) dwell / leave dwell for watch.
    """
    dwell_ms = made.bands.depeg_dwell_s * MS if to is Status.DEPEG else made.bands.watch_dwell_s * MS
    drain_ms = made.bands.depeg_dwell_s * MS if to is Status.DEPEG else made.bands.leave_dwell_s * MS
    fills = min(made.interval_ms, round_limit_ms(dwell_ms))
    drains = min(made.interval_ms, round_limit_ms(drain_ms)) * dwell_ms // drain_ms
    held = 0
    for n, evidence in enumerate(made.evidence):
        held += fills if evidence is SPIKE else -drains if evidence is HEALTHY else 0
        if held > dwell_ms and evidence is not HEALTHY:
            return n * made.interval_ms
    return None


def _priced(evidence: Sequence[Status]) -> list[EvidenceRound]:
    return [(INTERVAL_MS, status, True) for status in evidence]


def _spread(rng: random.Random, spikes: int, of: int) -> list[Status]:
    """So many spikes in every stretch of so many rounds, at random places."""
    out: list[Status] = []
    for _ in range(HOUR // of):
        places = set(rng.sample(range(of), spikes))
        out += [SPIKE if i in places else HEALTHY for i in range(of)]
    return out


FAMILIES = (
    "one spike",
    "one spike in six priced rounds",
    "one spike and then an hour without prices",
    "two spikes and then an hour without prices",
    "an hour of 30 % flicker",
)


def harmless_rounds(family: str, rng: random.Random) -> list[EvidenceRound]:
    """Rounds that never lead to depeg."""
    before = _priced([HEALTHY] * rng.randrange(30))
    silence: list[EvidenceRound] = [(INTERVAL_MS, BLIND, False)] * HOUR
    match family:
        case "one spike":
            return before + _priced([SPIKE]) + _priced([HEALTHY] * HOUR)
        case "one spike in six priced rounds":
            return before + _priced(_spread(rng, 1, 6))
        case "an hour of 30 % flicker":
            return before + _priced(_spread(rng, 3, 10))
        case "one spike and then an hour without prices":
            return before + _priced([SPIKE]) + silence
        case _:
            return before + _priced([SPIKE, SPIKE]) + silence


def _independent_flicker(rng: random.Random) -> list[EvidenceRound]:
    """Each round of an hour by itself: now and then enough of them fall together, and that is what a depeg is."""
    return _priced([SPIKE if rng.random() < 0.3 else HEALTHY for _ in range(HOUR)])  # noqa: PLR2004 - 30 %


def _rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - histories that anybody can make again


def _delays(made: Sequence[History], to: Status) -> Iterator[str]:
    due = [(delay_ms(m, to), longest) for m in made if (longest := longest_ms(m, to)) is not None]
    late = sum(delay is None or delay > longest for delay, longest in due)
    parts = sorted((delay or 0) / max(1, longest) for delay, longest in due)
    yield f"{len(due)} of {len(made)} random histories have a longest delay to {to.word}: {late} are later"
    yield f"of the longest delay: median {parts[len(parts) // 2]:.0%}, at most {parts[-1]:.0%}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m lab.seeded.suspicion", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    count = parser.parse_args().histories
    made = [random_history(_rng(seed)) for seed in range(count)]
    lines = [line for to in (Status.WATCH, Status.DEPEG) for line in _delays(made, to)]
    for family in FAMILIES:
        false = sum(Status.DEPEG in statuses(harmless_rounds(family, _rng(s)), bands()) for s in range(count))
        lines.append(f"{family}: depeg in {false} of {count}")
    false = sum(Status.DEPEG in statuses(_independent_flicker(_rng(s)), bands()) for s in range(count))
    lines.append(f"an hour in which each round is suspicious by itself with 30 %: depeg in {false} of {count}")
    print("\n".join(lines))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
