"""A key that stands in an address of the config is shown nowhere, though the server there repeats it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from feeds.literal_secrets import literal_secrets
from feeds.secret_values import filled
from oracle.cli.hiding import hide_secrets
from oracle.config.check_addresses import literal_notes
from oracle.config.sections import load
from oracle.runtime.logs import LogFormat, without_secrets
from tests.oracle.cli.command import run
from tests.oracle.runtime.log_tools import piped

pytestmark = pytest.mark.loopback
KEY, PASSWORD, PARAMETER, NAMED = "abcdefABCDEF0123456789abcdefABCD", "hunter2secret", "zzzz1234567", "named-9-secret"
CONFIG = """
[chains.local]
chain_id = 31337
endpoints = ["{url}"]
[feeds."X/ETH"]
mode = "redemption"
reference_only = true
[[feeds."X/ETH".sources]]
type = "rate_call"
kind = "redemption"
chain = "local"
contract = "0x7777777777777777777777777777777777777777"
function = "getRate()"
"""


class _Repeats(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = f"invalid api key in {self.path} of {self.headers['Authorization']}, password {PASSWORD}"
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": message}})
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RPCKEY", NAMED)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Repeats)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://opuser:{PASSWORD}@127.0.0.1:{server.server_port}/v2/{KEY}?apikey={PARAMETER}&x=${{RPCKEY}}"
    Path("config.toml").write_text(CONFIG.format(url=url))
    yield url
    server.shutdown()
    server.server_close()


def shown_in(text: str) -> list[str]:
    return [s for s in (KEY, PASSWORD, PARAMETER, NAMED, "b3B1c2VyOmh1bnRlcjJzZWNyZXQ") if s.lower() in text.lower()]


@pytest.mark.parametrize(
    "command", [("check", "--json"), ("doctor", "--json"), ("once", "--wait", "1", "--json"), ("check",)]
)
def test_no_command_prints_it(address: str, command: tuple[str, ...]) -> None:  # noqa: ARG001 - the server is there
    done = run(*command)
    assert "invalid api key" in done.output or command[0] == "doctor", done.output
    assert shown_in(done.output) == []


def test_an_address_has_them_where_they_may_stand() -> None:
    def values(url: str) -> list[str]:
        return [v for v in literal_secrets(url).values() if "=" not in v]

    assert values("https://lb.example.org/ogrpc?network=ethereum&dkey=a1b2c3") == ["a1b2c3"]
    assert values(f"wss://example.org/ws/{KEY}") == [KEY]
    assert values("nats://token1234@example.org") == ["token1234"]
    assert "pw-12345" in values("postgres://oracle:pw-12345@db/lrt")
    assert "oracle" not in values("postgres://oracle:pw-12345@db/lrt"), "a name is none"
    for public in (
        "https://example.org/rpc", "postgres://oracle@db/lrt", "https://${HOST}/v2/${KEY}?apikey=${KEY}", "a text",
        "https://u:${PASSWORD}@example.org/0x" + "11" * 20 + "?symbol=1000PEPEUSDT", "kms://eu-1/1234-5678-1234-5678-1234",
    ):  # fmt: skip
        assert values(public) == [], public


def test_an_answer_hides_what_is_named_and_what_stands_there() -> None:
    text = filled(f"https://example.org/{KEY}?x=${{A}}", {"A": NAMED})
    assert set(text.hidden.values()) == {KEY, NAMED}
    assert set(text.secrets.values()) == {NAMED}
    assert KEY not in repr(text)


def test_the_log_and_all_answers_hide_it_once_the_config_is_known(address: str) -> None:
    with piped(LogFormat.JSON) as log:
        hide_secrets(load(Path("config.toml")), {"RPCKEY": NAMED})
        log.pipe.put("feeds.chains", "warning", {"event": "refused", "why": f"{KEY} {PASSWORD} {PARAMETER} {NAMED}"})
        document = without_secrets(
            {"warnings": [f"no answer: {KEY}, {PASSWORD}"], "n": 1, "x": (f"{PARAMETER}",), "y": NAMED}
        )
        assert shown_in(log.text() + json.dumps(document)) == []
        assert document["n"] == 1
    (note,) = literal_notes(load(Path("config.toml")))
    assert note.startswith("chains.local.endpoints[0] holds a key or a password")
    assert shown_in(note) == [], address
