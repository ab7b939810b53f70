"""docs/push.md does not lie: a store whose signers follow from stake, deployed by the command on a real chain, and used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.world import anvil
from tests.oracle.stake.founder import FEED, FIRST, KEYS, LINES, SECTION, SETTINGS, TIMELOCK, WALLETS, Founder, checksum
from tests.oracle.stake.people import ETHER, OWNER

pytestmark = pytest.mark.chain
STAKES = (50, 45, 40, 35)
DAY_S = 86_400


@pytest.fixture
def founder(tmp_path: Path) -> Iterator[Founder]:
    with anvil.running() as node:
        yield Founder(node.url, tmp_path)


def test_the_section_is_carried_out_word_for_word(founder: Founder) -> None:
    """Deployed, joined by four operators, frozen, armed, and a price of theirs pushed and read."""
    dry, deploy, status, rotate, arm = LINES
    said = founder.run(dry)
    assert said.exit_code == 0, said.output
    assert "nothing was sent" in said.output
    assert re.search(r"^costs: .+ ether at present fees$", said.output, re.MULTILINE)
    assert "undone: never" in said.output
    planned = founder.said(dry)
    (told,) = re.findall(r"these are (\d+) transactions and ([\d.]+) million gas", SECTION)
    assert int(told[0]) == len(planned["steps"])
    assert float(told[1]) * 10**6 == pytest.approx(int(planned["gas"]), rel=0.01)
    assert planned["planned"]["settings"]["stake"]["timelock"] == TIMELOCK.address
    assert founder.on_chain(lambda c: c.rpc("eth_getTransactionCount", OWNER.address, "latest")) == "0x0"
    assert not founder.file.exists()

    made = founder.run(deploy)
    assert made.exit_code == 0, made.output
    assert founder.said(dry)["steps"] == [], "all is there"
    founder.found()
    assert founder.read("store", "owner") == founder.world.set.address
    assert founder.read("set", "timelock") == TIMELOCK.address
    assert founder.read("store", "signerSet")[2] == [checksum(k) for k in FIRST]
    again = founder.run(deploy)
    assert again.exit_code == 0, again.output
    assert "0 transactions; all code verified" in again.output

    shown = founder.run(status)
    assert shown.exit_code == 0, shown.output
    assert founder.world.set.address.lower() in shown.output.lower()
    for number, stake in enumerate(STAKES):
        founder.joins(number, stake)
    founder.jump(DAY_S)
    done = founder.run(rotate)
    assert done.exit_code == 0, done.output
    founder.sit(*range(len(KEYS)))
    armed = founder.run(arm)
    assert armed.exit_code == 0, armed.output
    assert founder.read("store", "armed")
    founder.jump(2 * DAY_S)

    epoch, threshold, signers, weights = founder.read("store", "signerSet")
    assert (epoch, signers) == (2, sorted((checksum(k) for k in KEYS), key=str.lower)), "the set is theirs"
    assert founder.read("set", "membersOf", 2)[1] == [
        WALLETS[[checksum(k) for k in KEYS].index(s)].address for s in signers
    ]
    assert sum(weights) == 170 * ETHER
    assert threshold * 10_000 > 6_700 * sum(weights)
    founder.push(ETHER + 5)
    assert founder.price() == ETHER + 5
    lender = founder.run(status)
    assert "what secures this price" in lender.output


def test_every_setting_is_on_the_chain_and_in_the_file(founder: Founder) -> None:
    """Those that are not the default, too."""
    founder.settings = founder.settings.replace(
        'arbiter = "$ARBITER"',
        'arbiter = "$ARBITER"\nepoch_s = 7200\njoin_delay_s = 4000\nevidence_s = 3600\ncap_bps = 4000\nmin_stake_eth = "1.5"\n'
        "min_members = 3\nmax_members = 9\nthreshold_bps = 7000\nstep_bps = 9000\nmigrate_delay_s = 700000\ndispute_s = 5000\n"
        'execution_s = 4000\nmin_fraction_bps = 2500\njail_s = 1000\nfinder_bps = 100\nabsence_jail_s = 50\nreward_tokens = ["$TOKEN"]',
    ).replace('treasury = "$TREASURY"', 'treasury = "$TREASURY"\nwindow_s = 3601\nmax_commission_bps = 17')
    made = founder.run(LINES[1])
    assert made.exit_code == 0, made.output
    founder.found()
    names = (
        "epochS", "joinDelayS", "evidenceS", "capBps", "minStake", "minMembers", "maxMembers", "thresholdBps", "stepBps",
        "migrateDelayS",
    )  # fmt: skip
    found = [founder.read("set", name) for name in names]
    assert found == [7_200, 4_000, 3_600, 4_000, 3 * ETHER // 2, 3, 9, 7_000, 9_000, 700_000]
    names = ("disputeS", "executionS", "minFraction", "jailS", "finderBps", "arbiter")
    found = [founder.read("penalties", name) for name in names]
    assert found == [5_000, 4_000, ETHER // 4, 1_000, 100, founder.names["ARBITER"]]
    assert founder.read("rewards", "absenceJailS") == 50
    zero = "0x" + "00" * 20
    assert [founder.read("rewards", "isAsset", a) for a in (zero, founder.token.address)] == [True, True]
    assert founder.read("source", "assets") == [zero, founder.token.address]
    names = ("token", "treasury", "windowS", "maxCommissionBps", "values")
    found = [founder.read("source", name) for name in names]
    assert found == [
        founder.token.address, founder.names["TREASURY"], 3_601, 17, founder.world.values.address,
    ]  # fmt: skip
    _, selector, counts, growth, *_ = founder.read("values", "listed", founder.token.address)
    assert (selector.hex(), counts, growth) == ("679aefce", 10_000, 1_000), "its own getRate()"
    for name in ("set", "book", "source"):
        told = [founder.read(name, f) for f in ("set", "penalties", "rewards")]
        assert told == [founder.world.set.address, founder.world.penalties.address, founder.world.rewards.address]
    founder.settings = founder.settings.replace('guardian = "$GUARDIAN"', 'guardian = "$TREASURY"')
    guardian = founder.names["GUARDIAN"], founder.names["TREASURY"]
    note = f"note: guardian: {guardian[0]} -> {guardian[1]}: the set's timelock changes it, by govern and setGuardian"
    again = founder.run(LINES[1]).output
    assert note in again
    assert again.count("note: ") == 1
    held = founder.held["settings"]["stake"]
    assert (held["min_stake_eth"], held["delegated"]["window_s"], held["epoch_s"]) == ("1.5", 3_601, 7_200)


def test_what_the_contracts_would_refuse_is_refused_before_anything_is_sent(founder: Founder) -> None:
    """Of the wait that is shorter than a moment can be old, for one: as a plan, and as it is to be done."""
    founder.settings = founder.settings.replace('arbiter = "$ARBITER"', 'arbiter = "$ARBITER"\njoin_delay_s = 3599')
    for line in LINES[:2]:
        refused = founder.run(line)
        assert refused.exit_code == 2
        assert "stores.main.stake.join_delay_s" in refused.output
        assert "write 3600 to 31536000" in refused.output
    assert founder.on_chain(lambda c: c.rpc("eth_getTransactionCount", OWNER.address, "latest")) == "0x0"


def test_the_command_line_alone_says_it_too(founder: Founder) -> None:
    """And its options go before what the section says."""
    founder.settings = ""
    who = "--signers $ANN,$BOB,$CLEO --threshold 3 --longest-epoch 345600"
    line = (
        f"lrt-oracle deploy --rpc {founder.url} --keyfile var/owner.key.json {who} --stake $TOKEN --treasury $TREASURY"
    )
    planned = founder.said(f"{line} --arbiter $ARBITER --dry")
    stake = planned["planned"]["settings"]["stake"]
    assert stake["arbiter"] == founder.names["ARBITER"]
    assert stake["delegated"]["token"] == founder.token.address
    founder.settings = SETTINGS
    other = founder.names["GUARDIAN"]
    planned = founder.said(f"{LINES[0]} --treasury {other}")["planned"]["settings"]["stake"]
    assert (planned["delegated"]["treasury"], planned["delegated"]["token"]) == (other, founder.token.address)
    assert planned["arbiter"] == founder.names["ARBITER"]


def test_a_feed_that_comes_later_is_the_timelock_s_to_register(founder: Founder) -> None:
    assert founder.run(LINES[1]).exit_code == 0
    founder.found()
    founder.settings = f'[feeds."X/ETH"]\nsources = [{{ type = "coinbase", symbol = "X-ETH" }}, {{ type = "kraken", symbol = "X/ETH" }}]\n{founder.settings}'  # fmt: skip
    said = founder.refused(LINES[1])
    assert f"X/ETH is not registered, and the store is the set's: let its timelock {TIMELOCK.address} call" in said
    data = said.split(" with ")[1].split()[0]
    founder.on_chain(lambda c: c.rpc("anvil_setBalance", TIMELOCK.address, hex(ETHER)))
    founder.on_chain(lambda c: c.rpc("anvil_impersonateAccount", TIMELOCK.address))
    sent = {"from": TIMELOCK.address, "to": founder.world.set.address, "data": data}
    founder.on_chain(lambda c: c.rpc("eth_sendTransaction", sent))
    done = founder.run(LINES[1])
    assert done.exit_code == 0, done.output
    assert "1 transactions" in done.output, "the view"
    assert set(founder.held["views"]) == {FEED, "X/ETH"}
