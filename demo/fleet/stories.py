"""The demo's scenarios of several operators, each a process of its own. Times are shares of the run, as in `demo.scenarios`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from demo.fleet.fleet import Fleet, FleetPlan
from demo.fleet.restaked import DELAY_S, FINDER, LIAR, LONGEST_EPOCH_S, RAISED, REPORT_S, RestakedStory
from demo.fleet.restaked_summary import summarise_restaked
from demo.fleet.rotation import rotate
from demo.fleet.rounds_of import leader_of, members_of, next_round_s, sleep_until, until_sealed
from demo.market import DemoMarket
from demo.scenarios import SCENARIOS, Script, Stage
from demo.world.hostile_network import HostileNetwork, PartitionKind
from demo.world.rpc_lies import value_lie
from feeds.units import MS
from oracle.runtime.clock import now_ms

LEAST_OPERATORS, MOST_OPERATORS = 4, 13
_INTERVAL_S = 3
"""Attempts shrink below 5 s: shorter ones are lost on a machine that runs all of it."""
_STAKED_INTERVAL_S = 5
"""With it attempts have their full length: under weights that differ one operator may be indispensable, as none is among equals."""
_BAD, _LIED_TO, _KILLS = 1, 2, 3
_LIE_PERCENT = 10
_DOWN = 0.06
ROTATION_DELAY_S = 45
"""Of the demo's store in ``rotation``. A store takes no less than 31 s: a set is known before the rounds that it signs."""


@dataclass(frozen=True, slots=True)
class FleetStage:
    """What a scenario may change."""

    market: DemoMarket
    fleet: Fleet
    seconds: float
    say: Callable[[str], None]

    async def wait(self, share: float) -> None:
        """Wait for this share of the run."""
        await Stage(self.market, self.seconds, self.say).wait(share)


FleetScript = Callable[[FleetStage], Awaitable[None]]
FleetFacts = Callable[[Fleet], Awaitable[Mapping[str, Any]]]
"""What a story shows beside rounds and pushes; with ``problems`` of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A scenario.

    Attributes:
        script: what happens.
        plan: the fleet that it needs, of the one that was asked for.
        relayed: whether a network that can be cut stands between the operators.
        least_s: it cannot be told in less.
        operators: how many it has where nobody says; 0: somebody has to.
        most: operators that it can be told with.
        facts: what it shows.
    """

    script: FleetScript
    plan: Callable[[FleetPlan], FleetPlan] = field(default=lambda plan: plan)
    relayed: bool = False
    least_s: int = 0
    operators: int = 0
    most: int = MOST_OPERATORS
    facts: FleetFacts | None = None


async def leader_dead(stage: FleetStage) -> None:
    """Three times the leader of a round is killed (kill -9) as the round begins, and started again later."""
    async with members_of(stage.fleet) as members:
        for _ in range(_KILLS):
            await stage.wait(0.08)
            round_s = next_round_s(stage.fleet)
            name = await leader_of(stage.fleet, members, round_s)
            await sleep_until(round_s)
            await stage.fleet.operators[name].kill()
            stage.say(f"kill -9: {name}, as it leads round {round_s}")
            await stage.wait(_DOWN)
            started_s = now_ms() // MS
            await stage.fleet.operators[name].start()
            back_s = await until_sealed(stage.fleet, name, started_s)
            stage.say(f"{name} was started again, and has sealed round {back_s} with the others")


async def leader_splits(stage: FleetStage) -> None:
    """One operator proposes two things to two halves, both correctly signed, whenever it leads."""
    name = list(stage.fleet.operators)[_BAD]
    stage.say(f"operator {name} tells two halves two things whenever it leads")


async def liar(stage: FleetStage) -> None:
    """One operator proposes prices that are 3 % too high whenever it leads."""
    stage.say(f"operator {list(stage.fleet.operators)[_BAD]} proposes +3 % whenever it leads")


async def partition(stage: FleetStage) -> None:
    """The network parts: first one operator from all others, later two from the rest; it heals after each."""
    network, names = stage.fleet.network, list(stage.fleet.operators)
    if network is None:
        raise ValueError("this scenario needs a network that can be parted")
    for alone in (1, 2):
        await stage.wait(0.15)
        groups = [names[:alone], names[alone:]]
        enough = len(groups[1]) >= stage.fleet.threshold
        what = "they go on" if enough else f"nothing is sealed: {stage.fleet.threshold} are needed"
        stage.say(f"{' and '.join(groups[0])} cannot reach the other {len(groups[1])}: {what}")
        network.partition(groups, kind=PartitionKind.SILENT)
        await stage.wait(0.20)
        network.heal()
        stage.say("the network has healed")


async def rpc_lies_to_one(stage: FleetStage) -> None:
    """The RPC endpoint of one operator is taken over: to it alone both tokens redeem for 10 % more."""
    fleet = stage.fleet
    name, endpoint = next(iter(fleet.endpoints.items()))
    await stage.wait(0.20)

    def more(value: int) -> int:
        return value * (100 + _LIE_PERCENT) // 100

    endpoint.lie(
        value_lie(fleet.world.lrt, "getRate()", more),
        value_lie(fleet.world.div_eth, "convertToAssets(uint256)", more),
    )
    stage.say(f"the endpoint of {name} tells it, and it alone, that both tokens redeem for {_LIE_PERCENT} % more")
    await stage.wait(0.45)
    endpoint.be_honest()
    stage.say(f"the endpoint of {name} tells the truth again")


async def rotation(stage: FleetStage) -> None:
    """The owner names a new signer set: one operator leaves, one comes. Nobody restarts, and no round is lost."""
    names = list(stage.fleet.operators)
    await stage.wait(0.10)
    armed = await rotate(stage.fleet, names[1:], stage.say)
    await sleep_until(armed)
    stage.say(f"{names[0]} no longer signs, {names[-1]} does")


async def restaked(stage: FleetStage) -> None:
    """Stake in Symbiotic's vaults decides who signs: more of it weighs more, a lie costs some of it, signing is paid."""
    await RestakedStory(stage.fleet, stage.say).tell()


def _told(script: Script) -> Story:
    """A scenario of the market, with several operators."""

    async def run(stage: FleetStage) -> None:
        await script(Stage(stage.market, stage.seconds, stage.say))

    return Story(script=run)


def _behaving(name: str) -> Callable[[FleetPlan], FleetPlan]:
    return lambda plan: replace(plan, behaviours={_BAD: name})


def _with_spare(plan: FleetPlan) -> FleetPlan:
    return replace(plan, operators=plan.operators + 1, seated=plan.operators, rotation_delay_s=ROTATION_DELAY_S)


def _by_stake(plan: FleetPlan) -> FleetPlan:
    return replace(
        plan, rotation_delay_s=DELAY_S, longest_epoch_s=LONGEST_EPOCH_S, raised=RAISED,
        provers=frozenset({FINDER}), behaviours={LIAR: "two-signatures-late"}, interval_s=_STAKED_INTERVAL_S,
    )  # fmt: skip


NETWORK_STORIES: Mapping[str, Story] = MappingProxyType({
    "leader-dead": Story(script=leader_dead),
    "leader-splits": Story(script=leader_splits, plan=_behaving("splits")),
    "partition": Story(script=partition, relayed=True),
    "rpc-lies-to-one": Story(
        script=rpc_lies_to_one, plan=lambda plan: replace(plan, own_endpoints=frozenset({_LIED_TO}))
    ),
    "rotation": Story(script=rotation, plan=_with_spare, least_s=2 * ROTATION_DELAY_S),
    "restaked": Story(
        script=restaked, plan=_by_stake, least_s=3 * DELAY_S + REPORT_S, operators=5, most=9, facts=summarise_restaked
    ),
})  # fmt: skip
"""Those that need several processes."""
STORIES: Mapping[str, Story] = MappingProxyType({
    **{name: _told(script) for name, script in SCENARIOS.items()},
    "liar": Story(script=liar, plan=_behaving("liar")),
    **NETWORK_STORIES,
})  # fmt: skip
"""All that can be told with several."""


def plan_of(story: Story, operators: int, api_port: int, seed: int = 1) -> FleetPlan:
    """The fleet of a scenario. The relay is closed by whoever runs it."""
    plan = FleetPlan(operators=operators, api_port=api_port, interval_s=_INTERVAL_S)
    if story.relayed:
        plan = replace(plan, network=HostileNetwork(seed))
    return story.plan(plan)
