"""Stake on the endpoint: as described, with its age, from memory alone; and what secures a price, honest about what it is not about."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from feeds.units import MS
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.operator_documents import NOBODY, operators_document, operators_lines
from oracle.serve.stake_documents import stake_parts
from oracle.stake.follow import LOOK_S, StakeView
from oracle.stake.moments import moment, units
from tests.oracle.serve.endpoint_client import NOW_MS, OWN, Client, faults
from tests.oracle.serve.memory_service import ROUND_S
from tests.oracle.serve.operators_world import seen
from tests.oracle.serve.stake_world import ALICE, KEYS, found, row, stake_view
from tests.oracle.sign.sign_world import SIGNERS

ETHER = 10**18
STAKE_BYTES = 64_000
"""Of 31 members and eight candidates with two sources each."""


@pytest.mark.loopback
async def test_stake_is_as_described_whatever_is_known(client: Client) -> None:
    for view, why in (
        (None, "this process has no store"),
        (StakeView(target="home"), "the contracts were not read yet"),
        (StakeView(target="home", error="no endpoint answers"), "no endpoint answers"),
        (StakeView(target="home", not_staked="0x1 names the signers"), "0x1 names the signers"),
        (stake_view(), ""),
        (stake_view(error="no endpoint answers"), ""),
        (stake_view(found(by_stake=False, next=None, expires_s=None, frozen_total=None)), ""),
    ):
        client.service.staked = view
        for operators in (None, seen()):
            client.service.seen = operators
            status, body, _ = await client.get("/v1/operators")
            assert (status, faults(body, SCHEMAS["Operators"])) == (200, [])
            assert (body["stake"] is None, body["stake_why"]) == (why != "", why)
            status, body, _ = await client.get(f"{OWN}/security")
            assert (status, faults(body, SCHEMAS["Security"])) == (200, [])
            assert (body["stake"] is None, body["stake_why"]) == (why != "", why)
            assert why in " ".join(body["unknown"])


@pytest.mark.loopback
async def test_a_reading_says_how_old_it_is_and_how_often_it_is_made(client: Client) -> None:
    client.service.staked = stake_view()
    _, body, _ = await client.get("/v1/operators")
    stake = body["stake"]
    assert (stake["read_at_ms"], stake["age_s"], stake["every_s"]) == (ROUND_S * MS, 5, LOOK_S)
    first = stake["operators"][0]
    assert (first["name"], first["weight_bps"]) == (f"0x{int(ALICE, 16):040X}", 32 * 10_000 // 92), (
        "nobody is known by name"
    )
    client.service.seen = seen()
    _, body, _ = await client.get("/v1/operators")
    first = body["stake"]["operators"][0]
    assert (first["name"], first["here"]) == ("alice", True)


@pytest.mark.loopback
async def test_a_price_names_the_path_of_what_secures_it_and_a_product_has_one_too(client: Client) -> None:
    _, body, _ = await client.get("/v1/prices")
    for price in body["prices"]:
        status, secured, _ = await client.get(price["security"])
        assert (status, secured["feed"]) == (200, price["feed"])
    assert await client.error("/v1/prices/no/feed/security") == (404, "unknown_feed", await _hint(client))
    assert (await client.error(f"{OWN}/security?round=1"))[:2] == (400, "bad_parameter")


async def _hint(client: Client) -> str:
    return (await client.error("/v1/prices/no/feed"))[2]


@pytest.mark.loopback
async def test_who_signed_the_last_record_is_told_with_what_they_have_to_lose(client: Client) -> None:
    keys = ["0x" + a.hex() for a in SIGNERS.signers]
    rows = [row(n, 30, 40 + n, key=k, signs_with=k) for n, k in enumerate(keys, start=1)]
    client.service.staked = stake_view(found(operators=rows, epoch=SIGNERS.epoch, total=str(90 * ETHER)))
    _, body, _ = await client.get(f"{OWN}/security")
    assert (body["epoch"], body["threshold"], body["unknown"]) == (str(SIGNERS.epoch), str(SIGNERS.threshold), [])
    assert [s["signed"] for s in body["signers"]] == [True, True, False]
    held = {r["signs_with"]: r["slashable"] for r in rows}
    assert {s["key"].lower(): s["slashable_wei"] for s in body["signers"]} == held
    assert int(body["signed_weight"]) == sum(int(s["weight"]) for s in body["signers"] if s["signed"])
    assert body["stake"]["two_contents"]["lost_wei"] == body["stake"]["two_contents"]["at_stake_wei"]
    assert body["stake"]["false_price"]["lost_wei"] == "0", "it contradicts nothing"


@pytest.mark.loopback
async def test_figures_that_are_of_another_set_or_store_say_so(client: Client) -> None:
    client.service.staked = stake_view(found(epoch=SIGNERS.epoch + 1))
    _, body, _ = await client.get(f"{OWN}/security")
    assert "these are not the same signers" in body["unknown"][0]
    assert {s["slashable_wei"] for s in body["signers"]} == {None}, "nothing is claimed for a key that no member has"
    client.service.staked = replace(stake_view(), target="another")
    _, body, _ = await client.get(f"{OWN}/security")
    assert body["unknown"] == ["the record was signed for local, and stake is read for another"]
    client.service.sealed.clear()
    _, body, _ = await client.get(f"{OWN}/security")
    assert body["signers"] == []
    assert body["unknown"][0] == "who signed the last record is not kept"
    last = client.service.rounds["wdivETH/ETH"][-1]
    client.service.rounds["wdivETH/ETH"] = [replace(last, seal=None)]
    _, body, _ = await client.get(f"{OWN}/security")
    assert body["unknown"][0] == "nobody signed the last record: nothing answers for it"


def test_a_source_that_does_not_answer_is_null_and_never_zero() -> None:
    silent = row(1, 32, 40)
    silent["sources"] = [{**silent["sources"][0], "stake": None, "slashable": None}, silent["sources"][1]]
    shown = stake_parts(stake_view(found(operators=[silent])), None, NOW_MS)["stake"]
    assert shown is not None
    (first,) = shown["operators"]
    assert (first["unread_sources"], first["sources"][0]["stake_wei"]) == (1, None)


def test_a_whole_set_costs_little() -> None:
    members = [row(n % 5 + 1, 30 if n < 31 else 0, 40) for n in range(39)]
    seen_ = found(operators=[{**m, "operator": f"0x{n + 1:040x}"} for n, m in enumerate(members)])
    parts = stake_parts(replace(stake_view(), found=seen_), seen(31), NOW_MS)
    assert len(orjson.dumps(operators_document(None, parts))) < STAKE_BYTES
    assert KEYS[0] in orjson.dumps(parts).decode().lower()


def text_of(view: StakeView | None) -> str:
    document = operators_document(seen(), stake_parts(view, seen(), NOW_MS))
    return "\n".join(operators_lines(document))


def test_the_text_of_operators_has_their_stake_weight_epoch_and_jail() -> None:
    said = text_of(stake_view())
    for row_ in stake_parts(stake_view(), seen(), NOW_MS)["stake"]["operators"]:
        (line,) = [text for text in said.splitlines() if f"{row_['operator']}: stake " in text]
        assert (
            f"stake {units(int(row_['stake_wei']))} ETH, {units(int(row_['slashable_wei']))} ETH can be slashed" in line
        )
        assert f"weight {units(int(row_['weight']))} (" in line
        assert "in epoch 2, " in line
        jail_s = row_["jailed_until_s"]
        assert ("in jail until" in line) is (jail_s is not None)
        assert jail_s is None or moment(jail_s) in line
    assert "stake at block 7, read 5 s ago: epoch 2, T 62 of W 92, expires " in said
    assert "0 in the next set (too little stake)" in said
    silent = row(1, 32, 40)
    silent["sources"][0]["stake"] = None
    assert "1 of its sources do not answer" in text_of(stake_view(found(operators=[silent])))


def test_the_text_of_operators_says_why_nothing_is_known_of_stake() -> None:
    assert "stake: not known: 0x1 names the signers" in text_of(
        StakeView(target="home", not_staked="0x1 names the signers")
    )
    assert "stake: not known: only a running process reads" in "\n".join(operators_lines(operators_document(seen())))
    assert "stake: not known: this process does not say" in "\n".join(operators_lines(NOBODY)), "an older one"
    named = text_of(stake_view(found(by_stake=False, expires_s=None, next=None)))
    assert "never expires" in named
    assert "its signers were named when the store was deployed, not by stake" in named
