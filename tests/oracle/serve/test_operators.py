"""Who agrees and who is missing: documents, metrics and warnings; a sealed round proves itself to whoever trusts nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import coincurve
import orjson
import pytest

from oracle.model.publication import Record
from oracle.network.mesh.link_status import LinkPath
from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.network.reach import reach_of
from oracle.network.tally import Part, TalliedRound, Tally
from oracle.serve.history import HistoryReaders
from oracle.serve.metrics import Metrics
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.operator_documents import operators_document, operators_lines, sealed_document
from oracle.serve.operators import OperatorWatch, bound_faults, link_faults, round_faults
from oracle.serve.server import serve
from oracle.sign.eip712 import address_of
from oracle.storage.database import Database
from tests.oracle.network.agreement_world import BRISK, ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.serve.endpoint_client import NOW_MS, Client, faults
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.memory_service import ROUND_S as SERVED_S
from tests.oracle.serve.operators_world import DIALLING, link, seen, signers_of
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.serve.service_world import ROUND_S, ServiceWorld
from tests.oracle.sign.sign_world import DOMAIN, SIGNERS, scripted_operators

INTEGRATE, API_MD = (Path(__file__).parents[3] / "docs" / name for name in ("integrate.md", "api.md"))
PAGE_BYTES, METRICS_BYTES = 64_000, 64_000


# --- what is shown -------------------------------------------------------------------------------------------------------


@pytest.mark.loopback
async def test_the_answer_is_as_described_for_nobody_for_five_and_for_31(client: Client) -> None:
    for view in (None, seen(5), seen(31)):
        client.service.seen = view
        status, body, _ = await client.get("/v1/operators")
        assert status == 200
        assert faults(body, SCHEMAS["Operators"]) == []
        assert len(body["operators"]) == (len(view.rows) if view else 0)


def test_who_is_missing_is_seen_at_a_glance_with_its_reason_and_ourselves_first() -> None:
    document = operators_document(seen())
    ours, missing, guilty, *_ = document["operators"]
    assert ours["here"]
    assert (ours["hour"]["values_bps"], ours["hour"]["signed_bps"]) == (10_000, 10_000)
    assert (missing["path"], missing["hour"]["signed_bps"], missing["hour"]["missing_now"]) == ("none", 0, 359)
    assert missing["why"] == f"not connected: {DIALLING}"
    assert (missing["last_error_ms"], guilty["last_error_ms"]) == (SERVED_S * 1_000, None)
    assert missing["hour"]["missing"] == [{"text": missing["why"], "rounds": 360, "newest": SERVED_S + 3_590}]
    assert guilty["hour"]["evidence"]["newest"][0]["text"] == "two_items: its key signed two different items"
    assert document["rounds"]["lost_why"][0]["text"] == "values of weight 300, 400 are needed"
    ends_s = SERVED_S + 86_400
    assert document["epoch_expires_s"] == ends_s
    lines = "\n".join(operators_lines(document))
    for said in (
        f"epoch 7 expires at {ends_s} (Unix s)",
        DIALLING,
        "two_items",
        "359 rounds sealed",
        "1 lost",
        "not true any more",
        "* alice",
    ):
        assert said in lines


def test_operators_of_31_cost_little() -> None:
    view, metrics = seen(31), Metrics(lambda: NOW_MS)
    empty = len(metrics.render())
    metrics.operators.view = lambda: view
    assert len(orjson.dumps(operators_document(view))) < PAGE_BYTES
    assert len(metrics.render()) - empty < METRICS_BYTES


# --- what is wrong here --------------------------------------------------------------------------------------------------


def test_only_an_operator_that_is_missing_itself_is_told_so() -> None:
    signers, tally = signers_of(4), Tally()
    ours, others = signers.signers[0], signers.signers[1:]
    there = Part(values_ms=1, ready_ms=2, signed_ms=3, signed=True)
    for n, mine in enumerate(
        (there, Part(why="its values are here, it was not ready"), Part(why="its journal is locked"))
    ):
        parts = dict.fromkeys(others, there) | {ours: mine}
        tally.put(
            TalliedRound(target="home", round_time_s=SERVED_S + 10 * n, signers=signers, parts=parts, sealed=True)
        )
        told = round_faults(seen(4, tally))
        assert (told != []) is (n == 2), "one round may be an accident"
    assert told == ["operator alice is missing: the last 2 sealed rounds lack its signature (its journal is locked)"]
    assert round_faults(seen(5)) == [], "another one that is missing is no fault of ours"


def test_an_operator_whose_sources_part_from_the_others_is_told_so_wherever_operators_are_shown() -> None:
    signers, tally = signers_of(4), Tally()
    ours, others = signers.signers[0], signers.signers[1:]
    there = Part(values_ms=1, ready_ms=2, signed_ms=3, signed=True)
    far = ("divETH/ETH", "too far from its own view, or of another status")
    for n, apart in enumerate(((), (far,), (far,))):
        parts = dict.fromkeys(others, there) | {ours: replace(there, apart=apart)}
        tally.put(
            TalliedRound(target="home", round_time_s=SERVED_S + 10 * n, signers=signers, parts=parts, sealed=True)
        )
        told = round_faults(seen(4, tally))
        assert (told != []) is (n == 2), "one round may be an accident"
    assert (
        "does not vouch for what the others sealed in the last 2 rounds (divETH/ETH: too far from its own view"
        in told[0]
    )
    document = operators_document(seen(4, tally))
    assert document["operators"][0]["hour"]["apart_now"] == 2
    assert any("does not vouch in 2 rounds" in line and "divETH/ETH" in line for line in operators_lines(document))
    metrics = Metrics(lambda: NOW_MS)
    metrics.operators.view = lambda: seen(4, tally)
    assert samples(metrics)['lrt_oracle_operator_apart_feeds{operator="alice"}'] == 1


@pytest.mark.parametrize(("threshold", "too_low"), [(300, False), (266, True), (201, True)])
def test_a_threshold_with_which_independent_operators_may_not_agree_is_told(threshold: int, too_low: bool) -> None:
    signers, tally = replace(signers_of(4), threshold=threshold), Tally()
    parts = dict.fromkeys(signers.signers, Part(values_ms=1, ready_ms=2, signed_ms=3, signed=True))
    tally.put(TalliedRound(target="home", round_time_s=SERVED_S, signers=signers, parts=parts, sealed=True))
    told = bound_faults(seen(4, tally))
    assert bool(told) is too_low
    assert all("too low for independent operators" in t and f"T = {threshold}" in t for t in told)


def test_a_round_that_came_to_nothing_is_told_with_its_reason() -> None:
    signers, tally = signers_of(4), Tally()
    parts = dict.fromkeys(signers.signers, Part())
    tally.put(
        TalliedRound(
            target="home", round_time_s=SERVED_S, signers=signers, parts=parts, sealed=False, why="values of weight 200"
        )
    )
    assert round_faults(seen(4, tally)) == [f"round {SERVED_S} was not sealed: values of weight 200"]


@pytest.mark.parametrize(
    ("path", "offset_ms", "said"),
    [
        (LinkPath.DIRECT, 0, []),
        (LinkPath.INBOUND, -200, []),
        (LinkPath.NONE, 0, ["linked to none of 4 other operators", DIALLING]),
        (LinkPath.VIA, 0, ["nobody has dialled this operator and it has dialled nobody", "carried by carol"]),
        (LinkPath.DIRECT, 340, ["340 ms behind"]),
        (LinkPath.DIRECT, -201, ["201 ms ahead of"]),
    ],
)
def test_links_and_clock_of_this_process_are_told_of(path: LinkPath, offset_ms: int, said: list[str]) -> None:
    view = seen()
    via = ("carol",) if path is LinkPath.VIA else ()
    rows = tuple(
        r if r.is_here else replace(r, path=path.value, link=link(r.address, r.name, path, via=via)) for r in view.rows
    )
    told = link_faults(replace(view, rows=rows, clock_offset_ms=offset_ms))
    assert len(told) == bool(said)
    assert all(part in told[0] for part in said)


class NoStore:
    """Nothing was announced before."""

    def announcements(self) -> list[bytes]:
        return []

    def save_announcement(self, address: bytes, counter: int, raw: bytes) -> None:
        """Not kept."""


async def test_what_the_chain_says_of_us_is_held_against_where_we_are(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    world = ApartWorld.of(operators, timing=BRISK)
    place = NetworkPlace(
        domain=DOMAIN, urls=("wss://here.example:9000",), host="", port=0, tls=None, peers={},
        interval_s=10, versions=(1,), build="1",
    )  # fmt: skip
    network = OperatorNetwork(place, operators[0], coincurve.PrivateKey(b"\x07" * 32), NoStore(), now_ms=lambda: 5)  # type: ignore[arg-type]
    own = operators[0].address
    agreements = world.processes[own]
    watch = OperatorWatch(Tally(), "home", operators[:1], agreements, network, unable=lambda o: o.silenced, build="1")
    assert watch.view().warnings == ()
    there = await network._announcement()
    network.entries = {own: SimpleNamespace(signed=there, counter=5)}  # type: ignore[dict-item]
    assert watch.view().warnings == ()
    network.entries = {
        own: SimpleNamespace(signed=replace(there, said=replace(there.said, urls=("wss://old.example:1",))), counter=5)  # type: ignore[dict-item]
    }
    (moved,) = watch.view().warnings
    assert "wss://old.example:1" in moved
    assert "wss://here.example:9000" in moved
    network.entries = {own: SimpleNamespace(signed=None, counter=0)}  # type: ignore[dict-item]
    assert "has no announcement of this operator" in watch.view().warnings[0]
    operators[0].silenced = "mute: its key spoke from another process"
    assert watch.view().warnings[0] == "operator op0 signs nothing: mute: its key spoke from another process"
    for one in operators:
        one.journal.close()


async def test_the_one_that_goes_by_other_rules_than_the_rest_is_told_so_and_the_rest_are_not(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    world = ApartWorld.of(operators, timing=BRISK)
    odd = operators[0].address
    world.processes[odd].rules = replace(world.processes[odd].rules, digest=b"\x09" * 32)
    tallies = {a: Tally() for a in world.processes}
    seen_report = {0: replace(report(), round_time_s=ROUND_S)}
    ask = ask_of(SIGNERS, ROUND_S, {o.name: seen_report for o in operators})
    world.timing = BRISK
    for process in world.processes.values():
        process.timing = replace(BRISK, end_ms=1_500)
    for address, outcome in (await world.agree(ask)).items():
        tallies[address].note(outcome)
    told = {
        o.address: OperatorWatch(
            tallies[o.address], "home", [o], world.processes[o.address], None, unable=lambda _: "", build="1"
        ).view().warnings
        for o in operators
    }  # fmt: skip
    assert any("members of weight 2 of 3 are on other terms: they go by other rules" in w for w in told[odd])
    assert not any("other terms" in w for a, said in told.items() if a != odd for w in said)
    for one in operators:
        one.journal.close()


def test_at_the_start_the_log_has_who_is_reached_how_and_why_others_are_not() -> None:
    a, b, c, d, e = (bytes([n]) * 20 for n in range(5))
    links = {
        a: link(a, "alice"), b: link(b, "bob", LinkPath.INBOUND), c: link(c, "carol", LinkPath.VIA, via=("bob",)),
        d: link(d, "dave", LinkPath.NONE), e: link(e, "erin", LinkPath.NONE, last_error=""),
    }  # fmt: skip
    told = reach_of(links, known={d: True}, urls=("wss://here:1",))
    assert told.by_path == {LinkPath.DIRECT: ("alice",), LinkPath.INBOUND: ("bob",), LinkPath.VIA: ("carol via bob",)}
    assert told.unreached[0] == ("dave", DIALLING)
    assert "no address of it is known" in told.unreached[1][1]
    assert told.notes == ()
    assert (
        "nobody has dialled wss://here:1 so far"
        in reach_of({a: link(a, "alice")}, known={}, urls=("wss://here:1",)).notes[0]
    )
    assert "only dials" in reach_of({a: link(a, "alice")}, known={}, urls=()).notes[0]
    assert "no other operator is known" in reach_of({}, known={}, urls=("wss://here:1",)).notes[0]


def test_what_is_wrong_with_our_operators_degrades_and_does_not_stop_the_prices(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    assert not world.service.health().degraded, "the control: all is well"
    world.service.operators = seen
    health = world.service.health()
    assert (health.ready, health.degraded, health.warnings) == (True, True, seen().warnings)


# --- sealed rounds -------------------------------------------------------------------------------------------------------


def documented() -> Any:
    """The function that docs/integrate.md shows."""
    (code,) = re.findall(r"```python\n(.*?)```", INTEGRATE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return names["verified_items"]


@pytest.fixture
def sealed(tmp_path: Path) -> Mapping[str, Any]:
    world = ServiceWorld(tmp_path)
    agreement = world.database.agreement(ROUND_S, "main")
    assert agreement is not None
    records = [r for f in ("wdivETH/ETH", "ETH/USD") if (r := world.database.record(f)) is not None]
    return {"document": orjson.loads(orjson.dumps(sealed_document(agreement))), "records": records}


def test_a_sealed_round_is_verified_with_the_documented_function_alone(sealed: Mapping[str, Any]) -> None:
    assert not faults(sealed["document"], SCHEMAS["SealedRound"])
    weights = dict(zip(SIGNERS.signers, SIGNERS.weights, strict=True))
    items = documented()(sealed["document"], DOMAIN.chain_id, DOMAIN.store, SIGNERS.epoch, SIGNERS.threshold, weights)
    assert sorted(items) == [0, 1]
    market = {i: int.from_bytes(item[2:13], "big") for i, item in items.items()}
    records: list[Record] = sealed["records"]
    assert market == {i: r.report.market_wad for i, r in enumerate(records)}


@pytest.mark.parametrize("change", ["items", "round", "step", "chain", "store", "epoch", "strangers"])
def test_a_sealed_round_that_was_changed_or_is_of_another_set_is_refused(
    sealed: Mapping[str, Any], change: str
) -> None:
    document, weights = dict(sealed["document"]), dict(zip(SIGNERS.signers, SIGNERS.weights, strict=True))
    place: dict[str, Any] = {"chain_id": DOMAIN.chain_id, "store": DOMAIN.store, "epoch": SIGNERS.epoch}
    match change:
        case "items":
            document["items"] = document["items"][:-1] + ("0" if document["items"][-1] != "0" else "1")
        case "round" | "step":
            document[change] += 1
        case "chain":
            place["chain_id"] += 1
        case "store":
            place["store"] = bytes(20)
        case "epoch":
            place["epoch"] += 1
        case _:
            weights = {address_of(coincurve.PrivateKey(bytes([n]) * 32)): 1 for n in (7, 8, 9)}
    with pytest.raises(ValueError, match=r"needed|epoch"):
        documented()(document, place["chain_id"], place["store"], place["epoch"], SIGNERS.threshold, weights)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[ServiceWorld]:
    path = tmp_path / "rounds.db"
    readers = HistoryReaders(path, executor=in_threads)
    yield ServiceWorld(tmp_path, Database(path), readers=readers)
    readers.close()


@pytest.mark.loopback
async def test_sealed_rounds_are_served_by_number_and_the_newest(stored: ServiceWorld) -> None:
    world = stored
    server = await serve(world.service, host="127.0.0.1", port=0, now_ms=lambda: NOW_MS, metrics=bytes)
    async with aiohttp.ClientSession() as session:
        told = {}
        for path in ("newest", f"{ROUND_S}", "17", "x", "0x1", "99999999999"):
            async with session.get(f"{server.url}/v1/rounds/{path}/sealed") as answer:
                told[path] = (answer.status, await answer.json())
        async with session.get(f"{server.url}/v1/rounds/newest/sealed?target=side") as answer:
            side = await answer.json()
    assert told["newest"] == told[str(ROUND_S)]
    assert told["newest"][0] == 200
    assert (told["newest"][1]["chain_id"], side["chain_id"]) == (str(DOMAIN.chain_id), "10"), (
        "the home store's by default"
    )
    assert told["17"][0] == 404
    assert [told[p][0] for p in ("x", "0x1", "99999999999")] == [400] * 3
    await server.close()
