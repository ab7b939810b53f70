"""docs/restaking.md does not lie: a new operator and a restaker do what it says, on a real chain with the real contracts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
import pytest

import contracts
from demo.world import anvil, npm
from demo.world.chain import account
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.key_lock import sole_writer
from oracle.stake.moments import moment
from tests.oracle.stake.people import ETHER, OTHER_KEYS, OTHERS, OWNER, STAKES, People

pytestmark = pytest.mark.chain
PAGE = (Path(__file__).parents[3] / "docs" / "restaking.md").read_text(encoding="utf-8")
POT = 10**18
DAY_S = 86_400


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("people")
    (folder / "var").mkdir()
    with anvil.running() as node:
        yield People(node.url, folder)


@pytest.fixture
def people(made: People) -> Iterator[People]:
    """The chain as it was deployed, for each test."""
    before = made.on_chain(lambda chain: chain.rpc("evm_snapshot"))
    keys, names = list(made.keys), dict(made.names)
    for name, number in (("gas", 6), ("wallet", 7), ("restaker", 8), ("other", 3)):
        made.write_key(f"{name}.key.json", coincurve.PrivateKey(bytes(account(number).key)))
    yield made
    made.on_chain(lambda chain: chain.rpc("evm_revert", before))
    made.keys, made.names, made.operators = keys, names, ""
    for path in (made.folder / "var").iterdir():
        path.unlink()


def steps() -> list[tuple[str, str, int]]:
    """Heading, command and exit status, in the order of the page."""
    found = []
    for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        for block in re.findall(r"```sh\n(.*?)```", body, re.DOTALL):
            for line in block.splitlines():
                status = re.search(r"# status (\d)", line)
                found.append((heading, line, int(status[1]) if status else 0))
    return found


def operator_section(people: People) -> None:
    people.operators = f"""
[[operators]]
name = "mine"
keyfile = "{people.folder}/var/mine.key.json"
journal = "{people.folder}/var/mine.journal.db"
"""


class Reader:
    """Somebody who does what the page says, and what happens around it."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.before: dict[str, Callable[[], Any]] = {
            "lrt-oracle stake status": self._others_know,
            "lrt-oracle stake rotate": self._wait,
            "lrt-oracle stake status $OPERATOR": self._armed,
            "lrt-oracle rewards 2": lambda: self._paid(2),
            "lrt-oracle rewards claim 3": lambda: self._paid(3),
            "lrt-oracle stake withdraw": self._open,
        }

    def _others_know(self) -> None:
        """The wallet and the restaker have ether and tokens; the report key is in the config."""
        people = self.people
        people.names["OPERATOR"] = people.endow("wallet.key.json", 20)
        people.names["RESTAKER"] = people.endow("restaker.key.json", 30)
        people.keys.append(people.quick_key("mine.key.json"))
        people.quick_key("wallet.key.json")
        operator_section(people)

    def _wait(self) -> None:
        self.people.jump(2 * 3_600)

    def _armed(self) -> None:
        assert self.people.arm() == 2

    def _paid(self, epoch: int) -> None:
        people = self.people
        people.fund(epoch, POT)
        people.rotate()
        people.arm()
        people.post(epoch)

    def _open(self) -> None:
        opens_s = self.people.said("lrt-oracle stake status $RESTAKER")["restaker"]["holdings"][0]["exit"]["opens_s"]
        self.people.jump(opens_s - self.people.now())

    def does(self, line: str, status: int) -> str:
        found = max((k for k in self.before if line.startswith(k)), key=len, default=None)
        if found is not None:
            self.before.pop(found)()
        result = self.people.run(line)
        assert result.exit_code == status, (line, result.output)
        return result.output


def test_the_page_is_carried_out_word_for_word(people: People) -> None:
    for name in ("mine", "wallet"):
        (people.folder / "var" / f"{name}.key.json").unlink(missing_ok=True)
    reader, said = Reader(people), {}
    for heading, line, status in steps():
        said[heading, line.split("#")[0].strip()] = reader.does(line, status)
    out = " ".join(said.values())
    assert not reader.before, "the page does not come to these"
    assert "8 ETH of stake are missing" not in out
    assert "10 ETH of stake are missing" in out
    me, saver = people.names["OPERATOR"], people.names["RESTAKER"]
    assert people.read("book", "keyOf", me).lower() == keyfiles.stated_address(people.folder / "var" / "mine.key.json").lower()  # fmt: skip
    whole = said["How you stand", "lrt-oracle stake status $OPERATOR"]
    assert "weight 12 now, 12 in the next set" in whole
    assert "its words can be proven until" in whole
    paid = said["Be paid", "lrt-oracle rewards claim 2 --keyfile var/wallet.key.json"]
    assert [line.split()[1] for line in paid.splitlines() if line.startswith("done:")] == [
        "claim",
        "claim",
        "claimCommission",
    ]
    had = said["What you have, and who can take it", "lrt-oracle stake status $RESTAKER"]
    assert "20 shares, 20 wdivETH, worth 20 ETH" in had
    assert "can slash 1 ETH if the operator lies alone, 20 ETH if with others" in had
    assert people.read("token", "balanceOf", saver) == 30 * ETHER, "all is back"
    assert not people.read("set", "isCandidate", me)
    last = said["A lender", "lrt-oracle stake status"]
    assert "can be slashed: 117 ETH: 117 delegated" in last
    assert people.read("source", "positionOf", me, me)[3] == 12 * ETHER, "the bond leaves too"


def test_the_set_is_found_from_the_store_and_shown_whole(people: People) -> None:
    first = people.said("lrt-oracle stake status")
    assert first["contracts"] == {
        "set": people.world.set.address.lower(), "book": people.world.book.address.lower(),
        "penalties": people.world.penalties.address.lower(), "rewards": people.world.rewards.address.lower(),
        "sources": [{"address": people.world.source.address.lower(), "kind": "delegated"}],
    }  # fmt: skip
    assert (first["epoch"], first["by_stake"], first["security"]["two_contents"]) == (1, False, None)
    assert {r["place"] for r in first["operators"]} == {"too new"}
    people.jump(2 * 3_600)
    assert people.said("lrt-oracle stake status")["next"]["members"] == 3
    people.run("lrt-oracle stake rotate --keyfile var/other.key.json")
    waits = people.said("lrt-oracle stake status")["scheduled"]
    assert (waits["epoch"], waits["armed"]) == (2, False)
    people.arm()
    whole = people.said("lrt-oracle stake status")
    weights = {r["operator"]: int(r["weight"]) for r in whole["operators"]}
    assert (whole["epoch"], whole["by_stake"], sum(weights.values())) == (2, True, int(whole["total"]))
    frozen = people.read("set", "frozenOf", 2)
    assert (int(whole["threshold"]), int(whole["total"]), whole["provable_until_s"]) == (
        frozen[2],
        frozen[3],
        frozen[1],
    )
    assert whole["rotate_due_s"] == people.read("set", "nextRotateAt")
    assert whole["expires_s"] == people.read("store", "expiresAt")


def test_what_secures_the_price_is_stake_that_can_be_slashed(people: People) -> None:
    """Not weights, which are capped: the operator with the most has more stake than weight."""
    people.jump(2 * 3_600)
    people.rotate()
    people.arm()
    whole = people.said("lrt-oracle stake status")
    secured, rows = whole["security"], {r["operator"]: r for r in whole["operators"]}
    most = OTHERS[0].address.lower()
    assert int(rows[most]["weight"]) < int(rows[most]["slashable"]) == STAKES[0] * ETHER
    assert int(secured["slashable"]) == sum(STAKES) * ETHER
    need = 2 * int(whole["threshold"]) - int(whole["total"])
    two = secured["two_contents"]
    weights = {o: int(r["weight"]) for o, r in rows.items()}
    stakes = {o: int(r["slashable"]) for o, r in rows.items()}
    subsets = [[o for i, o in enumerate(sorted(weights)) if n >> i & 1] for n in range(8)]
    enough = [s for s in subsets if sum(weights[o] for o in s) >= need]
    cheapest = min(enough, key=lambda s: sum(stakes[o] for o in s))
    assert (int(two["weight"]), secured["complete"], int(two["cost"])) == (need, True, sum(stakes[o] for o in cheapest))
    assert sorted(two["operators"]) == cheapest
    assert secured["one_false_content"]["slashed"] == "0"
    by_key = people.said(f"lrt-oracle stake status 0x{address_of(OTHER_KEYS[0]).hex()}")
    assert by_key["operator"]["operator"] == most, "a report key leads to its operator"


def test_dry_sends_nothing_and_says_what_it_costs(people: People) -> None:
    people.endow("restaker.key.json", 5)
    me, block = account(8).address, people.on_chain(lambda chain: chain.rpc("eth_blockNumber"))
    line = f"lrt-oracle stake delegate 5 --operator {OTHERS[0].address} --dry --account {me}"
    said = people.said(line)
    assert [s["step"] for s in said["steps"]] == ["approve", "deposit"]
    assert said["steps"][0]["gas"] > 21_000
    assert int(said["steps"][0]["cost_wei"]) > 0
    assert (said["steps"][1]["gas"], said["done"]) == (None, []), "it can be tried once the first has landed"
    assert all(s["undo"] for s in said["steps"])
    assert people.on_chain(lambda chain: chain.rpc("eth_blockNumber")) == block
    sent = people.said(line.replace(f"--dry --account {me}", "--keyfile var/restaker.key.json"))
    assert [d["step"] for d in sent["done"]] == ["approve", "deposit"]
    assert people.read("source", "positionOf", OTHERS[0].address, me)[1] == 5 * ETHER


def test_an_exit_is_told_taken_back_and_refused_before_it_opens(people: People) -> None:
    people.endow("restaker.key.json", 5)
    on = f"--operator {OTHERS[0].address} --keyfile var/restaker.key.json"
    assert "nothing was asked back" in people.refused(f"lrt-oracle stake withdraw {on}")
    people.run(f"lrt-oracle stake delegate 5 {on}")
    mine = f"lrt-oracle stake status {account(8).address}"
    told = people.said(mine)["restaker"]["holdings"][0]["exit_asked_now_opens_s"]
    assert told > people.now() + people.read("source", "windowS") - 60, "a deposit stays for the window, in no set too"
    assert f"an exit asked for now opens at {moment(told)}" in people.run(mine).output
    asked = people.said(f"lrt-oracle stake undelegate {on}")
    assert asked["opens_s"] == told
    assert people.said(mine)["restaker"]["holdings"][0]["exit_asked_now_opens_s"] is None
    held = people.read("source", "positionOf", OTHERS[0].address, account(8).address)
    assert (asked["opens_s"], asked["closes_s"]) == (held[4], held[5])
    assert "the exit opens at" in people.refused(f"lrt-oracle stake withdraw {on}")
    people.run(f"lrt-oracle stake undelegate 0 {on}")
    assert people.read("source", "positionOf", OTHERS[0].address, account(8).address)[3] == 0
    people.run(f"lrt-oracle stake undelegate {on}")
    people.jump(5 * DAY_S)
    assert "was open until" in people.refused(f"lrt-oracle stake withdraw {on}")


def test_what_cannot_be_done_is_said_with_what_would_change_it(people: People) -> None:
    people.endow("restaker.key.json", 5)
    with_key = "--keyfile var/restaker.key.json"
    stranger, first = "0x" + "77" * 20, OTHERS[0].address
    assert "is not enrolled" in people.refused(f"lrt-oracle stake delegate 1 --operator {stranger} {with_key}")
    assert "divETH is wrapped" in people.refused(f"lrt-oracle stake delegate 6 --operator {first} {with_key}")
    assert "write a positive amount" in people.refused(f"lrt-oracle stake delegate 0 --operator {first} {with_key}")
    assert "is no candidate" in people.refused(f"lrt-oracle stake leave {with_key}")
    assert "nothing is owed" in people.refused(f"lrt-oracle rewards claim {with_key}")
    assert "who acts?" in people.refused("lrt-oracle stake rotate")
    few = people.refused("lrt-oracle stake rotate --keyfile var/other.key.json")
    assert "0 operators could be members, 3 are needed" in few, "nobody has waited long enough"
    people.jump(2 * 3_600)
    people.rotate()
    assert "rotate is due at" in people.refused("lrt-oracle stake rotate --keyfile var/other.key.json")


def test_keys_with_another_task_do_not_act(people: People) -> None:
    """A report key has no ether, and a gas key's queue is its process's."""
    people.write_key("mine.key.json", OTHER_KEYS[0])
    operator_section(people)
    line = "lrt-oracle stake rotate --passphrase-env LRT_ORACLE_PASSPHRASE --keyfile"
    assert "is the report key of operator 'mine'" in people.refused(f"{line} var/mine.key.json")
    with sole_writer(people.folder / "o.db"):
        assert "has one queue, and a process uses it" in people.refused(f"{line} var/gas.key.json")


def test_a_key_that_is_another_operator_s_is_not_set(people: People) -> None:
    people.write_key("mine.key.json", OTHER_KEYS[0])
    operator_section(people)
    people.endow("wallet.key.json", 1)
    assert "is the key of" in people.refused("lrt-oracle stake join --keyfile var/wallet.key.json")
    joined = people.refused("lrt-oracle stake join --keyfile var/other.key.json")
    assert "has its key in the book and is enrolled, and is a candidate" in joined


def test_a_case_is_shown_to_who_loses_by_it(people: People) -> None:
    """An operator that signed two contents of a round, proven by anybody: fraction, dispute, jail; and no new delegation meanwhile."""
    people.endow("restaker.key.json", 10)
    liar, on = OTHERS[1].address, f"--operator {OTHERS[1].address} --keyfile var/restaker.key.json"
    people.run(f"lrt-oracle stake delegate 9 {on}")
    people.jump(2 * 3_600)
    people.rotate()
    people.arm()
    people.prove(OTHER_KEYS[1], epoch=2)
    (held,) = people.said(f"lrt-oracle stake status {account(8).address}")["restaker"]["holdings"]
    (case,) = held["slashing"]["cases"]
    case_id = people.read("penalties", "caseIn", liar, 2)
    known = people.read("penalties", "caseOf", case_id)
    assert (case["case"], int(case["fraction"]), case["dispute_until_s"]) == ("0x" + case_id.hex(), known[4], known[2])
    assert int(held["slashing"]["aside_tokens"]) == 9 * ETHER * known[4] // 10**18 == 9 * ETHER - int(held["tokens"])
    assert held["waits_for_case"]
    operator = people.said(f"lrt-oracle stake status {liar}")["operator"]
    assert operator["jailed_until_s"] == people.read("set", "jailedUntil", liar)
    assert [(c["outcome"], c["is_open"]) for c in operator["cases"]] == [("disputed", True)]
    assert operator["why_not"].startswith("in jail until")
    assert "is open: deposits wait" in people.refused(f"lrt-oracle stake delegate 1 {on}")
    text = people.run(f"lrt-oracle stake status {account(8).address}").output
    assert "5.00 % put aside, 5.00 % due, dispute until" in text


def test_a_store_that_an_account_owns_is_not_staked(people: People) -> None:
    async def plain(chain: Any) -> Any:
        me = OWNER.address
        signer = account(9).address
        roles = (me, me, 60, 0, 0, 0)
        made = contracts.load("PriceStore")
        code = npm.NpmArtifact(made.abi, "0x" + made.bytecode.hex())
        return await chain.create(OWNER, code, roles, [(1, 9_999, 1)], [signer], [1], 1, 1)

    kept, people.world = people.world, replace(people.world, store=people.on_chain(plain))
    try:
        said = people.refused("lrt-oracle stake status")
        slot, owner = hex(262_144), "0x" + kept.set.address[2:].lower().rjust(64, "0")
        people.on_chain(lambda chain: chain.rpc("anvil_setStorageAt", people.world.store.address, slot, owner))
        other = people.refused("lrt-oracle stake status")
    finally:
        people.world = kept
    assert f"is owned by {kept.set.address.lower()}, which is no StakedSet of it" in other, "it is another store's"
    assert "which is no StakedSet of it: its owner names the signers" in said
