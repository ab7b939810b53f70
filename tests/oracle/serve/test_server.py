"""The endpoint over a real server on loopback: every path and every status code."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from feeds.units import MS
from oracle.model.status import Status, Why
from oracle.serve.documents import Abstaining
from oracle.serve.openapi.document import DOCUMENT
from oracle.serve.openapi.schemas import SCHEMAS
from tests.oracle.serve.endpoint_client import OWN, Client, faults
from tests.oracle.serve.memory_service import ROUND_S, STRANGE, MemoryService, record

pytestmark = pytest.mark.loopback
ODD = "/v1/prices/st.ETH%2B1/ETH%40base%23min"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/feeds", "Feeds"),
        ("/v1/feeds?feed=wdivETH/ETH", "Feeds"),
        ("/v1/prices", "Prices"),
        ("/v1/prices?live=1", "Prices"),
        (OWN, "Price"),
        (f"{OWN}?live=1", "Price"),
        (f"{OWN}?live=0", "Price"),
        (ODD, "Price"),
        (f"{OWN}/history", "History"),
        (f"{OWN}/twap?window_s=3600&of=market", "Twap"),
        (f"{OWN}/explain", "Explanation"),
        (f"{OWN}/explain?round={ROUND_S}", "Explanation"),
        (f"{OWN}/report", "SignedReport"),
        (f"{OWN}/report?target=second", "SignedReport"),
        ("/v1/operators", "Operators"),
        ("/v1/rounds/newest/sealed", "SealedRound"),
        (f"/v1/rounds/{ROUND_S}/sealed?target=local", "SealedRound"),
        ("/healthz", "Health"),
        ("/readyz", "Health"),
    ],
)
async def test_every_answer_is_as_described(client: Client, path: str, kind: str) -> None:
    status, body, answer = await client.get(path)
    assert status == 200
    assert faults(body, SCHEMAS[kind]) == []
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_one_feed_is_described_as_among_all(client: Client) -> None:
    everything = (await client.get("/v1/feeds"))[1]["feeds"]
    for feed in everything:
        alone = (await client.get("/v1/feeds?feed=" + quote(feed["feed"], safe="")))[1]["feeds"]
        assert alone == [feed]


async def test_every_described_path_answers(client: Client) -> None:
    for path, methods in DOCUMENT["paths"].items():
        if "get" in methods and path not in {"/v1/stream", "/v1/rounds/stream"}:
            status, _, _ = await client.get(
                path.replace("{base}", "wdivETH").replace("{quote}", "ETH").replace("{round}", "newest")
            )
            assert status == 200, path


async def test_a_report_is_for_the_first_target_or_the_named_one(client: Client) -> None:
    reports = [(await client.get(f"{OWN}/report{q}"))[1] for q in ("", "?target=local", "?target=second")]
    assert [r["store"] for r in reports] == [
        "0x" + client.service.stores[n].hex() for n in ("local", "local", "second")
    ]
    client.service.stores = {}
    client.service.rounds["wdivETH/ETH"].clear()
    assert (await client.error(f"{OWN}/report?target=local"))[:2] == (503, "no_quorum"), "no targets: no name is wrong"


async def test_what_others_pushed_has_no_transaction_of_ours(client: Client) -> None:
    (own,) = client.service.landed["wdivETH/ETH"]
    client.service.landed["wdivETH/ETH"] = (own, replace(own, target="second", tx_hash=None, landed_at_ms=None))
    _, body, _ = await client.get(OWN)
    assert faults(body, SCHEMAS["Price"]) == []
    assert [(o["tx_hash"], o["landed_at_ms"]) for o in body["onchain"]] == [("0xab", own.landed_at_ms), (None, None)]


async def test_final_and_live_differ(client: Client) -> None:
    _, final, _ = await client.get(OWN)
    _, live, _ = await client.get(f"{OWN}?live=1")
    assert (final["final"], final["market"], final["status"]) == (True, "1.040000000000000000", "watch")
    assert (live["final"], live["market"], live["signed_at_ms"]) == (False, "1.041000000000000000", None)
    assert final["reasons"] == [{"code": "DISCOUNT", "text": "0.96 % below redemption"}]


async def test_a_feed_without_a_record_is_listed_as_missing(client: Client) -> None:
    client.service.abstentions["ETH/USD"] = Abstaining(why=Why.NO_QUORUM, text="0 of 2 groups", since_ms=1)
    _, body, _ = await client.get("/v1/prices")
    assert [p["feed"] for p in body["prices"]] == ["wdivETH/ETH", STRANGE]
    assert body["missing"] == [
        {"feed": "ETH/USD", "code": "NO_QUORUM", "text": "0 of 2 groups"},
        {"feed": "wdivETH/USD", "code": "NONE", "text": "no round yet"},
    ]


async def test_an_abstaining_feed_keeps_its_times(client: Client) -> None:
    _, before, old = await client.get(OWN)
    client.service.abstentions["wdivETH/ETH"] = Abstaining(why=Why.STALE, text="old", since_ms=ROUND_S * MS)
    _, after, _ = await client.get(OWN, headers={"If-None-Match": old.headers["ETag"]})
    assert after.pop("abstaining") == {"code": "STALE", "text": "old", "since_ms": ROUND_S * MS, "age_s": 7}
    assert before.pop("abstaining") is None
    assert after == before
    del client.service.abstentions["wdivETH/ETH"]
    assert (await client.get(OWN))[1]["abstaining"] is None


async def test_a_known_answer_is_not_sent_again_until_it_changes(client: Client) -> None:
    _, _, first = await client.get(OWN)
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        status, body, answer = await client.get(OWN, headers={"If-None-Match": known})
        assert (status, body, answer.headers["ETag"]) == (304, b"", tag)
    client.service.landed["wdivETH/ETH"] = ()
    status, body, landed = await client.get(OWN, headers={"If-None-Match": tag})
    assert (status, body["onchain"]) == (200, [])
    client.service.put(record("wdivETH/ETH", ROUND_S + 10, market="1.0402"))
    status, body, _ = await client.get(OWN, headers={"If-None-Match": landed.headers["ETag"]})
    assert (status, body["round"]) == (200, ROUND_S + 10)


async def test_history_is_bounded_and_says_if_there_is_more(client: Client) -> None:
    client.service.put(*(record("wdivETH/ETH", ROUND_S + 10 * i) for i in range(1, 6)))
    _, body, _ = await client.get(f"{OWN}/history?limit=2&until_ms={(ROUND_S + 50) * MS}")
    assert [r["round"] for r in body["rounds"]] == [ROUND_S + 30, ROUND_S + 40]
    assert body["more"] is True
    _, body, _ = await client.get(f"{OWN}/history?since_ms={(ROUND_S + 30) * MS}&until_ms={(ROUND_S + 50) * MS}")
    assert [r["round"] for r in body["rounds"]] == [ROUND_S + 30, ROUND_S + 40]
    assert body["more"] is False


async def test_a_short_window_answers_at_every_moment_and_a_past_one_for_good(client: Client) -> None:
    client.service.put(*(record("wdivETH/ETH", ROUND_S + 10 * i) for i in range(-9, 1)))
    client.service.rounds["wdivETH/ETH"].sort(key=lambda r: r.report.round_time_s)
    for back_ms in range(0, 20_000, 450):
        end = f"end_ms={ROUND_S * MS - back_ms}"
        for window_s in (1, 5, 20):
            status, body, _ = await client.get(f"{OWN}/twap?window_s={window_s}&{end}")
            assert (status, body["covered_ms"]) == (200, window_s * MS)
    halts = [record("wdivETH/ETH", ROUND_S + i, market="9", status=Status.HALT) for i in range(1, 5)]
    client.service.put(*halts)
    status, body, _ = await client.get(f"{OWN}/twap?window_s=1&of=market")
    assert (status, body["arithmetic"], body["rounds"]) == (200, "1.040000000000000000", 1)
    _, now, _ = await client.get(f"{OWN}/twap?window_s=20")
    _, later, _ = await client.get(f"{OWN}/twap?window_s=20&end_ms={1 << 44}")
    assert later == now


async def test_a_window_with_too_many_rounds_is_refused(client: Client) -> None:
    client.service.put(*[record("wdivETH/ETH", ROUND_S - i) for i in range(10_001)])
    assert (await client.error(f"{OWN}/twap?window_s=20000"))[:2] == (400, "window_too_long")
    assert (await client.get(f"{OWN}/twap?window_s=900"))[0] == 200


@pytest.mark.parametrize(
    ("path", "status", "code", "hint"),
    [
        ("/v1/prices/wdivETH/ETC", 404, "unknown_feed", "nearest: wdivETH/ETH"),
        ("/v1/prices/WDIVETH/eth", 404, "unknown_feed", "nearest: wdivETH/ETH"),
        ("/v1/prices/q/q", 404, "unknown_feed", "/v1/feeds"),
        ("/v1/feeds?feed=wdivETH/ETC", 404, "unknown_feed", "nearest: wdivETH/ETH"),
        ("/v1/feeds?feed=", 404, "unknown_feed", "/v1/feeds"),
        ("/v1/feeds?feeds=x", 400, "bad_parameter", "known here: feed"),
        ("/v1/nothing", 404, "unknown_path", "/openapi.json"),
        ("/page/../api.py", 404, "unknown_path", "/openapi.json"),
        ("/page/%2e%2e%2fapi.py", 404, "unknown_path", "/openapi.json"),
        (f"{OWN}/explain?round=5", 404, "unknown_round", "history"),
        ("/v1/prices/wdivETH/USD/report", 404, "no_slot", "/v1/prices/wdivETH/ETH/report"),
        (f"{OWN}?live=yes", 400, "bad_parameter", "one of: 0, 1"),
        (f"{OWN}?live=1&live=1", 400, "bad_parameter", "once"),
        (f"{OWN}?lively=1", 400, "bad_parameter", "live"),
        (f"{OWN}/report?x=1", 400, "bad_parameter", "known here: target"),
        (f"{OWN}/report?target=main", 400, "bad_parameter", "one of: local, second"),
        (f"{OWN}/report?target=", 400, "bad_parameter", "one of: local, second"),
        (f"{OWN}/history?limit=0", 400, "bad_parameter", "1 to 10000"),
        (f"{OWN}/history?limit=10001", 400, "bad_parameter", "1 to 10000"),
        (f"{OWN}/history?limit=1e3", 400, "bad_parameter", "whole"),
        (f"{OWN}/history?limit=%C2%B2", 400, "bad_parameter", "whole"),
        (f"{OWN}/history?since_ms={'9' * 60}", 400, "bad_parameter", "whole"),
        (f"{OWN}/history?since_ms=9&until_ms=9", 400, "bad_parameter", "swap"),
        (f"{OWN}/history?until_ms=0", 400, "bad_parameter", "whole"),
        ("/page/index.html", 404, "unknown_path", "/openapi.json"),
        (f"{OWN}/twap?window_s=604801", 400, "bad_parameter", "1 to 604800"),
        (f"{OWN}/twap?of=mid", 400, "bad_parameter", "price, market, redemption"),
        (f"{OWN}/explain?round=-1", 400, "bad_parameter", "whole"),
        ("/v1/prices/ETH/USD", 503, "no_record", "explain"),
        ("/v1/prices/ETH/USD?live=1", 503, "no_indication", "explain"),
        ("/v1/prices/ETH/USD/twap", 503, "no_record", "history"),
        ("/v1/prices/ETH/USD/explain", 503, "no_record", "first round"),
        ("/v1/prices/ETH/USD/report", 503, "no_quorum", "/readyz"),
    ],
)
async def test_a_refusal_says_why_and_what_to_do(client: Client, path: str, status: int, code: str, hint: str) -> None:
    found = await client.error(path)
    assert found[:2] == (status, code)
    assert hint in found[2]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_everything_is_get(client: Client, method: str) -> None:
    assert (await client.error(OWN, method))[:2] == (405, "method_not_allowed")
    _, _, answer = await client.get(OWN, method)
    assert answer.headers["Allow"] == "GET, HEAD"
    assert (await client.get(OWN, "HEAD"))[:2] == (200, b"")


async def test_a_body_and_a_long_line_are_refused(client: Client) -> None:
    assert (await client.error(OWN, data=b"x" * 100_000))[:2] == (413, "body_refused")
    status, _, _ = await client.get(f"{OWN}?live={'1' * 10_000}")
    assert status == 400


async def test_a_fault_of_the_program_is_an_error_document(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(MemoryService, "onchain")
    assert (await client.error(OWN))[:2] == (500, "internal")
    assert (await client.get("/v1/feeds"))[0] == 200


async def test_health_is_in_the_status_code(client: Client) -> None:
    client.service.current_health = replace(client.service.current_health, ready=False, reasons=("no round yet",))
    assert (await client.get("/healthz"))[0] == 200
    status, body, _ = await client.get("/readyz")
    assert (status, body["reasons"]) == (503, ["no round yet"])
    client.service.current_health = replace(client.service.current_health, live=False, ready=True)
    assert (await client.get("/healthz"))[0] == 503
    assert (await client.get("/readyz"))[0] == 503


async def test_other_origins_read_only_where_they_are_listed(client: Client, plain: Client) -> None:
    for each, origin, allowed in (
        (client, "https://app.example", "https://app.example"),
        (client, "https://app.example.evil", None),
        (client, "https://APP.example", None),
        (plain, "https://app.example", None),
    ):
        _, _, answer = await each.get(OWN, headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        status, _, _ = await each.get(OWN, "OPTIONS", headers=asked)
        assert status == (204 if allowed else 405)
    assert (await client.get(OWN))[2].headers["Vary"] == "Origin"
    assert "Vary" not in (await plain.get(OWN))[2].headers


async def test_metrics_are_text(client: Client) -> None:
    status, body, answer = await client.get("/metrics")
    assert (status, answer.content_type) == (200, "text/plain")
    assert b"lrt_oracle_round_durable_seconds_bucket" in body


# --- the page's files ------------------------------------------------------------------------------------------------


async def test_the_page_and_all_that_it_names_are_served(client: Client) -> None:
    status, page, answer = await client.get("/")
    assert (status, answer.content_type) == (200, "text/html")
    for name in ("uplot.css", "style.css", "uplot.js", "app.js", "icon.svg"):
        assert f"page/{name}".encode() in page
        assert (await client.get(f"/page/{name}"))[0] == 200
    assert (await client.get("/page/operators.js"))[0] == 200
    for forbidden in (b"<style", b"style=", b"onclick", b"http://", b"https://"):
        assert forbidden not in page
    assert b"Leon Sorokin" in (await client.get("/page/uplot.LICENSE.txt"))[1]
