"""Random histories of a risk steward over the unmodified Aave v3, beside a model that was written from the docs."""

from __future__ import annotations

import random
from collections import Counter

from tests.contracts.evm_process import GUARDIAN, STRANGER
from tests.contracts.steward_model import RuleModel, StewardModel
from tests.contracts.steward_world import (
    BACKING,
    BONUS,
    CALM_S,
    DEPEG,
    DEPEGGED,
    HALT,
    LIQUIDITY,
    LTV,
    MAX_AGE_S,
    OK,
    SILENT,
    THRESHOLD,
    UNBACKED,
    WATCH,
    Rule,
    StewardWorld,
)

KINDS = (
    ("says",) * 6
    + ("poke",) * 6
    + ("wait", "wait", "put off", "put off", "restore", *("ok and restore",) * 2, "governs")
)


def test_any_history_ends_as_the_model_s() -> None:
    """Rounds, silences, pokes, put-offs, restores and governance in any order: Aave stands as what the pokes saw says."""
    seen: Counter[str] = Counter()
    for seed in range(20):
        rng, world = random.Random(seed), StewardWorld()
        rules = [Rule(UNBACKED, rng.choice((0, 900)), freeze=False), Rule(DEPEGGED, 1_800), Rule(SILENT, 7_200, False)]
        world.rules(*rules)
        model = StewardModel([RuleModel(r) for r in rules], LTV, THRESHOLD, state_reason=16 * OK, round_s=world.evm.now)
        for _ in range(80):
            kind = rng.choice(KINDS)
            got, wanted = step(kind, rng, world, model)
            assert got == wanted, (seed, kind)
            assert world.word() & 0xFFFFFFFF == model.ltv | model.threshold << 16, (seed, kind)
            assert world.stands[1] == model.frozen, (seed, kind)
            done = [rule[7] for rule in world.evm.ok(world.steward, "rulesOf", world.token)]
            assert done == [one.done for one in model.rules], (seed, kind)
            seen.update([f"{kind}: {wanted}", *(["acted"] if kind == "poke" and model.acted else [])])
    reached = (
        "acted",
        "ok and restore: ",
        "ok and restore: ChangedSince",
        "restore: NotCalm",
        "put off: ",
        "put off: PutOffBefore",
    )
    assert [name for name in reached if seen[name] < 4] == [], seen


def step(kind: str, rng: random.Random, world: StewardWorld, model: StewardModel) -> tuple[str, str]:
    """One step of a history; the errors of the steward and of the model."""
    if kind == "says":
        state, reason = rng.choice(
            ((OK, 0), (OK, 0), (WATCH, BACKING), (WATCH, LIQUIDITY), (DEPEG, BACKING), (HALT, 1))
        )
        for _ in range(rng.choice((1, 4))):
            says(state, reason, rng.choice((2, 300, 590)), world, model)
    elif kind == "wait":
        world.evm.jump(rng.choice((60, MAX_AGE_S, 9_000, CALM_S)))
    elif kind == "poke":
        model.poke(world.evm.now)
        world.poke()
    elif kind == "put off":
        rule = rng.randrange(3)
        return world.put_off(rule), model.put_off(rule, world.evm.now)
    elif kind.endswith("restore"):
        if kind != "restore":
            says(OK, 0, 2, world, model)
        guardian = rng.random() < 0.5
        return world.restore(GUARDIAN if guardian else STRANGER), model.restore(world.evm.now, guardian=guardian)
    else:
        governs(rng, world, model)
    return "", ""


def says(state: int, reason: int, after_s: int, world: StewardWorld, model: StewardModel) -> None:
    world.says(state, reason, after_s=after_s)
    model.state_reason, model.round_s = 16 * state + reason, world.evm.now


def governs(rng: random.Random, world: StewardWorld, model: StewardModel) -> None:
    what = rng.choice(("ltv", "freeze", "forget"))
    if what == "ltv":
        model.ltv, model.threshold = rng.choice((0, 5_000, LTV)), rng.choice((THRESHOLD, THRESHOLD - 100))
        world.governs("configureReserveAsCollateral", model.ltv, model.threshold, BONUS)
    elif what == "freeze":
        model.frozen = rng.random() < 0.3
        world.governs("setReserveFreeze", model.frozen)
    else:
        model.forget()
        world.evm.ok(world.steward, "forget", world.token)
