"""DelegatedStake on a node: what each step costs as a transaction, beside the table of the docs, and which events it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3
from web3.logs import DISCARD

import contracts
from demo.world import anvil
from tests.contracts.contract_tools import OWNER_KEY, WAD, Bench, connected
from tests.contracts.stake.delegated_world import ANSWER_S, DEMO, ETHER, WINDOW_S, stand_in

pytestmark = pytest.mark.chain
DOCS = Path(__file__).parents[3] / "docs" / "stake.md"
ONE_PERCENT = 0.01
OPERATOR, ANNA, BEN, PENALTIES, REWARDS = (f"0x{i:064x}" for i in range(901, 906))
TREASURY = Web3.to_checksum_address(f"0x{0x7EA:040x}")


def address(key: str) -> str:
    return str(Account.from_key(key).address)


class DelegatedLedger:
    """The contract with its tokens on a node; notes the gas and the events of each step."""

    def __init__(self, web3: Web3) -> None:
        self.bench = bench = Bench(web3)
        self.gas: dict[str, int] = {}
        self.events: dict[str, list[str]] = {}
        self.side = bench.deploy(stand_in("BoundStandIn"), ANSWER_S)
        diva = bench.deploy(contracts.load("DivETH", DEMO))
        self.token = bench.deploy(contracts.load("WdivETH", DEMO), diva.address)
        self.coin = bench.consumer("Token", "COIN", 6)
        values = bench.deploy(stand_in("RateStandIn"), self.token.address)
        owner = bench.owner.address
        assets = [ETHER, self.coin.address, self.token.address]
        terms = (owner, self.token.address, values.address, TREASURY, WINDOW_S, 2_000, assets)
        self.source = bench.create("DelegatedStake", *terms)
        self.f = self.source.functions
        for key in (OPERATOR, ANNA, BEN, PENALTIES, REWARDS):
            bench.ask("anvil_setBalance", address(key), hex(10**24))
        bench.send(self.f.connect(self.side.address, address(PENALTIES), address(REWARDS)))
        ether = {"to": self.token.address, "value": 100 * WAD, "gas": 200_000, "gasPrice": 10**10, "chainId": 31_337}
        signed = Account.sign_transaction(ether | {"nonce": web3.eth.get_transaction_count(owner)}, OWNER_KEY)
        web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction))
        bench.send(self.coin.functions.mint(owner, 10**24))
        for key in (ANNA, BEN, OPERATOR):
            bench.send(self.token.functions.transfer(address(key), 10 * WAD))
            bench.send(self.token.functions.approve(self.source.address, 2**256 - 1), key)

    def step(self, name: str, call: Any, key: str, value: int = 0) -> None:
        bench, account = self.bench, Account.from_key(key)
        nonce = bench.web3.eth.get_transaction_count(account.address)
        built = call.build_transaction({"from": account.address, "nonce": nonce, "value": value, "gas": 2_000_000})
        raw = account.sign_transaction(built).raw_transaction
        bench.ask("evm_setNextBlockTimestamp", bench.now + 12)  # a time that is written twice in a second costs less
        receipt = bench.web3.eth.wait_for_transaction_receipt(bench.web3.eth.send_raw_transaction(raw))
        assert receipt["status"] == 1, name
        self.gas[name] = int(receipt["gasUsed"])
        kinds = {e["name"] for e in self.source.abi if e["type"] == "event"}
        logs = [log for kind in kinds for log in self.source.events[kind]().process_receipt(receipt, errors=DISCARD)]
        self.events[name] = [log["event"] for log in sorted(logs, key=lambda log: int(log["logIndex"]))]

    def later(self, seconds: int) -> None:
        self.bench.at(self.bench.now + seconds)

    def reward(self, name: str, asset: str, amount: int) -> None:
        if asset == ETHER:
            self.step(name, self.f.reward(1, address(OPERATOR), asset, amount), REWARDS, amount)
            return
        token = self.coin if asset == self.coin.address else self.token
        self.bench.send(token.functions.transfer(self.source.address, amount))
        self.step(name, self.f.reward(1, address(OPERATOR), asset, amount), REWARDS)

    def play(self) -> None:
        f, operator = self.f, address(OPERATOR)
        self.step("`enroll`", f.enroll(1_000), OPERATOR)
        self.step("`setCommission`", f.setCommission(1_500), OPERATOR)
        self.step("`deposit`, the first of a pool", f.deposit(operator, 3 * WAD), ANNA)
        self.step("`deposit`, a new restaker", f.deposit(operator, WAD), BEN)
        self.step("", f.deposit(operator, WAD), OPERATOR)
        self.bench.send(self.side.functions.freeze([operator]))
        self.reward("`reward`, in ether", ETHER, 10**15)
        self.reward("`reward`, in a token", self.coin.address, 10**15)
        self.reward("", self.token.address, 10**15)
        self.step("`deposit`, with rewards of three assets to count", f.deposit(operator, WAD), BEN)
        self.step("`claim`, in ether", f.claim(ETHER, operator), ANNA)
        self.step("`claim`, in a token", f.claim(self.coin.address, operator), BEN)
        self.step("`claimCommission`, in ether", f.claimCommission(ETHER), OPERATOR)
        self.step("`requestExit`", f.requestExit(operator, WAD), ANNA)
        self.later(ANSWER_S + WINDOW_S + 100)
        self.step("`lapse`", f.lapse(operator, address(ANNA)), BEN)
        for number, (what, call) in enumerate(
            (("`restore`", f.restore), ("`take`, with a finder", f.take), ("`take` of all that is left", f.take)), 1
        ):
            case = number.to_bytes(32, "big")
            fraction = WAD if number == 3 else WAD // 2
            self.step("`seize`", f.seize(operator, fraction, 0, case), PENALTIES)
            if number == 2:
                self.step("`seize`, a second case", f.seize(operator, fraction, 0, bytes([9]) * 32), PENALTIES)
                self.step("", f.restore(bytes([9]) * 32), PENALTIES)
            self.later(86_400)
            self.step(what, call(case) if number == 1 else call(case, address(BEN), 500), PENALTIES)
            if number == 1:
                self.step("", f.requestExit(operator, WAD), ANNA)
                self.step("`withdraw`, with rewards of three assets to count", f.withdraw(operator), ANNA)
        self.step("`claim` of a pool that was taken", f.claim(self.token.address, operator), BEN)


@pytest.fixture(scope="module")
def ledger() -> Iterator[DelegatedLedger]:
    with anvil.running(extra=("--timestamp", "1999000000")) as running, connected(running.url) as web3:
        made = DelegatedLedger(web3)
        made.play()
        for part in (made.gas, made.events):
            part.pop("")
        yield made


def test_each_step_costs_what_the_docs_say(ledger: DelegatedLedger) -> None:
    section = DOCS.read_text(encoding="utf-8").split("## Delegated stake")[1].split("\n##")[0]
    rows = re.findall(r"^\| (`\w+`[^|]*?) \| ([\d,]+) \|$", section, re.MULTILINE)
    told = {name: int(gas.replace(",", "")) for name, gas in rows}
    assert told == pytest.approx(ledger.gas, rel=ONE_PERCENT)


def test_each_step_has_its_events(ledger: DelegatedLedger) -> None:
    told = {name.replace("`", "").split(",")[0].split(" ")[0]: events for name, events in ledger.events.items()}
    assert ledger.events["`take` of all that is left"] == ["TakenAway", "GenerationEnded", "Paid", "Paid"]
    assert ledger.events["`take`, with a finder"] == ["TakenAway", "Paid", "Paid"]
    del told["take"]
    assert told == {
        "enroll": ["Enrolled"],
        "setCommission": ["CommissionSet"],
        "deposit": ["Deposited"],
        "reward": ["Rewarded"],
        "claim": ["Paid"],
        "claimCommission": ["Paid"],
        "requestExit": ["ExitRequested"],
        "lapse": ["Lapsed"],
        "seize": ["PutAside"],
        "restore": ["PutBack"],
        "withdraw": ["Withdrawn", "Paid"],
    }
