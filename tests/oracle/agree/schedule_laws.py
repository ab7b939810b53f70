"""Laws of a run: what must hold of every schedule, and what of those in which the network delivers."""

from __future__ import annotations

from collections.abc import Iterator

from eth_hash.auto import keccak

from oracle.agree.messages import Certificate
from oracle.agree.terms import Timing
from oracle.report.wire import split_items
from tests.oracle.agree.schedule import Schedule
from tests.oracle.agree.schedule_run import Run, sealed_of

_FLIGHTS, _FLIGHTS_TWICE = 3, 6
"""Words of an attempt one after the other before a signature: advance, proposal, ready; and those of its second step."""


def broken_laws(schedule: Schedule) -> list[str]:
    """Names of the laws that a schedule breaks, with what was seen."""
    run = Run(schedule).run()
    return [*run.faults, *_two_seals(run), *_two_items(run), *_liveness(run)]


def _two_seals(run: Run) -> Iterator[str]:
    contents = {(s.step, s.content.hash()) for s in sealed_of(run)}
    if len({c for _, c in contents}) > 1:
        yield f"no_two_sealed_rounds_of_one_store_and_round_time: {len(contents)}"


def _two_items(run: Run) -> Iterator[str]:
    """Two items of one feed, each with signatures of weight T if liars sign whatever they like: a batch could be made of either."""
    weights = run.schedule.weights
    spare = sum(weights[n] for n in run.schedule.liars)
    backed: dict[int, set[bytes]] = {}
    for feed, item in {(f, i) for (_, f), i in run.bound.items()}:
        weight = sum(weights[n] for (n, f), i in run.bound.items() if (f, i) == (feed, item))
        if weight + spare >= run.schedule.threshold:
            backed.setdefault(feed, set()).add(item)
    for feed, items in backed.items():
        if len(items) > 1:
            yield f"no_two_batches_with_different_items_of_one_feed_and_round: feed {feed}"


# --- liveness ------------------------------------------------------------------------------------------------------------


def reaches(schedule: Schedule, flights: int = _FLIGHTS) -> bool:
    """Whether so many words one after the other fit into an attempt before its last signature; each step waits for all clocks."""
    timing = schedule.timing
    steps = -(-flights // _FLIGHTS)
    return flights * schedule.delay_ms[1] + steps * schedule.skew_ms <= timing.next_ms - timing.guard_ms


def _liveness(run: Run) -> Iterator[str]:
    schedule = run.schedule
    if not reaches(schedule) or not _can_seal(run):
        return
    due_ms = due_of(schedule)
    if due_ms is None:
        return
    late = [n for n in run.honest() if run.sealed_ms.get(n, schedule.timing.end_ms + 1) > due_ms]
    if late:
        times = {n: run.sealed_ms.get(n) for n in late}
        yield f"a round seals in time: due by {due_ms} ms, sealed {times} (in step {[s.step for s in sealed_of(run)][:1]})"


def due_of(schedule: Schedule) -> int | None:
    """The end of the first attempt that is wholly in good times and led by a live honest member; None if there is none.

    Where a feed may be parted and words are too slow for two steps, the next such attempt.
    """
    timing = schedule.timing
    parts = any((*schedule.blind, *schedule.parted, *schedule.halted)) or bool(schedule.liars)
    needed = 2 if parts and not reaches(schedule, _FLIGHTS_TWICE) else 1
    slack_ms = schedule.delay_ms[1] + schedule.skew_ms
    calm_ms = max(schedule.bad_until_ms, _last_word_ms(schedule)) + slack_ms
    leaders = [n for n in range(schedule.size) if schedule.weights[n]]
    for attempt in range(timing.attempts):
        begins_ms = timing.deadline_ms(attempt - 1) if attempt else 0
        is_good = begins_ms >= calm_ms if attempt else not schedule.bad_until_ms and _speak_early(schedule)
        if not is_good:
            continue
        if timing.deadline_ms(attempt) - timing.guard_ms < begins_ms + timing.next_ms - timing.guard_ms:
            return None
        if leaders[attempt % len(leaders)] not in schedule.faulty:
            needed -= 1
        if needed == 0:
            return timing.deadline_ms(attempt)
    return None


def _speak_early(schedule: Schedule) -> bool:
    """Whether the values of all honest members are there in time for the first attempt."""
    timing: Timing = schedule.timing
    flights = _FLIGHTS_TWICE * schedule.delay_ms[1] + 2 * schedule.skew_ms
    return _last_word_ms(schedule) + timing.grace_ms + flights <= timing.first_ms - timing.guard_ms


def _last_word_ms(schedule: Schedule) -> int:
    """When all honest members have spoken."""
    return max(schedule.speaks_ms[n] for n in range(schedule.size) if n not in schedule.faulty)


def _can_seal(run: Run) -> bool:
    """Whether all honest members can sign what is certified last: before the network delivered a key may have been bound apart."""
    schedule = run.schedule
    if not schedule.bad_until_ms:
        return True
    certificates = [c for n in run.honest() if (c := run.states[n].certificate) is not None]
    if not certificates:
        return not run.bound
    highest: Certificate = max(certificates, key=lambda c: c.step)
    items = {f: keccak(i) for f, i in split_items(highest.content.items).items()}
    able = [
        n for n in run.honest() if all(keccak(run.bound.get((n, f), b"")) in {h, keccak(b"")} for f, h in items.items())
    ]
    return sum(schedule.weights[n] for n in able) >= schedule.threshold
