"""What is told once: a feed that begins and ends to abstain, and each request by the form of its path."""

from __future__ import annotations

import aiohttp
import pytest

from oracle.model.status import Why
from oracle.serve.documents import Abstaining
from oracle.serve.metrics import Metrics
from oracle.serve.server import serve
from oracle.serve.silences import Silences
from tests.oracle.runtime.log_tools import piped
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.memory_service import filled


def test_a_feed_is_told_of_when_it_begins_to_abstain_and_when_it_ends() -> None:
    why = Abstaining(why=Why.NO_QUORUM, text="1 of 2 groups", since_ms=10_000)
    other = Abstaining(why=Why.STALE, text="its input is old", since_ms=10_000)
    silences = Silences()
    with piped() as log:
        for now in (None, why, why, other, None, None, why):
            silences.note({"A/B": now, "C/D": None}, 25_500)
        told = [(x["event"], x["feed"], x.get("reason"), x.get("why"), x.get("silent_s")) for x in log.lines()]
    assert told == [
        ("a feed has no price", "A/B", "no_quorum", "1 of 2 groups", None),
        ("a feed has a price again", "A/B", None, None, 15.5),
        ("a feed has no price", "A/B", "no_quorum", "1 of 2 groups", None),
    ]


@pytest.mark.loopback
async def test_requests_are_counted_by_the_form_of_their_path_from_the_start() -> None:
    metrics = Metrics(lambda: 0)
    server = await serve(
        filled(), host="127.0.0.1", port=0, now_ms=lambda: 0, metrics=metrics.render, counts=metrics.http
    )
    try:
        before = samples(metrics)
        async with aiohttp.ClientSession() as session:
            for path in ("/v1/feeds", "/v1/feeds?x=1", "/nothing/here", "/nothing/there"):
                async with session.get(server.url + path) as answer:
                    await answer.read()
    finally:
        await server.close()
    after = samples(metrics)
    assert before['lrt_oracle_http_requests_total{route="/v1/feeds",status="200"}'] == 0
    assert after['lrt_oracle_http_requests_total{route="/v1/feeds",status="200"}'] == 1
    assert after['lrt_oracle_http_requests_total{route="/v1/feeds",status="400"}'] == 1
    assert after['lrt_oracle_http_requests_total{route="other",status="404"}'] == 2
    assert after['lrt_oracle_http_request_seconds_count{route="/v1/feeds"}'] == 2
    assert not any("nothing" in name for name in after)
