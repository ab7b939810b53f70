"""A setting of [stores.NAME.stake] is refused by the config exactly where a contract would refuse it, and the config says what to write.

Both sides of each bound: the contracts are the real ones, made through the deployment proxy's own code on an EVM in this process,
over Symbiotic's real core where it is a source. Invariants of docs/invariants.md, each under its name there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import coincurve
import pyrevm
import pytest
from eth_utils.address import to_checksum_address

from demo.world import npm
from demo.world.chain import account
from oracle.config.tables.schema import Problem, build
from oracle.config.tables.stake_sections import StakeSection
from oracle.config.tables.stake_sources import CollateralSection, DelegatedSection, SymbioticSection
from oracle.config.tables.store_sections import StoreSection
from oracle.deploy.create2 import PROXY, PROXY_CODE
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings, settings_of, stake_table
from tests.contracts.stake.symbiotic_world import SymbioticWorld

KEY = coincurve.PrivateKey(bytes(account(0).key))
MAKER, TREASURY = account(0).address, account(7).address
SIGNERS = tuple(account(n).address for n in (11, 12, 13))
DAY_S, YEAR_S = 86_400, 365 * 86_400
TIMES = {"rotation_delay_s": 2 * DAY_S, "longest_epoch_s": 4 * DAY_S, "overlap_s": 600, "max_push_age_s": 60}
OBSERVED_S = 3_600
ANSWER_S = OBSERVED_S + 2 * DAY_S + 4 * DAY_S + 600 + 60 + DAY_S
NEEDS_S = OBSERVED_S + 2 * DAY_S + ANSWER_S + 3 * DAY_S + DAY_S


class Ground:
    """An EVM with the proxy, tokens, Symbiotic's core, and what would be made on it."""

    def __init__(self) -> None:
        world = SymbioticWorld()
        self.evm, self.core = world.evm.evm, world.core
        self.evm.set_balance(MAKER, 10**27)
        self.evm.insert_account_info(to_checksum_address(PROXY), pyrevm.AccountInfo(code=PROXY_CODE))
        self.token = to_checksum_address(world.wdiv)
        self.others = [world.evm.create(npm.own("WdivETH"), world.div) for _ in range(4)]
        self.wrapped = to_checksum_address(world.wrapped)
        self.deployer = Deployer("http://127.0.0.1:9", KEY)

    def delegated(self, **changes: Any) -> StakeSection:
        own = {k: changes.pop(k) for k in ("window_s", "max_commission_bps", "gas") if k in changes}
        return StakeSection(delegated=DelegatedSection(token=self.token, treasury=TREASURY, **own), **changes)

    def symbiotic(self, **changes: Any) -> StakeSection:
        core = self.core
        theirs = SymbioticSection(
            vault_factory=core.vault_factory, network_registry=core.network_registry,
            middleware_service=core.middleware_service, operator_rewards_factory=core.operator_rewards_factory,
            staker_rewards_factory=core.staker_rewards_factory, wrapped_ether=self.wrapped, burners=(TREASURY,), **changes,
        )  # fmt: skip
        return StakeSection(symbiotic=theirs, collateral=(CollateralSection(token=self.token),))

    def refused(self, stake: StakeSection, **times: int) -> str:
        """Which contract refuses to be made, or to be connected; none if all stands."""
        before = self.evm.snapshot()
        try:
            return self._refused(stake, TIMES | times)
        finally:
            self.evm.revert(before)

    def _refused(self, stake: StakeSection, times: dict[str, int]) -> str:
        signers = tuple(bytes.fromhex(s[2:]) for s in SIGNERS)
        settings = StoreSettings(signers=signers, weights=(1, 1, 1), threshold=3, stake=stake, **times)  # type: ignore[arg-type]
        store, _ = self.deployer.plan_contracts(settings, ())
        planned = self.deployer.stake_contracts(stake, settings, 31_337)
        for one in (store, *planned.contracts.values()):
            if not self._sent(PROXY, one.calldata) or not self.evm.basic(to_checksum_address(one.address)).code:
                return one.contract
        for name in planned.connected:
            if not self._sent(planned.at(name), planned.connection()):
                return f"{planned.contracts[name].contract}.connect"
        return ""

    def _sent(self, to: bytes, data: bytes) -> bool:
        try:
            self.evm.message_call(MAKER, to_checksum_address(to), data)
        except RuntimeError:
            return False
        return True


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground()


def problems(stake: StakeSection, **times: int) -> list[Problem]:
    """What the config says of it."""
    found: list[Problem] = []
    table = {"signers": list(SIGNERS), "threshold": 3, **TIMES, **times, "stake": stake_table(stake)}
    build(StoreSection, table, "stores.main", found)
    return found


BOUNDS: list[tuple[str, Any, Any, str]] = [
    ("epoch_s", 2 * DAY_S - 1, 2 * DAY_S, "write at most 172799, or a longer longest_epoch_s"),
    ("epoch_s", 1, 0, "write 1 to"),
    ("join_delay_s", 3_600, 3_599, "write 3600 to 31536000"),
    ("join_delay_s", YEAR_S, YEAR_S + 1, "write 3600 to 31536000"),
    ("evidence_s", 1, 0, "write 1 to"),
    ("evidence_s", YEAR_S, YEAR_S + 1, "write 1 to 31536000"),
    ("cap_bps", 2_500, 2_499, "write at least 2500, or more min_members"),
    ("cap_bps", 10_000, 10_001, "write 1 to 10000"),
    ("min_members", 13, 14, "is more than max_members = 13: write at most that"),
    ("max_members", 31, 32, "write 1 to 31"),
    ("threshold_bps", 6_667, 6_666, "write 6667 to 9999"),
    ("threshold_bps", 8_000, 8_001, "is less than threshold_bps = 8001: write at least that"),
    ("step_bps", 10_000, 10_001, "write 6667 to 10000"),
    ("migrate_delay_s", ANSWER_S + 1, ANSWER_S, "so stake could not leave before: write more, or 0 for the least"),
    ("dispute_s", YEAR_S, YEAR_S + 1, "write 1 to 31536000"),
    ("dispute_s", 1, 0, "write 1 to"),
    ("execution_s", YEAR_S, YEAR_S + 1, "write 1 to 31536000"),
    ("execution_s", 1, 0, "write 1 to"),
    ("min_fraction_bps", 1, 0, "write 1 to 10000"),
    ("min_fraction_bps", 10_000, 10_001, "write 1 to 10000"),
    ("jail_s", 36_500 * DAY_S, 36_500 * DAY_S + 1, "write 1 to"),
    ("jail_s", 1, 0, "write 1 to"),
    ("finder_bps", 500, 501, "write 0 to 500"),
    ("absence_jail_s", 7 * DAY_S, 7 * DAY_S + 1, "write 1 to 604800"),
    ("absence_jail_s", 1, 0, "write 1 to"),
    ("window_s", 3_600, 3_599, "write 3600 to 2592000"),
    ("window_s", 30 * DAY_S, 30 * DAY_S + 1, "write 3600 to 2592000"),
    ("max_commission_bps", 10_000, 10_001, "write 0 to 10000"),
    ("gas", 50_000, 49_999, "write 50000 to"),
    ("gas", 7_000_000, 7_000_001, "write 50000 to 7000000"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "taken", "refused", "says"), BOUNDS)
def test_the_config_refuses_what_a_contract_would(
    ground: Ground, key: str, taken: Any, refused: Any, says: str
) -> None:
    good, bad = ground.delegated(**{key: taken}), ground.delegated(**{key: refused})
    assert problems(good) == []
    assert ground.refused(good) == ""
    (problem,) = problems(bad)
    assert says in problem.text
    named = {problem.key.removeprefix("stores.main.stake.").removeprefix("delegated."), key}
    assert len(named) == 1 or named == {"step_bps", "threshold_bps"}, "it names the key"
    assert ground.refused(bad), "no contract minds: then the config need not"


@pytest.mark.parametrize(("taken", "refused"), [("0.000000001", "0.0000000009"), ("309485009", "309485010")])
def test_the_least_stake_is_what_a_contract_can_count(ground: Ground, taken: str, refused: str) -> None:
    good = ground.delegated(min_stake_eth=taken)
    assert (problems(good), ground.refused(good)) == ([], "")
    (problem,) = problems(ground.delegated(min_stake_eth=refused))
    assert "write 0.000000001 (a gwei) to 309485009 ether" in problem.text


def test_sets_that_never_expire_are_refused_with_what_to_write(ground: Ground) -> None:
    stake = ground.delegated()
    (problem,) = problems(stake, longest_epoch_s=0)
    assert problem.key == "stores.main.longest_epoch_s"
    assert "write more than stake.epoch_s + rotation_delay_s = 259200" in problem.text
    assert ground.refused(stake, longest_epoch_s=0) == "StakedSet"


def test_what_is_paid_and_what_counts_is_listed_once_and_not_too_often(ground: Ground) -> None:
    most, more = tuple(ground.others[:3]), tuple(ground.others)
    assert problems(ground.delegated(reward_tokens=most)) == []
    assert ground.refused(ground.delegated(reward_tokens=most)) == ""
    for bad in (more, (ground.token, ground.token)):
        (problem,) = problems(ground.delegated(reward_tokens=bad))
        assert problem.key == "stores.main.stake.reward_tokens"
        assert ground.refused(ground.delegated(reward_tokens=bad)) == "DelegatedStake"
    other = CollateralSection(token=ground.others[0])
    (problem,) = problems(ground.delegated(collateral=(other,)))
    assert problem.key == "stores.main.stake.delegated.token"
    assert "add [[stores.NAME.stake.collateral]] with it" in problem.text
    assert ground.refused(ground.delegated(collateral=(other,))) == "DelegatedStake"
    (problem,) = problems(ground.delegated(collateral=(CollateralSection(token=ground.token),) * 2))
    assert "is listed twice" in problem.text
    assert (
        ground.refused(ground.delegated(collateral=(CollateralSection(token=ground.token),) * 2)) == "CollateralValues"
    )
    no_rate = ground.delegated(collateral=(CollateralSection(token=ground.token, rate_function=""),))
    assert problems(no_rate) == []
    assert ground.refused(no_rate) == "", "one to one"


def test_a_vault_s_epoch_covers_a_penalty_to_the_second(ground: Ground) -> None:
    """And the least that the config takes is what it takes where nothing is written."""
    least, less = ground.symbiotic(min_reach_s=NEEDS_S + 1), ground.symbiotic(min_reach_s=NEEDS_S)
    assert problems(least) == []
    assert ground.refused(least) == ""
    (problem,) = problems(less)
    assert problem.key == "stores.main.stake.symbiotic.min_reach_s"
    assert f"is less than {NEEDS_S + 1}" in problem.text
    assert ground.refused(less) == "Penalties"
    made = settings_of(StoreSection(signers=SIGNERS, threshold=3, **TIMES, stake=ground.symbiotic()))  # type: ignore[arg-type]
    assert made.stake is not None
    assert made.stake.vault_epoch_s(made) == NEEDS_S + 1
    assert ground.refused(ground.symbiotic()) == ""


VAULTS = [("max_vaults", 5, 6), ("max_commission_bps", 10_000, 10_001), ("shared_bps", 10_000, 10_001)]


@pytest.mark.parametrize(("key", "taken", "refused"), VAULTS)
def test_the_bounds_of_vaults_are_the_contract_s(ground: Ground, key: str, taken: Any, refused: Any) -> None:
    good, bad = ground.symbiotic(**{key: taken}), ground.symbiotic(**{key: refused})
    assert problems(good) == []
    assert ground.refused(good) == ""
    (problem,) = problems(bad)
    assert problem.key == f"stores.main.stake.symbiotic.{key}"
    assert ground.refused(bad) == "SymbioticStake"


def test_all_sources_of_an_operator_fit_in_a_transaction(ground: Ground) -> None:
    both = replace(ground.delegated(), symbiotic=ground.symbiotic(gas=6_850_000).symbiotic)
    assert problems(both) == []
    assert ground.refused(both) == ""
    more = replace(ground.delegated(), symbiotic=ground.symbiotic(gas=6_850_001).symbiotic)
    (problem,) = problems(more)
    assert problem.key == "stores.main.stake.symbiotic.gas"
    assert "with 7000001 for all sources of one operator it is more than 7000000: write less" in problem.text
    assert ground.refused(more) == "StakedSet"


def test_without_a_source_there_is_nothing_to_decide_by() -> None:
    (problem,) = problems(StakeSection())
    assert problem.key == "stores.main.stake"
    assert "has no source of stake: write [stores.NAME.stake.delegated]" in problem.text


def test_nobody_is_named_who_may_name_signers(ground: Ground) -> None:
    found: list[Problem] = []
    table = {
        "signers": list(SIGNERS),
        "threshold": 3,
        **TIMES,
        "set_owner": TREASURY,
        "stake": stake_table(ground.delegated()),
    }
    build(StoreSection, table, "stores.main", found)
    assert [p.key for p in found] == ["stores.main.set_owner"]


def test_what_is_unsafe_is_said(ground: Ground) -> None:
    safe = replace(ground.delegated(), arbiter=TREASURY)
    assert safe.cautions(timelock=True) == []
    lone, one, other = replace(safe, cap_bps=3_400, arbiter=None).cautions(timelock=False)
    assert "name a timelock or a Safe (owner)" in lone
    assert "write at most 3300, with at least 4 min_members" in one
    assert "no stake.arbiter" in other
