"""What people write and read at the commands of stake: amounts in tokens, commissions, what to do next, and what is written wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import account
from oracle.stake.moments import moment
from tests.oracle.stake.people import ETHER, OTHER_KEYS, OTHERS, People

pytestmark = pytest.mark.chain
RESTAKER = "--keyfile var/restaker.key.json"
ME = account(8).address
WHO = OTHERS[0].address
ON = f"--operator {WHO} {RESTAKER}"
DAY_S = 86_400
MISUSE = {
    "none": (f"stake delegate 0 {ON}", 2, "write a positive amount with at most 18 decimals, in wdivETH, or `all`"),
    "below none": (f"stake delegate -5 {ON}", 2, "'-5': write a positive amount"),
    "below none, asked back": (f"stake undelegate -0.5 {ON}", 2, "'-0.5': write a positive amount"),
    "too fine": (f"stake delegate 1e-19 {ON}", 2, "with at most 18 decimals"),
    "beyond 28 digits": (f"stake delegate 1234567890.1234567890123456789 {ON}", 2, "with at most 18 decimals"),
    "no number": (f"stake delegate many {ON}", 2, "'many' is not an amount: write a number such as 1.5, in wdivETH, or `all`"),
    "beyond every number": (f"stake delegate 1e999999999 {ON}", 2, "is not an amount"),
    "more than owned": (f"stake delegate 31 {ON}", 1, "has 30 wdivETH, less than 31; divETH is wrapped"),
    "more than delegated": (f"stake undelegate 1 {ON}", 1, "has 0 wdivETH with"),
    "nothing to take back": (f"stake undelegate 0 {ON}", 1, "nothing was asked back"),
    "wrong checksum": (f"stake delegate 1 --operator 0x{WHO[2:].swapcase()} {RESTAKER}", 2, f"wrong checksum: write {WHO}"),
    "wrong checksum of who acts": (
        f"stake delegate 1 --operator {WHO} --dry --account 0x{ME[2:].swapcase()}", 2, f"wrong checksum: write {ME}",
    ),
    "wrong checksum of a contract": (f"rewards 1 --contract 0x{WHO[2:].swapcase()}", 2, f"wrong checksum: write {WHO}"),
    "no such key": (f"stake delegate 1 --operator {WHO} --keyfile var/none.json", 1, "make one with `lrt-oracle keys new"),
    "nobody acts": (f"stake delegate 1 --operator {WHO} --dry", 2, "give --keyfile PATH, or with --dry --account"),
    "not opted in": (f"stake bond 1 {RESTAKER}", 1, "is not enrolled at"),
    "no operator": (f"stake leave {RESTAKER}", 1, "its bond leaves by `stake undelegate`"),
    "no pool": (f"stake delegate 1 --source {WHO} {ON}", 1, "name the pool with --source; this set has"),
    "keeps nothing": (f"stake commission --commission-bps 1 {RESTAKER}", 1, "is not enrolled, so it keeps nothing"),
    "more than all": (f"stake commission --commission-bps 10001 {RESTAKER}", 2, "not in the range"),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder: Path = tmp_path_factory.mktemp("words")
    (folder / "var").mkdir()
    with anvil.running() as node:
        people = People(node.url, folder)
        for name, number in (("gas", 6), ("restaker", 8), ("other", 3)):
            people.write_key(f"{name}.key.json", coincurve.PrivateKey(bytes(account(number).key)))
        people.endow("restaker.key.json", 30)
        yield people


@pytest.fixture
def people(made: People) -> Iterator[People]:
    """The chain as it was, for each test."""
    before = made.on_chain(lambda chain: chain.rpc("evm_snapshot"))
    yield made
    made.on_chain(lambda chain: chain.rpc("evm_revert", before))


def asked_back(people: People) -> int:
    return int(people.read("source", "positionOf", WHO, ME)[3])


def test_amounts_are_tokens_with_decimals_at_every_command(people: People) -> None:
    people.run(f"lrt-oracle stake delegate 5.5 {ON}")
    assert people.read("source", "positionOf", WHO, ME)[1] == 55 * ETHER // 10
    said = people.run(f"lrt-oracle stake undelegate 1.25 {ON} --dry").output
    assert "asks back 1.25 wdivETH (1.25 of 5.5 shares, worth 1.25 ETH)" in said
    assert "the exit opens at" in said
    assert "`stake undelegate 0` until they are paid" in said
    assert asked_back(people) == 0, "that was dry"
    people.run(f"lrt-oracle stake undelegate 1.25 {ON}")
    assert asked_back(people) == 125 * ETHER // 100
    again = people.run(f"lrt-oracle stake undelegate all {ON}").output
    assert (
        "instead of 1.25 wdivETH (1.25 of 5.5 shares, worth 1.25 ETH) that were asked back before, and waits anew"
        in again
    )
    assert asked_back(people) == 55 * ETHER // 10
    assert "takes the exit of 5.5 wdivETH" in people.run(f"lrt-oracle stake undelegate 0 {ON}").output
    assert asked_back(people) == 0
    people.run(f"lrt-oracle stake delegate all {ON}")
    assert people.read("token", "balanceOf", ME) == 0
    assert people.read("source", "positionOf", WHO, ME)[1] == 30 * ETHER
    assert "has 0 wdivETH; divETH is wrapped" in people.refused(f"lrt-oracle stake delegate all {ON}")


def test_after_a_penalty_shares_are_other_than_tokens_and_both_are_shown(people: People) -> None:
    people.run(f"lrt-oracle stake delegate 10 {ON}")
    people.jump(2 * 3_600)
    people.rotate()
    people.arm()
    people.prove(OTHER_KEYS[0], epoch=2)
    held = people.read("source", "positionOf", WHO, ME)
    shares, tokens = held[0], held[1]
    assert tokens < shares == 10 * ETHER
    assert "9.5 wdivETH with" in people.refused(f"lrt-oracle stake undelegate 9.6 {ON}")
    people.run(f"lrt-oracle stake undelegate 4 {ON}")
    asked = asked_back(people)
    assert asked > 4 * ETHER
    assert asked * tokens // shares >= 4 * ETHER > (asked - 1) * tokens // shares, "the fewest that pay it"
    text = people.run(f"lrt-oracle stake status {ME}").output
    assert "10 shares, 9.5 wdivETH, worth 9.5 ETH" in text
    assert "0.5 wdivETH of it are put aside" in text
    people.jump(
        people.said(f"lrt-oracle stake status {ME}")["restaker"]["holdings"][0]["exit"]["opens_s"] - people.now()
    )
    refused = people.refused(f"lrt-oracle stake withdraw {ON}")
    assert f"a case of {WHO.lower()} is open: nothing is paid until it is over" in refused
    assert f"wait for the case of {WHO.lower()}" in people.run(f"lrt-oracle stake status {ME}").output


def test_a_commission_falls_at_once_and_rises_when_everybody_could_leave(people: People) -> None:
    line = "lrt-oracle stake commission --keyfile var/other.key.json --commission-bps"
    dry = people.run(f"{line} 500 --dry").output
    assert "keeps 5 % of rewards from now on, 10 % before" in dry
    assert "costs:" in dry
    assert "a higher one counts 7 days and 4 hours after it is asked for" in dry
    assert people.read("source", "commissionOf", WHO) == 1_000, "that was dry"
    people.run(f"{line} 500")
    assert people.read("source", "commissionOf", WHO) == 500
    assert "keeps 5 % at" in people.refused(f"{line} 500")
    assert "write --commission-bps 2000 or less" in people.refused(f"{line} 2001")
    rise = people.run(f"{line} 1500").output
    pool = people.read("source", "poolOf", WHO)
    assert (pool[9], people.read("source", "commissionOf", WHO)) == (1_500, 500)
    assert moment(pool[10])[:15] in rise, "when it counts"
    assert "`stake commission --commission-bps 500` until then" in rise
    assert "that is announced already" in people.refused(f"{line} 1500")
    assert "instead of 15 % from" in people.run(f"{line} 500").output
    assert people.read("source", "poolOf", WHO)[10] == 0, "taken back, as it said"
    people.run(f"{line} 1500")
    people.jump(8 * DAY_S)
    assert people.read("source", "commissionOf", WHO) == 1_500


def next_of(people: People, address: str) -> list[str]:
    said = people.said(f"lrt-oracle stake status {address}")
    text = people.run(f"lrt-oracle stake status {address}").output
    assert [line.removeprefix("next: ") for line in text.splitlines() if line.startswith("next: ")] == said["to_do"]
    return list(said["to_do"])


def test_status_says_what_to_do_next(people: People) -> None:
    assert "more operators: 3 are needed" in people.run("lrt-oracle stake status").output
    (waits,) = next_of(people, WHO)
    assert waits.startswith("wait: the first freeze after ")
    (delegates,) = next_of(people, ME)
    assert delegates.startswith("`stake delegate AMOUNT --operator ADDRESS`")
    people.run(f"lrt-oracle stake delegate 5 {ON}")
    assert next_of(people, ME) == ["nothing has to be done; `stake undelegate` asks back"]
    people.run(f"lrt-oracle stake undelegate {ON}")
    (leaves,) = next_of(people, ME)
    who = f"--operator {WHO.lower()}"
    assert leaves.startswith(f"`stake withdraw {who}` from ")
    assert f"`stake undelegate 0 {who}` takes the exit back" in leaves
    people.jump(2 * DAY_S + 60)
    assert next_of(people, ME)[0].startswith(f"`stake withdraw {who}`, before ")
    assert next_of(people, WHO) == ["`stake rotate`, if no keeper does: a freeze is due"]
    assert people.said("lrt-oracle stake status")["to_do"] == ["`stake rotate`, by anybody, if no keeper does"]
    people.rotate()
    (arms,) = people.said("lrt-oracle stake status")["to_do"]
    assert arms.startswith("`lrt-oracle arm`, by members of epoch 2, before ")
    people.jump(5 * DAY_S)
    assert next_of(people, ME)[0].startswith(f"`stake undelegate {who}` again: the exit was open until")
    whole = people.run("lrt-oracle stake status").output
    assert "and was not armed: the next freeze replaces it" in whole
    assert "has expired: " in whole
    assert "were to leave until" in people.run(f"lrt-oracle stake status {ME}").output


@pytest.mark.parametrize("name", MISUSE)
def test_what_is_written_wrong_is_said_with_what_to_write(made: People, name: str) -> None:
    line, status, said = MISUSE[name]
    result = made.run(f"lrt-oracle {line}")
    assert (result.exit_code, said in result.output) == (status, True), result.output


def test_a_chain_with_another_id_is_said_with_where_to_look(made: People, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.config()
    path.write_text(path.read_text().replace("chain_id = 31337", "chain_id = 1"))
    monkeypatch.setattr(made, "config", lambda: path)
    said = made.refused(f"lrt-oracle stake delegate 1 {ON}")
    assert "expected=1, served=31337: look at chain_id and endpoints of [chains.local] in the config" in said
