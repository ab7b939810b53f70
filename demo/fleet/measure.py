"""``python -m demo.fleet.measure WHAT``: what a network of operators does under bad conditions, as one JSON document.

WHAT is one of:

calm            whole operators: rounds, attempts, time from a round's start to sealed, pushes; ``--conditions`` for a bad network
leaders         kill -9 of the leader as its round begins, so many times
blackout        n - T + 1 operators are killed at once and started again later
partition       parts 2-3 and 1-4, for ``--seconds`` each, and heals
misbehaviours   each of `demo.fleet.behaviours`, one after the other, in one seat
light           light operators (`demo.fleet.light_process`): rounds, bytes, CPU and memory at many members and feeds

All counts are read from the operators' databases and the chain. ``--seed`` fixes which frames are lost and late.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from demo.fleet.light import measure_light
from demo.fleet.measuring import MeasureOptions, measure_blackout, measure_calm, measure_leaders, measure_partition
from demo.fleet.misbehaviour_table import measure_misbehaviours

CONDITIONS: Mapping[str, Mapping[str, float]] = MappingProxyType({
    "none": {},
    "delay": {"delay_ms": 80.0},
    "delay-drop": {"delay_ms": 80.0, "drop": 0.01},
    "delay-stall": {"delay_ms": 80.0, "stall": 0.01, "stall_ms": 200.0},
})  # fmt: skip
"""One way; drops and stalls are shares of frames."""
Measure = Callable[[Path, MeasureOptions], Coroutine[Any, Any, dict[str, Any]]]


async def _light(folder: Path, options: MeasureOptions) -> dict[str, Any]:
    return await measure_light(
        folder, operators=options.operators, feeds=options.feeds, rounds=options.rounds,
        interval_s=options.interval_s, seed=options.seed, conditions=options.conditions,
    )  # fmt: skip


MEASURES: Mapping[str, Measure] = MappingProxyType({
    "calm": measure_calm,
    "leaders": measure_leaders,
    "blackout": measure_blackout,
    "partition": measure_partition,
    "misbehaviours": measure_misbehaviours,
    "light": _light,
})  # fmt: skip


def parsed(arguments: list[str]) -> tuple[str, MeasureOptions, Path | None]:
    """What is asked for: what to measure, with which options, and where everything is kept."""
    parser = argparse.ArgumentParser(prog="python -m demo.fleet.measure", description=(__doc__ or "").split("\n\n", 1)[1],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--operators", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20, help="rounds, kills, or rounds for each misbehaviour")
    parser.add_argument("--interval", type=int, default=5, help="seconds between rounds; attempts shrink below 5")
    parser.add_argument("--feeds", type=int, default=40, help="of light operators")
    parser.add_argument("--seconds", type=int, default=60, help="length of a partition or blackout")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--conditions", choices=CONDITIONS, default="none")
    parser.add_argument("--only", default="", help="misbehaviours, comma separated; default: all")
    parser.add_argument("--folder", type=Path, help="keep everything here")
    given = parser.parse_args(arguments)
    options = MeasureOptions(
        operators=given.operators, rounds=given.rounds, interval_s=given.interval, feeds=given.feeds,
        seconds=given.seconds, seed=given.seed, conditions=CONDITIONS[given.conditions],
        only=tuple(n for n in given.only.split(",") if n),
    )  # fmt: skip
    return given.what, options, given.folder


def main(arguments: list[str]) -> None:
    """Measure, and print one JSON document."""
    what, options, folder = parsed(arguments)
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-measure-") as temporary:
        kept = (folder or Path(temporary)).absolute()
        kept.mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(MEASURES[what](kept, options))
    sys.stdout.write(json.dumps({"measured": what, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
