"""Documents: exact prices, nothing stamped again, and every field described and documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import MS
from oracle.model.publication import Explanation, Record
from oracle.model.risk import FeedRisk, LiveRiskCode, RiskCode
from oracle.model.spec import FeedSpec
from oracle.model.status import Status, Why
from oracle.serve.documents import (
    Abstaining,
    feed_document,
    feed_path,
    history_document,
    price_document,
    price_text,
    twap_document,
)
from oracle.serve.error_codes import ErrorCode
from oracle.serve.evidence import batch_document, explain_document
from oracle.serve.explain import lines
from oracle.serve.openapi.document import DOCUMENT
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.risk_documents import price_risk_document, risk_codes_document
from oracle.sign.messages import SignedBatch
from tests.oracle.serve.memory_service import ROUND_S, SEAL, STRANGE, filled, record, specs

API_MD = Path(__file__).parents[3] / "docs" / "api.md"
OWN = "wdivETH/ETH"


def shown(one: Record, *, now_ms: int = ROUND_S * MS, abstaining: Abstaining | None = None) -> dict[str, Any]:
    return price_document(
        specs()[one.feed], one, onchain=(), abstaining=abstaining, risk_codes={}, risk=None, now_ms=now_ms
    )


def described(schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Field names of a schema, nested ones as a.b and a[].b; what is described elsewhere is not entered."""
    inner = schema.get("oneOf", [schema])[0]
    if inner.get("type") == "array":
        yield from described(inner["items"], f"{place}[]")
    for name, field in inner.get("properties", {}).items():
        full = f"{place}.{name}" if place else name
        yield full
        yield from described(field, full)


@given(st.integers(min_value=1, max_value=(1 << 88) - 1))
def test_a_price_is_exact(wad: int) -> None:
    text = price_text(wad)
    assert text is not None
    assert int(text.replace(".", "")) == wad
    assert re.fullmatch(r"\d+\.\d{18}", text)


def test_an_absent_price_is_null_and_never_zero() -> None:
    document = shown(record(OWN, market="0"))
    assert document["market"] is None
    assert document["price"] == "1.050000000000000000"
    assert document["deviation_bps"] is None


def test_an_abstaining_feed_shows_its_last_record_unchanged() -> None:
    one = record(OWN)
    quiet = Abstaining(why=Why.NO_QUORUM, text="1 of 2 groups", since_ms=ROUND_S * MS + 10_000)
    before, after = shown(one), shown(one, now_ms=ROUND_S * MS + 70_001, abstaining=quiet)
    assert after.pop("abstaining") == {
        "code": "NO_QUORUM",
        "text": "1 of 2 groups",
        "since_ms": ROUND_S * MS + 10_000,
        "age_s": 73,
    }
    assert before.pop("abstaining") is None
    assert after == before


def test_a_path_carries_odd_characters() -> None:
    assert feed_path(STRANGE) == "/v1/prices/st.ETH%2B1/ETH%40base%23min"
    assert feed_document(specs()[STRANGE], FeedRisk())["feed_id"].startswith("0x" + STRANGE.encode().hex())


def test_integers_beyond_2_53_are_text() -> None:
    service = filled()
    spec: FeedSpec = service.feeds[OWN]
    document = price_document(
        spec,
        record(OWN),
        onchain=service.onchain(OWN),
        abstaining=None,
        risk_codes={},
        risk=None,
        now_ms=0,
    )
    for number in re.findall(rb"[:\[](-?\d+)", orjson.dumps(document)):
        assert abs(int(number)) < 1 << 53
    assert document["onchain"][0]["round_id"] == str((1 << 64) | (ROUND_S - 50))


def test_a_mean_over_time_skips_rounds_that_repeat_a_price_and_says_what_it_covers() -> None:
    spec = specs()[OWN]
    rounds = [
        record(OWN, ROUND_S, market="1.00"),
        record(OWN, ROUND_S + 10, market="1.02"),
        record(OWN, ROUND_S + 20, market="9.00", status=Status.HALT),
    ]
    kept = record(OWN, ROUND_S + 15, market="9.00", status=Status.WATCH)
    rounds.insert(2, replace(kept, report=replace(kept.report, status_only=True)))
    now_ms = (ROUND_S + 20) * MS
    mean = twap_document(spec, rounds, of="market", since_ms=ROUND_S * MS, until_ms=now_ms)
    assert mean is not None
    assert (mean["rounds"], mean["covered_ms"], mean["arithmetic"]) == (2, 20_000, "1.010000000000000000")
    assert "1.00995049383620" in mean["geometric"]
    late = twap_document(spec, rounds, of="market", since_ms=0, until_ms=now_ms + 3_600_000)
    assert late is not None
    assert late["covered_ms"] == 10_000 + spec.max_age_s * MS
    assert twap_document(spec, rounds[2:], of="market", since_ms=0, until_ms=now_ms) is None
    within = twap_document(spec, rounds, of="market", since_ms=ROUND_S * MS + 7_500, until_ms=ROUND_S * MS + 12_500)
    assert within is not None
    assert (within["rounds"], within["covered_ms"], within["arithmetic"]) == (2, 5_000, "1.010000000000000000")


@given(
    gaps=st.lists(st.integers(1, 45), min_size=1, max_size=12),
    prices=st.lists(st.integers(1, 3), min_size=13, max_size=13),
    halted=st.sets(st.integers(0, 12)),
    window_s=st.integers(1, 200),
    end=st.integers(2, 400),
)
def test_a_mean_of_any_window_is_the_mean_over_its_moments(
    gaps: list[int], prices: list[int], halted: set[int], window_s: int, end: int
) -> None:
    """The price of a moment is that of the newest round with one, for ``max_age_s``; looked at every half second."""
    spec, at_s, records, known = specs()[OWN], ROUND_S, [], []
    for i, gap in enumerate([0, *gaps]):
        at_s += gap
        state = Status.HALT if i in halted else Status.OK
        records.append(record(OWN, at_s, market=str(prices[i]), status=state))
        known += [] if i in halted else [(at_s * MS, prices[i])]
    until_ms = ROUND_S * MS + 500 * end
    seen = [r for r in records if r.report.round_time_s * MS <= until_ms]
    held = []
    for t in range(until_ms - window_s * MS, until_ms, 500):
        last = max((k for k in known if k[0] <= t), default=(0, 0))
        held += [last[1]] if t - last[0] < spec.max_age_s * MS else []
    mean = twap_document(spec, seen, of="market", since_ms=until_ms - window_s * MS, until_ms=until_ms)
    assert (mean is not None) is bool(held)
    if mean is not None:
        assert mean["covered_ms"] == 500 * len(held)
        assert int(mean["arithmetic"].replace(".", "")) == sum(held) * 10**18 // len(held)
        assert min(held) * 10**18 <= int(mean["geometric"].replace(".", "")) <= sum(held) * 10**18 // len(held) + 1


async def test_the_signed_report_is_the_call_to_push() -> None:
    batch = await filled().report(OWN)
    assert isinstance(batch, SignedBatch)
    document = batch_document(OWN, batch)
    call = bytes.fromhex(document["calldata"][2:])
    first, second = decode(["bytes", "bytes"], call[4:])
    assert first == batch.batch
    assert second == batch.signatures
    assert document["item"]["market"] == "1.040000000000000000"
    assert document["item"]["round"] == ROUND_S


def test_an_explanation_has_each_operators_inputs() -> None:
    seen = filled().explain(OWN, None)
    assert seen is not None
    document = explain_document(OWN, seen)
    one, other = document["operators"]
    assert (one["result"], other["result"]) == ("round", "abstained")
    assert [u["source"] for u in one["market"]["used"]] == ["binance", "coinbase", "kraken"]
    assert other["code"] == "NO_QUORUM"
    assert document["values"][0]["operator"] == "alpha"


def test_every_field_is_documented_and_nothing_else() -> None:
    sections = re.split(r"^### ", API_MD.read_text(), flags=re.MULTILINE)[1:]
    documented = {s.split("\n", 1)[0].strip(): re.findall(r"^\| `([^`]+)`", s, re.MULTILINE) for s in sections}
    assert documented == {name: list(described(schema)) for name, schema in SCHEMAS.items()}


def test_every_path_and_parameter_is_documented() -> None:
    text = API_MD.read_text()
    for path, methods in DOCUMENT["paths"].items():
        assert f"| `{path}` |" in text
        for parameter in next(iter(methods.values()))["parameters"]:
            assert parameter["in"] == "path" or f"| `{parameter['name']}` |" in text


def test_every_error_code_is_documented_and_no_other() -> None:
    (table,) = re.findall(r"^## Status codes\n(.*?)^## ", API_MD.read_text(), re.MULTILINE | re.DOTALL)
    codes = [
        cell
        for row in re.findall(r"^\| [^|]* \| ([^|]*) \|", table, re.MULTILINE)
        for cell in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(codes) == sorted(ErrorCode)


def test_a_record_says_who_stands_behind_it_who_does_not_and_why() -> None:
    """In a price, in a feed's history, in an explanation and beside its signed report; null where nobody signed it."""
    one = record(OWN)
    seal = {
        "target": "local", "epoch": "3", "weight": "3", "threshold": "3", "total": "4", "attempt": 2, "sealed_ms": 2_310,
        "missing": [{"operator": "delta", "why": "nothing was heard of it"}],
        "refused": [{"operator": "beta", "why": "it has no own price"}],
    }  # fmt: skip
    assert shown(one)["seal"] == history_document(one)["seal"] == seal
    assert shown(replace(one, seal=None))["seal"] is None
    explained = explain_document(OWN, Explanation(record=one, rounds=(), values=()))
    assert explained["record"]["seal"] == seal
    assert lines(explained)[2:] == [
        "  sealed in attempt 2 after 2310 ms: weight 3 of 4 at local, 3 are needed",
        "    delta did not sign: nothing was heard of it",
        "    beta does not vouch for it: it has no own price",
    ]
    unsigned = explain_document(OWN, Explanation(record=replace(one, seal=None), rounds=(), values=()))
    assert lines(unsigned)[2:] == ["  not sealed: nobody signed it"]
    learned = replace(one, seal=replace(SEAL, sealed_ms=None, missing=(), refused=()))
    assert lines(explain_document(OWN, Explanation(record=learned, rounds=(), values=())))[2:] == [
        "  sealed in attempt 2: weight 3 of 4 at local, 3 are needed"
    ]


def test_a_halted_record_keeps_its_time() -> None:
    one = replace(record(OWN, ROUND_S + 500, status=Status.HALT), observed_at_ms=ROUND_S * MS)
    document = shown(one)
    assert document["status"] == "halt"
    assert document["observed_at_ms"] == ROUND_S * MS


def test_every_risk_code_is_explained_in_the_docs() -> None:
    section = API_MD.read_text().split("\n## Risks\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([A-Z_]+)` \| \S", section, re.MULTILINE) == [*RiskCode, *LiveRiskCode]


def test_a_risk_that_is_unknown_is_null_and_one_that_is_not_there_is_left_out_of_a_price() -> None:
    service = filled()
    risk, live = service.risk(OWN), service.live_risk(OWN)
    document = price_risk_document(risk, live)
    assert [(f["code"], f["raised"], f["source"]) for f in document["flags"]] == [
        ("RATE_MOVABLE_BY_TRANSFER", True, ["where@it was:published"])
    ]
    assert [(f["code"], f["raised"]) for f in document["unknown"]] == [("PAUSABLE", None)]
    assert document["live"]["groups"] == ["kraken"]
    whole = feed_document(specs()[OWN], risk)["risk"]
    assert [f["raised"] for f in whole["facts"]] == [True, None, False]
    assert whole["tokens"][0]["way_out"] == "queue"


def test_the_codes_of_a_price_are_those_that_its_sentences_are_about() -> None:
    service = filled()
    risk, live = service.risk(OWN), service.live_risk(OWN)
    twice = replace(risk, facts=(*risk.facts, *(replace(f, of="another leg") for f in risk.facts)))
    codes = risk_codes_document(twice, live)
    assert codes == {"raised": ["RATE_MOVABLE_BY_TRANSFER", "ONE_GROUP_NOW"], "unknown": ["PAUSABLE"]}
    whole = price_risk_document(twice, live)
    told = [*whole["flags"], *whole["unknown"], *whole["live"]["facts"]]
    assert set(codes["raised"]) == {f["code"] for f in told if f["raised"]}
    assert set(codes["unknown"]) == {f["code"] for f in told if f["raised"] is None}
