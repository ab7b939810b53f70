"""Symbiotic's real core and rewards on an EVM in this process, our network over them, and people who use both.

Stand-ins are only what is somebody else's part: the values of collateral, how long the set's words can be proven, ether as a
token. The penalties and the rewards contract are plain accounts here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

import contracts
from demo.world import npm, symbiotic
from demo.world.symbiotic import ChainStep, DelegatorKind, Plan, SourceTerms, SymbioticVault, VaultTerms
from oracle.chain.store_abi import abi_type
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import OWNER, Evm

WAD = 10**18
DAY_S = 86_400
ANSWER_S, DISPUTE_S, LAST_STEP_S = 2 * DAY_S, 3 * DAY_S, 3_600
KEEPS_S = 2 * 3_600
REACH_S = KEEPS_S + ANSWER_S + DISPUTE_S + LAST_STEP_S + 1
EPOCH_S = 7 * DAY_S
MIN_VALUE, SHARED_BPS, MAX_COMMISSION_BPS = 50 * WAD, 5_000, 3_000


def account(number: int) -> str:
    return to_checksum_address(f"0x{number:040x}")


CURATOR, BURNER, PENALTIES, REWARDS, ANYBODY = (account(0xC000 + i) for i in range(5))
ANN, BOB = account(0xA0), account(0xB0)
"""Operators."""
RITA, SAM = account(0x1A), account(0x5A)
"""Restakers."""
PRICE, UNLISTED, REVERTS, BURNS = 1, 0, 2, 3
"""How the stand-in for values treats a token."""
NOBODY = "0x" + "00" * 20
STAND_INS = "tests/contracts/solidity/SymbioticStandIns.sol"
CORE_NAMES = {
    "configurator": "VaultConfigurator",
    "middleware_service": "NetworkMiddlewareService",
    "network_registry": "NetworkRegistry",
    "operator_registry": "OperatorRegistry",
    "vault_factory": "VaultFactory",
}


class SymbioticWorld:
    """A core, wdivETH, our network, and nothing else yet."""

    def __init__(self) -> None:
        evm = self.evm = Evm()
        for who in (CURATOR, PENALTIES, REWARDS, ANYBODY, ANN, BOB, RITA, SAM):
            evm.evm.set_balance(who, 10**27)
        self.core = self.run(symbiotic.deploy_core(OWNER))
        for field, name in CORE_NAMES.items():
            self.know(getattr(self.core, field), name)
        stand_ins = compiled(STAND_INS)
        self.div = evm.create(npm.own("DivETH"))
        self.wdiv = evm.create(npm.own("WdivETH"), self.div)
        self.values = evm.create(stand_ins["ValuesStandIn"])
        self.wrapped = evm.create(stand_ins["WrappedStandIn"])
        self.set = evm.create(stand_ins["SetStandIn"], ANSWER_S)
        evm.ok(self.values, "list", self.wdiv, PRICE)
        self.network()

    def network(self, **changes: Any) -> None:
        """Make our network, and have the world be about it."""
        evm = self.evm
        self.source = self.run(symbiotic.deploy_source(self.core, self.terms(**changes), OWNER))
        evm.ok(self.source, "connect", self.set, PENALTIES, REWARDS)
        self.vaults = to_checksum_address(evm.ok(self.source, "vaults"))
        self.know(self.vaults, contracts.load("SymbioticVaults"))
        self.operator_rewards = to_checksum_address(evm.ok(self.source, "operatorRewards"))
        self.know(self.operator_rewards, "DefaultOperatorRewards")
        self.subnetwork = symbiotic.subnetwork(self.source)

    def terms(self, **changes: Any) -> SourceTerms:
        """What the network is made with."""
        names: dict[str, Any] = {
            "values": self.values,
            "wrapped_ether": self.wrapped,
            "burners": [BURNER],
            "min_reach_s": REACH_S,
            "dispute_s": DISPUTE_S,
            "min_value_wei": MIN_VALUE,
            "last_step_s": LAST_STEP_S,
            "shared_bps": SHARED_BPS,
            "max_commission_bps": MAX_COMMISSION_BPS,
        }
        return SourceTerms(**names | changes)

    def know(self, address: str, artifact: Any) -> str:
        """Have the calls to an address encoded by an artifact, or by the package's of a name."""
        found = npm.symbiotic(artifact) if isinstance(artifact, str) else artifact
        self.evm.abis[address] = {e["name"]: e for e in found.abi if e["type"] == "function"}
        return address

    def run(self, plan: Plan) -> Any:
        """Carry out a plan of the demo's; returns what it returns."""
        answer: Any = None
        while True:
            try:
                step = plan.send(answer)
            except StopIteration as done:
                return done.value
            answer = self._step(step)

    def _step(self, step: ChainStep) -> Any:
        if step.to is None:
            return self.evm.create(step.artifact, *step.args)
        (entry,) = (
            e
            for e in step.artifact.abi
            if e["type"] == "function" and e["name"] == step.function and len(e["inputs"]) == len(step.args)
        )
        kinds = [abi_type(i) for i in entry["inputs"]]
        data = keccak(text=f"{step.function}({','.join(kinds)})")[:4] + encode(kinds, step.args)
        error, raw = self.evm.send(step.to, data, step.sender or OWNER)
        assert not error, (step.contract, step.function, error)
        found = decode([abi_type(o) for o in entry["outputs"]], raw)
        return found[0] if len(found) == 1 else tuple(map(to_checksum_address, found)) if found else None

    # ------------------------------------------------------------------------------------------------------- vaults

    def vault(self, **changes: Any) -> SymbioticVault:
        """A vault of wdivETH, restaked by networks and slashed at once, unless said otherwise."""
        names: dict[str, Any] = {"collateral": self.wdiv, "burner": BURNER, "curator": CURATOR, "epoch_s": EPOCH_S}
        made: SymbioticVault = self.run(symbiotic.create_vault(self.core, VaultTerms(**names | changes)))
        kinds = {
            DelegatorKind.NETWORK_RESTAKE: "NetworkRestakeDelegator",
            DelegatorKind.FULL_RESTAKE: "FullRestakeDelegator",
            DelegatorKind.OPERATOR: "OperatorSpecificDelegator",
            DelegatorKind.OPERATOR_NETWORK: "OperatorNetworkSpecificDelegator",
        }
        self.know(made.vault, "Vault")
        self.know(made.delegator, kinds[made.terms.kind])
        self.know(made.slasher, "Slasher" if made.terms.veto_s is None else "VetoSlasher")
        return made

    def counted(
        self, shares: Mapping[str, int], deposit: int = 100 * WAD, limit: int = 10**24, **changes: Any
    ) -> SymbioticVault:
        """A vault with a deposit of Rita's, that counts; the operators with shares have opted in to everything."""
        made = self.vault(**changes)
        for operator in shares:
            self.join(operator, [made])
        self.act(self.vaults, "prepare", made.vault)
        alone = made.terms.kind in {DelegatorKind.OPERATOR, DelegatorKind.OPERATOR_NETWORK}
        limit = 0 if made.terms.kind is DelegatorKind.OPERATOR_NETWORK else limit
        given = {} if alone else shares
        self.run(symbiotic.give_stake(made, self.source, limit=limit, shares=given))
        if deposit:
            self.deposit(RITA, made, deposit)
        self.act(self.vaults, "addVault", made.vault, NOBODY)
        self.evm.jump(1)
        return made

    def join(self, operator: str, made: Sequence[SymbioticVault]) -> None:
        """Opt in to our network and to vaults, as far as the operator is not yet."""
        known = self.evm.ok(self.core.operator_registry, "isEntity", operator)
        plan = symbiotic.register_operator(self.core, operator, self.source, [one.vault for one in made])
        if not known:
            self.run(plan)
            return
        for one in made:
            step = ChainStep("IOptInService", "optIn", (one.vault,), self.core.vault_opt_ins, operator)
            self._step(step)

    def leave(self, operator: str, where: str) -> None:
        """Opt out of a vault or, with our network's address, of the network."""
        service = self.core.network_opt_ins if where == self.source else self.core.vault_opt_ins
        self._step(ChainStep("IOptInService", "optOut", (where,), service, operator))

    def wrap(self, who: str, amount: int, token: str | None = None) -> None:
        """Ether to wdivETH."""
        self.evm.evm.message_call(who, token or self.wdiv, b"", value=amount)

    def deposit(self, who: str, made: SymbioticVault, amount: int, then_s: int = 1) -> None:
        token = made.terms.collateral
        self.wrap(who, 2 * amount, token)
        self.know(token, npm.own("WdivETH"))
        self.act(token, "approve", made.vault, 2**256 - 1, sender=who)
        self.act(made.vault, "deposit", who, amount, sender=who)
        self.evm.jump(then_s)

    # --------------------------------------------------------------------------------------------------------- calls

    def act(self, to: str, name: str, *args: Any, sender: str = ANYBODY) -> Any:
        """A call that must be taken."""
        return self.evm.ok(to, name, *args, sender=sender)

    def refused(self, to: str, name: str, *args: Any, sender: str = ANYBODY) -> str:
        """Name of the error with which a call is refused: of Symbiotic's contracts its selector."""
        error, _ = self.evm.call(to, name, *args, sender=sender)
        assert error, name
        return error

    def ask(self, to: str, name: str, *args: Any) -> Any:
        return self.evm.ok(to, name, *args)

    def logs(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of the last transaction's events of a name of ours, indexed ones first."""
        for contract in ("SymbioticStake", "SymbioticVaults"):
            found = [e for e in contracts.load(contract).abi if e["type"] == "event" and e["name"] == name]
            if found:
                break
        kinds = [abi_type(i) for i in found[0]["inputs"]]
        topic = keccak(text=f"{name}({','.join(kinds)})")
        held = [abi_type(i) for i in found[0]["inputs"] if not i["indexed"]]
        out = []
        done = self.evm.evm.result
        assert done is not None
        for log in done.logs:
            topics = [bytes.fromhex(t.removeprefix("0x")) for t in log.topics]
            if topics[0] == topic:
                out.append((*topics[1:], *decode(held, bytes(log.data[1]))))
        return out

    # ---------------------------------------------------------------------------------------------------------- story

    def stake(self, operator: str) -> int:
        return int(self.ask(self.source, "stakeOf", operator))

    def slashable(self, operator: str, capture: int) -> int:
        return int(self.ask(self.source, "slashableOf", operator, capture))

    def capture(self) -> int:
        """Now; a block later something can be slashed for it."""
        at = self.evm.now
        self.evm.jump(12)
        return at

    def seize(self, operator: str, capture: int, fraction: int = WAD, case: int = 1) -> int:
        return int(self.act(self.source, "seize", operator, fraction, capture, case_id(case), sender=PENALTIES))

    def take(self, case: int = 1) -> int:
        return int(self.act(self.source, "take", case_id(case), ANYBODY, 500, sender=PENALTIES))

    def restore(self, case: int = 1) -> None:
        self.act(self.source, "restore", case_id(case), sender=PENALTIES)

    def finish(self, case: int = 1) -> int:
        return int(self.act(self.source, "finish", case_id(case)))

    def balance(self, who: str, token: str | None = None) -> int:
        return int(self.ask(token or self.wdiv, "balanceOf", who))

    def with_gas(self, gas: int, to: str, name: str, *args: Any, sender: str = ANYBODY) -> int | None:
        """What a call with so much gas answers, if it is taken; nothing stays of it."""
        entry = self.evm.abis[to][name]
        kinds = [abi_type(i) for i in entry["inputs"]]
        data = keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)
        before = self.evm.evm.snapshot()
        try:
            return int.from_bytes(self.evm.evm.message_call(sender, to, data, gas=gas), "big")
        except RuntimeError:
            return None
        finally:
            self.evm.evm.revert(before)


def case_id(number: int) -> bytes:
    return number.to_bytes(32, "big")


def selector(error: str) -> str:
    """As ``refused`` names an error of Symbiotic's."""
    return "0x" + keccak(text=f"{error}()")[:4].hex()
