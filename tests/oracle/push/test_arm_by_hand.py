"""`lrt-oracle arm`: two machines, one key each; what one prints the other sends. And every reason for which it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import coincurve
import pytest
from click.testing import CliRunner, Result
from web3 import HTTPProvider, Web3

import contracts
from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.chain.store_client import StoreClient
from oracle.check.push_ready import readiness_of, unknown_key_problems
from oracle.check.trust import trust_documents
from oracle.config.resolve import resolve
from oracle.config.sections import load
from oracle.sign.eip712 import Domain
from oracle.sign.key_lock import sole_writer
from oracle.sign.keyfiles import save
from oracle.sign.messages import SignerSet
from tests.oracle.push.fault_world import KEYS
from tests.oracle.push.rotation import AWAY, HERE, OWNER, put_store

pytestmark = pytest.mark.chain
WORD = "a passphrase"
ENV = {"LRT_ORACLE_PASSPHRASE": WORD, "LRT_ORACLE_GAS_PASSPHRASE": WORD}
SIGNED_BY_NOBODY = SignerSet(
    domain=Domain(chain_id=31_337, store=b""), epoch=1, signers=(b"\x01" * 20,), weights=(1,), threshold=1
)
FEEDS = """
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""


@dataclass
class Machines:
    """A store, and a config for each operator that is alone on a machine."""

    url: str
    folder: Path
    web3: Web3
    store: Any

    def config(self, operator: str, *, gas: bool = True) -> Path:
        base = self.folder / operator
        base.mkdir(exist_ok=True)
        for name, key in (("report", KEYS[operator]), ("gas", coincurve.PrivateKey(bytes(account(3).key)))):
            if not (base / f"{name}.json").exists():
                save(base / f"{name}.json", key, WORD, iterations=1)
        path = base / "config.toml"
        path.write_text(
            f"""
[oracle]
database = "{base}/o.db"
[chains.local]
chain_id = 31337
endpoints = ["{self.url}"]
[[operators]]
name = "{operator}"
keyfile = "{base}/report.json"
journal = "{base}/journal.db"
[targets.t]
chain = "local"
store = "{self.store.address}"
max_push_age_s = 24
"""
            + (f'gas_keyfile = "{base}/gas.json"\n' if gas else "")
            + FEEDS
        )
        return path

    def arm(self, operator: str, *more: str, gas: bool = True, env: dict[str, str] | None = None) -> Result:
        args = ["--config", str(self.config(operator, gas=gas)), "arm", "t", *more]
        return CliRunner().invoke(main, args, env=ENV if env is None else env, catch_exceptions=False)

    def said(self, operator: str, *more: str) -> dict[str, Any]:
        result = self.arm(operator, "--json", *more)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def name(self, members: Sequence[bytes], function: str = "setSigners") -> int:
        texts = [Web3.to_checksum_address(m) for m in members]
        getattr(self.store.functions, function)(texts, [1] * len(texts), 2, len(texts)).transact({"from": OWNER})
        return int(self.store.functions.nextSigners().call()[1])

    def until(self, at_s: int) -> None:
        """A block of just that time (Unix s)."""
        self.web3.provider.make_request("evm_setNextBlockTimestamp", [at_s])  # type: ignore[arg-type]
        self.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with anvil.running() as node:
        place = asyncio.run(put_store(node.url, tmp_path))
        web3 = Web3(HTTPProvider(node.url))
        store = web3.eth.contract(address=Web3.to_checksum_address(place.store), abi=contracts.load("PriceStore").abi)
        yield Machines(node.url, tmp_path, web3, store)


def test_what_one_machine_prints_the_other_sends(machines: Machines) -> None:
    at_s = machines.name((*HERE[:2], AWAY[0]))
    first = machines.said("alpha")
    assert (first["epoch"], first["takes_over_at"]) == (2, at_s)
    assert (first["weight"], first["threshold"], first["calldata"], first["sent"]) == ("1", "2", None, None)
    assert first["digest"] == "0x" + machines.store.functions.armDigest().call().hex()
    (one,) = first["signatures"]
    assert (one["operator"], one["index"]) == ("alpha", 0)
    assert [m["address"] for m in first["missing"]] == [Web3.to_checksum_address(a) for a in (HERE[1], AWAY[0])]
    short = machines.arm("beta", "--send")
    assert (short.exit_code, machines.store.functions.armed().call()) == (3, False)
    assert f"weight 1 of 2, missing 0x{HERE[0].hex()} (weight 1), 0x{AWAY[0].hex()} (weight 1)" in short.stdout
    enough = machines.said("beta", "--signature", one["signature"])
    assert (enough["weight"], enough["sent"], enough["missing"][0]["address"]) == (
        "2", None, Web3.to_checksum_address(AWAY[0]),
    )  # fmt: skip
    assert not machines.store.functions.armed().call(), "nothing is sent unasked"
    machines.web3.eth.call({"to": machines.store.address, "data": enough["calldata"]})
    sent = machines.said("beta", "--signature", one["signature"], "--send")["sent"]
    assert machines.store.functions.armed().call()
    receipt = machines.web3.eth.get_transaction_receipt(sent["tx"])
    assert (receipt["from"], receipt["blockNumber"]) == (account(3).address, sent["block"])
    again = machines.arm("alpha")
    assert (again.exit_code, "epoch 2 takes over at" in again.stderr, "armed already" in again.stderr) == (
        1,
        True,
        True,
    )


def test_a_set_in_an_emergency_says_so_and_no_set_says_so(machines: Machines) -> None:
    none = machines.arm("alpha")
    assert (none.exit_code, "there is nothing to arm" in none.stderr) == (1, True)
    machines.name(HERE, "setSignersInEmergency")
    needless = machines.arm("alpha")
    assert (needless.exit_code, "needs no arming" in needless.stderr) == (1, True)
    unknown = CliRunner().invoke(main, ["--config", str(machines.config("alpha")), "arm", "tt"])
    assert (unknown.exit_code, "'tt' is not a target" in unknown.stderr) == (2, True)


def test_signatures_that_are_none_are_named(machines: Machines) -> None:
    machines.name((*HERE[:2], AWAY[0]))
    own = machines.said("alpha")["signatures"][0]["signature"]
    for wrong, told in {
        own[:-2]: "64 bytes are not signatures",
        "0x01" + own[4:]: f"the signature of index 1 is not of 0x{HERE[1].hex()}",
        "0x09" + own[4:]: "index 9: the set of epoch 2 has 3 members",
        "0x00" + "00" * 64: "the signature of index 0 cannot be read",
    }.items():
        refused = machines.arm("beta", "--signature", wrong)
        assert (refused.exit_code, told in refused.stderr) == (1, True), refused.stderr
    assert machines.arm("beta", "--signature", "0xzz").exit_code == 2
    both = own + machines.said("beta")["signatures"][0]["signature"][2:]
    assert machines.said("beta", "--signature", both)["weight"] == "2", "its own counts once"
    machines.name((*HERE[:2], AWAY[1]))
    stale = machines.arm("beta", "--signature", own)
    assert (stale.exit_code, "it is of another set" in stale.stderr) == (1, True)


def test_keys_that_can_not_sign_are_named(machines: Machines) -> None:
    machines.name((*HERE[:2], AWAY[0]))
    outside = machines.arm("gamma")
    assert (outside.exit_code, f"gamma: 0x{HERE[2].hex()} is not in the set of epoch 2" in outside.stderr) == (1, True)
    shut = machines.arm("alpha", env={"LRT_ORACLE_PASSPHRASE": ""})
    assert (shut.exit_code, "LRT_ORACLE_PASSPHRASE" in shut.stderr) == (1, True)
    own = machines.said("alpha")["signatures"][0]["signature"]
    carrier = machines.said("gamma", "--signature", own)
    assert (carrier["weight"], len(carrier["notes"])) == ("1", 1), "who is not in the set may carry"


def test_too_late_is_said_before_anything_is_signed(machines: Machines) -> None:
    at_s = machines.name((*HERE[:2], AWAY[0]))
    machines.until(at_s - 31)
    assert machines.said("alpha")["epoch"] == 2
    machines.until(at_s - 30)
    late = machines.arm("alpha")
    assert (late.exit_code, "more than 30 s before" in late.stderr) == (1, True)


def test_the_gas_key_of_a_process_that_runs_is_left_to_it_and_another_key_may_pay(machines: Machines) -> None:
    machines.name((*HERE[:2], AWAY[0]))
    own = machines.said("alpha")["signatures"][0]["signature"]
    args = ("--signature", own, "--send")
    gas = machines.folder / "beta" / "gas.json"
    machines.config("beta")
    with sole_writer(machines.folder / "beta" / "o.db"):
        for more in ((), ("--keyfile", str(gas))):
            held = machines.arm("beta", *args, *more)
            assert (held.exit_code, "has one queue" in held.stderr) == (1, True), held.stderr
        assert not machines.store.functions.armed().call()
        other = machines.folder / "other.json"
        save(other, coincurve.PrivateKey(bytes(account(4).key)), WORD, iterations=1)
        sent = machines.said("beta", *args, "--keyfile", str(other))["sent"]
    assert machines.web3.eth.get_transaction(sent["tx"])["from"] == account(4).address
    assert machines.store.functions.armed().call()


def test_without_a_key_that_pays_it_says_which_to_give(machines: Machines) -> None:
    machines.name((*HERE[:2], AWAY[0]))
    own = machines.said("alpha")["signatures"][0]["signature"]
    send = ("--signature", own, "--send")
    poor = machines.arm("beta", *send, gas=False)
    assert (poor.exit_code, "targets.t has no gas key: give --keyfile PATH" in poor.stderr) == (1, True)
    report = machines.folder / "beta" / "report.json"
    mixed = machines.arm("beta", *send, "--keyfile", str(report), gas=False)
    assert (mixed.exit_code, "is the report key of operator 'beta'" in mixed.stderr) == (1, True)


def test_check_tells_what_to_run_and_takes_a_key_that_is_to_come_for_no_stranger(machines: Machines) -> None:
    def strange(operator: str) -> list[str]:
        whole = resolve(load(machines.config(operator)))

        async def asked() -> list[str]:
            chain, target = whole.config.chains["local"], whole.config.targets["t"]
            domain = Domain(chain_id=chain.chain_id, store=bytes.fromhex(target.store[2:]))
            client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
            try:
                seen = replace(await readiness_of(whole, "t", client), signers=replace(SIGNED_BY_NOBODY, domain=domain))
            finally:
                await client.close()
            return [p.key for p in unknown_key_problems(whole.config, [seen])]

        return asyncio.run(asked())

    machines.name((*HERE[:2], AWAY[0]))
    assert strange("alpha") == [], "it is in the set that is to come"
    assert strange("gamma") == ["operators.gamma.keyfile"], "control: gamma is not"
    (row,) = asyncio.run(trust_documents(resolve(load(machines.config("alpha")))))
    assert "`lrt-oracle arm t`" in row["cautions"][0]
