"""[retention] beside the rest: nothing goes before the times are over in which it may be asked for as evidence."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.config.sections import Config
from oracle.config.tables.schema import Problem
from oracle.model.retention import Retention

_DAY_S = 86_400
_ROUNDS_DAYS, _MINUTES_DAYS, _HOURS_DAYS, _PUSHED_DAYS = 7, 30, 1_825, 400
_REPORTED_EPOCHS = 16
"""Before the newest: of these operators still say who signed what, and compute again what others have reported."""
_HANDED_ON = 600
"""Operators hand on to each other so many rounds: a record that is learned late must not be older than those that thin out."""


def evidence_days(config: Config) -> tuple[int, str]:
    """For how many days what was signed may be asked for, and what says so; 0 and "" where nobody signs."""
    found = [(0, "")]
    if config.operators:
        found.append((config.watch.keep_days, "watch.keep_days, for which words are compared"))
    for name, store in config.stores.items():
        if store.stake is not None:
            days = -(-store.stake.needs_s(store) // _DAY_S)
            text = f"stores.{name}.stake: a weight is kept, evidence, dispute and execution of a penalty take that together"
            found.append((days, text))
            days = -(-_REPORTED_EPOCHS * store.stake.epoch_s // _DAY_S)
            found.append((days, f"stores.{name}.stake: reports of rewards reach back {_REPORTED_EPOCHS} epochs"))
    return max(found)


def retention_of(config: Config) -> Retention:
    """The days of each kind, those that are left out filled in."""
    keep = config.retention
    least, _ = evidence_days(config)
    learned_days = -(-_HANDED_ON * config.oracle.round_interval_s // _DAY_S) + 1
    rounds = keep.rounds_days or max(_ROUNDS_DAYS, least)
    values = keep.values_days or rounds
    records = keep.records_days or max(rounds, learned_days)
    minutes = keep.minutes_days or max(_MINUTES_DAYS, records)
    return Retention(
        rounds_days=rounds,
        values_days=values,
        records_days=records,
        minutes_days=minutes,
        hours_days=keep.hours_days or max(_HOURS_DAYS, minutes),
        pushed_values_days=keep.pushed_values_days or max(_PUSHED_DAYS, values),
        pushes_days=keep.pushes_days or max(_PUSHED_DAYS, rounds, records + 1),
    )


def retention_problems(config: Config) -> Iterator[Problem]:
    """What is wrong with [retention] and the tables that it goes with."""
    keep, (least, why) = retention_of(config), evidence_days(config)
    if keep.rounds_days < least:
        text = f"{keep.rounds_days} is less than the {least} days for which what was signed may be asked for ({why}): write"
        yield Problem("retention.rounds_days", f"{text} {least} or more, or leave it out")
    learned_days = -(-_HANDED_ON * config.oracle.round_interval_s // _DAY_S) + 1
    bounds = (
        ("values_days", keep.values_days, "rounds_days", keep.rounds_days),
        ("records_days", keep.records_days, "rounds_days", keep.rounds_days),
        ("minutes_days", keep.minutes_days, "records_days", keep.records_days),
        ("hours_days", keep.hours_days, "minutes_days", keep.minutes_days),
        ("pushed_values_days", keep.pushed_values_days, "values_days", keep.values_days),
    )
    for name, days, other, other_days in bounds:
        if days < other_days:
            text = f"{days} is less than {other} = {other_days}, and what is kept there needs it"
            yield Problem(f"retention.{name}", f"{text}: write {other_days} or more, or less for {other}")
    if keep.pushes_days <= keep.records_days:
        text = f"{keep.pushes_days} is not more than records_days = {keep.records_days}: records that were pushed are kept for good,"
        yield Problem(
            "retention.pushes_days",
            f"{text} and which they are must still be known; write {keep.records_days + 1} or more, or less for records_days",
        )
    if keep.records_days < learned_days:
        text = f"{keep.records_days} is too short for rounds of {config.oracle.round_interval_s} s"
        yield Problem(
            "retention.records_days",
            f"{text}: {_HANDED_ON} of them are handed on late between operators; write {learned_days} or more",
        )
