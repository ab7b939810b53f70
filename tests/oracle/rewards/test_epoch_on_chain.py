"""An epoch from stored rounds to its report on a real chain, and `lrt-oracle rewards`, which computes it again.

Frozen sets and sources are stand-ins (`tests/contracts/solidity/RewardsStandIn.sol`); the store and Rewards are real.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from eth_hash.auto import keccak
from web3 import Web3

from demo.world.anvil import Anvil
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import MOST_STAKE, CheckedGrounds, make_grounds
from oracle.rewards.posted import RewardsReads
from oracle.rewards.report import ETHER, EpochRewards, epoch_rewards
from oracle.rewards.review import review
from oracle.rewards.stored import stored_attendance
from oracle.sign.eip712 import Domain, address_of, sign_compact
from oracle.sign.epoch_words import RewardsWord, SignedAttendance
from oracle.sign.keyfiles import save
from oracle.sign.messages import Signature
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.sign.signed_batch import packed_signatures
from oracle.storage.database import Database
from tests.contracts.contract_tools import Bench, connected
from tests.oracle.cli.command import run
from tests.oracle.rewards.chain_epoch import KEYS, POT, THRESHOLD, WEIGHTS, ChainEpoch
from tests.oracle.rewards.rewards_epoch import signed_attendance

pytestmark = pytest.mark.chain
CONFIG = """
[oracle]
database = "o.db"
[chains.local]
chain_id = 31337
endpoints = ["{url}"]
[targets.main]
chain = "local"
store = "{store}"
[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
"""


def operator(folder: Path, member: int) -> Operator:
    journal = SignJournal(
        folder / f"{member}.journal", address_of(KEYS[member]), now_ms=0, mute_ms=60_000, newborn=True
    )
    return Operator(f"member{member}", KEYS[member], journal, bound_bps=100)


def attended(folder: Path, member: int, frozen: FrozenEpoch) -> Database:
    """What it stored of ten rounds: the third member signed in four of them, and this one was down in its own round."""
    database = Database(folder / f"{member}.db")
    for n in range(10):
        places = {0, 1, 3} | ({2} if n < 4 else set())
        for part in (places - {0}, places):  # told twice, the second time with what came late
            database.save_attended("main", 1, frozen.capture_s + n, part - {member} if n == member else part)
    database.save_attended("main", 2, frozen.capture_s + 99, {2})
    return database


def words_of(folder: Path, frozen: FrozenEpoch, operators: list[Operator]) -> dict[bytes, SignedAttendance]:
    words = {}
    for member, who in enumerate(operators):
        with closing(attended(folder, member, frozen)) as database:
            said = stored_attendance(database, "main", frozen)
        assert said.rounds == 10
        signed = asyncio.run(who.request_attendance(said, frozen.capture_s + 60, now_ms=10**13, clock_ok=True))
        assert isinstance(signed, Signature)
        words[who.address] = SignedAttendance(said=said, address=who.address, signature=signed.compact)
    return words


@pytest.fixture
def epoch(node: Anvil) -> Iterator[ChainEpoch]:
    with connected(node.url) as web3:
        yield ChainEpoch(Bench(web3), node.url)


@pytest.fixture
def shell(epoch: ChainEpoch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(CONFIG.format(url=epoch.url, store=epoch.store.address))

    def called(*args: str, contract: str = epoch.rewards.address) -> Result:
        return run("rewards", "1", "--contract", contract, *args)

    return called


def test_an_epoch_is_reported_and_computed_again(epoch: ChainEpoch, shell: Any, tmp_path: Path) -> None:
    """From what each stored, over words and a report in their journals, to leaves that the sources are paid."""
    assert shell().exit_code == 3
    frozen, stakes, pots = epoch.read()
    assert (frozen.weights, frozen.threshold, frozen.capture_s) == (WEIGHTS, THRESHOLD, epoch.capture_s)
    assert stakes == ((3, 1),) * 4, "at the freeze, not later"
    assert pots == {ETHER: POT}
    operators = [operator(tmp_path, member) for member in range(4)]
    words = words_of(tmp_path, frozen, operators)
    report = epoch_rewards(make_grounds(frozen, stakes, words), pots)
    assert report.seen.credited == (9, 10, 4, 10), (
        "each lacks a round of its own; without the first 60 of 67 saw all of its"
    )
    signed = {}
    for who in operators[:3]:
        known: dict[str, Any] = {"stakes": stakes, "pots": pots, "held": words}
        assert review(frozen, report.grounds.raw, report.word, **known) == report
        answer = asyncio.run(who.request_rewards(report.word, frozen.capture_s + 60, now_ms=10**13, clock_ok=True))
        assert isinstance(answer, Signature)
        signed[who.address] = answer.compact
    epoch.post(report.word, report.grounds.raw, packed_signatures(frozen.signers, signed))
    for leaf in report.leaves:
        operator_, asset = (Web3.to_checksum_address(x) for x in (leaf.operator, leaf.asset))
        proof = list(report.tree.proof(leaf.hash))
        claim = epoch.rewards.functions.claim(1, operator_, leaf.source, asset, leaf.amount, proof)
        epoch.bench.send(claim)
        assert epoch.sources[leaf.source].functions.given(operator_, asset).call() == leaf.amount
    told = shell()
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith(f"same   root 0x{report.word.root.hex()}\n")
    assert (
        f"{epoch.operators[2].lower()}  4 of 10 rounds; owed 80000000000000000 of ether, in wei; absent" in told.stdout
    )
    document = json.loads(shell("--json").stdout)
    assert (document["same"], document["faults"], document["notes"]) == (True, [], [])
    assert [x["amount"] for x in document["leaves"]] == [str(x.amount) for x in report.leaves]
    assert document["absent"] == [epoch.operators[2].lower()]
    assert int(document["left"]["0x" + "00" * 20]) == report.left(ETHER) == POT - sum(x.amount for x in report.leaves)


def test_a_member_s_stake_is_read_when_it_was_seen(epoch: ChainEpoch) -> None:
    """Of each member at its own moment: at another's it may have had nothing."""
    epoch.bench.send(epoch.set.functions.see(1, epoch.operators[1], epoch.bench.now))
    _, stakes, _ = epoch.read()
    assert stakes == ((3, 1), (1, 1), (3, 1), (3, 1))


def signed_by_all(frozen: FrozenEpoch, said: RewardsWord) -> bytes:
    digest = keccak(said.preimage())
    return packed_signatures(frozen.signers, {address_of(k): sign_compact(k, digest) for k in KEYS})


@pytest.mark.parametrize("kind", ["root", "absent", "stakes", "grounds"])
def test_a_report_that_does_not_follow_is_told(epoch: ChainEpoch, shell: Any, tmp_path: Path, kind: str) -> None:
    """Whatever weight T of liars signs; the difference is named, and the exit status says so."""
    frozen, stakes, pots = epoch.read()
    words = words_of(tmp_path, frozen, [operator(tmp_path, member) for member in range(4)])
    grounds: CheckedGrounds = make_grounds(frozen, [(1, 2)] * 4 if kind == "stakes" else stakes, words)
    report: EpochRewards = epoch_rewards(grounds, pots)
    said = RewardsWord(
        domain=frozen.domain,
        epoch=1,
        root=keccak(b"another") if kind == "root" else report.word.root,
        absent=(frozen.operators[3],) if kind == "absent" else report.absent,
        grounds=keccak(b"words") if kind == "grounds" else grounds.hash,
    )
    epoch.post(said, b"words" if kind == "grounds" else grounds.raw, signed_by_all(frozen, said))
    told = shell()
    assert told.exit_code == 1, told.output
    expected = {
        "root": [f"OTHER  its grounds give root 0x{report.word.root.hex()}"],
        "absent": [
            f"OTHER  0x{frozen.operators[3].hex()} is named as absent, by its grounds it was not",
            f"OTHER  0x{frozen.operators[2].hex()} was absent by its grounds, and is not named",
        ],
        "stakes": [
            f"OTHER  stake of 0x{o.hex()} in source {i} at the freeze is {had} wei, not {1 + i}"
            for o in frozen.operators
            for i, had in enumerate((3, 1))
        ],
        "grounds": ["OTHER  its grounds: version 77: another version of this program made them"],
    }
    assert [row for row in told.stdout.splitlines()[1:] if row.startswith("OTHER")] == expected[kind]
    assert json.loads(shell("--json").stdout)["same"] is False


OPERATOR = """
[[operators]]
name = "member{member}"
keyfile = "{folder}/key.json"
journal = "{folder}/j.db"
"""


class Machines:
    """A config, a key, a journal and a database of each member, as far as this test needs them."""

    def __init__(self, epoch: ChainEpoch, folder: Path, frozen: FrozenEpoch) -> None:
        self.epoch, self.folder = epoch, folder
        for member, key in enumerate(KEYS):
            own = folder / f"m{member}"
            own.mkdir()
            save(own / "key.json", key, "open", iterations=1)
            SignJournal(own / "j.db", address_of(key), now_ms=0, mute_ms=60_000, newborn=True).close()
            attended(own, member, frozen).close()
            config = CONFIG.format(url=epoch.url, store=epoch.store.address).replace("o.db", f"{own}/{member}.db")
            (own / "config.toml").write_text(config + OPERATOR.format(member=member, folder=own))

    def report(self, member: int, *args: str) -> Result:
        config = str(self.folder / f"m{member}" / "config.toml")
        return run("--config", config, "report", "1", "--contract", self.epoch.rewards.address, *args)

    def told(self, member: int, *args: str) -> Any:
        done = self.report(member, *args, "--json")
        assert done.exit_code in {0, 3}, done.output
        return json.loads(done.stdout)


def test_a_report_is_made_by_hand(
    epoch: ChainEpoch, shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each machine says who was there, one proposes, the others sign what they compute, anybody sends it."""
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", "open")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # witnesses of other tests know these keys
    frozen, _, _ = epoch.read()
    machines = Machines(epoch, tmp_path, frozen)
    first = machines.report(0)
    assert (first.exit_code, first.stdout.count("--words 0x"), "--grounds" in first.stdout) == (3, 1, False)
    words = "0x" + "".join(machines.told(m)["words"][2:] for m in range(4))
    alone = machines.report(0, "--propose")
    assert alone.exit_code == 1
    assert "words of weight 40, 67 are needed" in alone.output
    proposed = machines.told(0, "--words", words, "--propose")
    assert proposed["call"] is None
    grounds, signatures = proposed["grounds"], proposed["signatures"]
    bad = machines.report(1, "--grounds", grounds, "--signatures", words)
    assert bad.exit_code == 1
    second = machines.told(1, "--grounds", grounds, "--signatures", signatures)
    whole = machines.report(2, "--words", words, "--grounds", grounds, "--signatures", second["signatures"])
    assert whole.exit_code == 0, whole.output
    data = whole.stdout.splitlines()[-1].split(": ")[1]
    sent = {"from": epoch.bench.owner.address, "to": epoch.rewards.address, "data": data}
    epoch.bench.web3.eth.wait_for_transaction_receipt(epoch.bench.web3.eth.send_transaction(sent))
    assert shell().exit_code == 0
    assert machines.report(3, "--grounds", grounds, "--words", words).exit_code == 3
    late = machines.report(1, "--words", "0x" + words[2:][: len(words[2:]) // 4 * 3], "--propose")
    assert late.exit_code == 3
    assert "another word of it is already signed" in late.stdout, "a key signs one root an epoch"


def test_grounds_that_leave_a_word_out_are_not_signed(
    epoch: ChainEpoch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", "open")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # witnesses of other tests know these keys
    frozen, _, _ = epoch.read()
    machines = Machines(epoch, tmp_path, frozen)
    words = [machines.told(m)["words"][2:] for m in range(4)]
    grounds = machines.told(0, "--words", "".join(words[:3]), "--propose")["grounds"]
    no = machines.report(1, "--words", words[3], "--grounds", grounds)
    assert no.exit_code == 1
    assert f"nothing is signed: the word of 0x{frozen.keys[3].hex()} is left out" in no.output
    assert machines.report(1, "--words", "zz").exit_code == 2
    assert machines.report(1, "--propose", "--grounds", grounds).exit_code == 2
    bent = words[2][:-2] + ("00" if words[2][-2:] != "00" else "01")
    assert "the word of" in machines.report(1, "--words", bent).output
    future = run("--config", str(tmp_path / "m0" / "config.toml"), "report", "2", "--contract", epoch.rewards.address)
    assert (future.exit_code, "no set was frozen for it" in future.output) == (3, True)


def test_what_cannot_be_looked_at_is_said(epoch: ChainEpoch, shell: Any) -> None:
    assert shell(contract="0x12").exit_code == 2
    assert "not an address" in shell(contract="0x12").output
    unknown = shell("--target", "mian")
    assert unknown.exit_code == 2
    assert "'mian' is not a target of the config" in unknown.output
    other = shell(contract=epoch.store.address)
    assert other.exit_code == 1
    none = run("rewards", "7", "--contract", epoch.rewards.address)
    assert none.exit_code == 3
    assert "no set was frozen for epoch 7" in none.output
    assert "no report of epoch 1 is posted" in shell().output


async def test_rewards_of_another_store_are_refused(epoch: ChainEpoch) -> None:
    nodes = QuorumRpc([epoch.url], chain_id=31337)
    other = Domain(chain_id=31337, store=b"\x01" * 20)
    with pytest.raises(ChainError, match="pays the signers of"):
        await RewardsReads.open(nodes, bytes.fromhex(epoch.rewards.address[2:]), other)
    await nodes.close()


def test_a_source_that_says_too_much_keeps_no_report_from_the_others(epoch: ChainEpoch, tmp_path: Path) -> None:
    """A word of a contract has 32 bytes, a stake in the grounds has 16: all take the same in its place."""
    epoch.bench.send(epoch.sources[1].functions.setStake(epoch.operators[2], 2**200))
    signers = [address_of(k) for k in KEYS]
    until = epoch.bench.now + 1_000_000
    freeze = epoch.set.functions.freeze(1, signers, epoch.operators, list(WEIGHTS), THRESHOLD, until)
    epoch.bench.send(freeze)
    frozen, stakes, _ = epoch.read()
    assert stakes == ((1, 1), (1, 1), (1, MOST_STAKE), (1, 1))
    with closing(Database(tmp_path / "o.db")) as database:
        said = stored_attendance(database, "main", frozen)
    words = {address_of(k): signed_attendance(said, i) for i, k in enumerate(KEYS)}
    assert make_grounds(frozen, stakes, words).grounds.stakes == stakes
