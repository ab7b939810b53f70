"""KuCoin's handshake: where to connect comes from the venue, and is believed only so far."""

from __future__ import annotations

import json
from typing import Any

import pytest

from feeds.errors import FeedError
from feeds.exchanges.kucoin import Kucoin
from feeds.streams.venue import StreamAddress

ENDPOINT = "wss://ws-api-spot.kucoin.com/"


def reply(**server: Any) -> bytes:
    """The documented reply, with changes to its first server."""
    first = {
        "endpoint": ENDPOINT,
        "encrypt": True,
        "protocol": "websocket",
        "pingInterval": 18000,
        "pingTimeout": 10000,
    }
    token = server.pop(
        "token", "2neAiuYvAU61ZDXANAGAsiL4-iAExhsBXZxftpOeh_55i3Ysy2q2LEsEWU64mdzUOPusi34M_wGoSf7iNyEWJw=="
    )
    return json.dumps({"code": "200000", "data": {"token": token, "instanceServers": [{**first, **server}]}}).encode()


def test_a_token_is_asked_for_by_post() -> None:
    asked = Kucoin().handshake()
    assert asked is not None
    assert (asked.url, asked.body) == ("https://api.kucoin.com/api/v1/bullet-public", b"{}")


def test_the_place_is_the_servers_with_the_token_and_its_ping_interval() -> None:
    token = "2neAiuYvAU61ZDXANAGAsiL4-iAExhsBXZxftpOeh_55i3Ysy2q2LEsEWU64mdzUOPusi34M_wGoSf7iNyEWJw%3D%3D"
    assert Kucoin().stream_address(reply()) == StreamAddress(url=f"{ENDPOINT}?token={token}", ping_ms=18_000)
    assert Kucoin().stream_address(reply(pingInterval=50_000)).ping_ms == 50_000
    assert Kucoin().stream_address(reply(token="a&b=c d")).url == f"{ENDPOINT}?token=a%26b%3Dc%20d"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "MALFORMED"), (b"", "MALFORMED"), (b"<html></html>", "MALFORMED"), (b"[]", "MALFORMED"),
        (b'{"code":"200000"}', "MALFORMED"), (b'{"code":"200000","data":null}', "MALFORMED"),
        (b'{"code":"200000","data":{"token":"a","instanceServers":[]}}', "MALFORMED"),
        (b'{"code":"400000","msg":"bad"}', "REFUSED"), (b'{"code":"429000","msg":"slow"}', "RATE_LIMITED"),
        (reply(endpoint="ws://ws-api-spot.kucoin.com/"), "MALFORMED"), (reply(endpoint="http://x/"), "MALFORMED"),
        (reply(endpoint=ENDPOINT + "?token=other"), "MALFORMED"), (reply(endpoint=None), "MALFORMED"),
        (reply(token=7), "MALFORMED"), (reply(pingInterval=0), "MALFORMED"), (reply(pingInterval=-1), "MALFORMED"),
        (reply(pingInterval=10**12), "MALFORMED"), (reply(pingInterval="soon"), "MALFORMED"),
        (reply(pingInterval=None), "MALFORMED"), (reply(pingInterval=True), "MALFORMED"),
    ],
)  # fmt: skip
def test_a_reply_that_is_none_is_a_typed_error(body: bytes | None, code: str) -> None:
    with pytest.raises(FeedError) as caught:
        Kucoin().stream_address(body)
    assert caught.value.code == code
