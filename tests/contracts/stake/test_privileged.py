"""Nobody special may call anything that `check` and docs/trust.md do not name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import contracts
from oracle.check.stake_roles import FUNCTIONS
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.privileged import deployed, privileged
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, SymbioticPart
from tests.contracts.stake.story_world import StoryWorld

PAGE = (Path(__file__).parents[3] / "docs" / "trust.md").read_text(encoding="utf-8")
REFUSALS = {"NotAllowed", "NotTimelock", "NotArbiter"}
"""Errors that say that the caller is the wrong one."""


def named() -> set[str]:
    return {f for functions in FUNCTIONS.values() for f in functions}


def test_every_function_that_not_everybody_may_call_is_named() -> None:
    """By the sources: a contract that gains one fails here until a role has it, and docs/trust.md names it."""
    assert named() == privileged()


def test_the_page_names_each_of_them_with_who_may_call_it() -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| ((?:`\w+\.\w+`(?:, )?)+) \|$", PAGE, re.MULTILINE))
    assert {who: set(re.findall(r"`([^`]+)`", cells)) for who, cells in rows.items()} == {
        who: set(functions) for who, functions in FUNCTIONS.items()
    }


def nothing(entry: dict[str, Any]) -> Any:
    """A value of a type: zeros, and lists of nothing."""
    kind = entry["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(nothing(c) for c in entry["components"])
    if kind.startswith("bytes"):
        return bytes(int(kind[5:] or 0))
    return "0x" + "00" * 20 if kind == "address" else kind != "bool" and 0


def test_a_stranger_is_refused_there_and_nowhere_else() -> None:
    """Every function of every deployed contract, called by somebody: who is refused for being the wrong caller is named."""
    world = StoryWorld(KINDS["all three"], SOURCE_GAS["all three"])
    vaults = next(p.vaults for p in world.parts if isinstance(p, SymbioticPart))
    at = dict(zip(("DelegatedStake", "SymbioticStake", "EigenStake"), world.sources, strict=True)) | {
        "StakedSet": world.set, "KeyBook": world.book, "Penalties": world.penalties, "Rewards": world.rewards,
        "CollateralValues": world.values, "SymbioticVaults": vaults, "StakeWindows": world.windows,
    }  # fmt: skip
    assert set(deployed()) - {"WeightMath"} == set(at)
    refused = set()
    for contract, where in at.items():
        for entry in contracts.load(contract).abi:
            if entry["type"] != "function" or entry["stateMutability"] in ("view", "pure"):
                continue
            with world.branch():
                error, _ = world.evm.call(where, entry["name"], *map(nothing, entry["inputs"]), sender=STRANGER)
            if error in REFUSALS:
                refused.add(f"{contract}.{entry['name']}")
    assert refused == named()
