"""[network]: what it may say, and a sentence for all that makes no sense beside the rest of the config."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.forms import listen_at, sha256_hash
from oracle.config.tables.network_sections import NetworkSection
from tests.oracle.config.small_config import problems, table

OWN, OTHER = "0x" + "AA" * 20, "0x" + "bb" * 20
HASH = "ab" * 32


def one_operator(**changes: Any) -> dict[str, Any]:
    signer = {"name": "me", "journal": "j", "signer_url": "http://127.0.0.1:9000", "signer_address": OWN}
    base = table(operators=[signer], targets={"main": {"chain": "local", "store": "0x" + "55" * 20}})
    return base | {"network": {"listen": "0.0.0.0:8651", "url": "wss://me.example:8651"}} | changes


def network(**keys: Any) -> dict[str, Any]:
    return one_operator(network=keys)


def made(**keys: Any) -> NetworkSection:
    section = resolve(parse(network(**keys))).config.network
    assert section is not None
    return section


def test_without_the_table_there_is_no_network() -> None:
    assert resolve(parse(table())).config.network is None


def test_what_is_left_out_has_its_default() -> None:
    section = made()
    assert (section.listen, section.url, section.home, section.directory) == (None, None, None, None)
    assert (section.keyfile, section.has_tls, dict(section.peers)) == ("var/network.key", False, {})


def test_a_whole_table_is_read() -> None:
    section = made(
        listen="[::]:8651", url="wss://me.example/mesh", certificate="c.pem", private_key="k.pem", home="main",
        directory="0x" + "11" * 20, keyfile="n.key",
        peers={"bob": {"address": OTHER, "url": "wss://10.0.0.2:8651", "certificate": HASH}, "eve": {"address": "0x" + "cc" * 20}},
    )  # fmt: skip
    assert section.has_tls
    assert section.peers["bob"].url == "wss://10.0.0.2:8651"
    assert section.peers["eve"].url is None


@pytest.mark.parametrize(
    ("url", "behind_proxy", "has_tls"),
    [("wss://a.example", False, True), ("wss://a.example", True, False), ("ws://a.example", False, False)],
)
def test_who_does_tls_follows_from_the_url_and_the_proxy(url: str, behind_proxy: bool, has_tls: bool) -> None:
    assert made(listen="127.0.0.1:1", url=url, behind_proxy=behind_proxy).has_tls is has_tls


def test_a_port_behind_a_proxy_may_be_another_one_than_the_url_says() -> None:
    behind = made(listen="127.0.0.1:8651", url="wss://me.example", behind_proxy=True)
    assert (behind.url, behind.has_tls) == ("wss://me.example", False)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"listen": "0.0.0.0:1"}, "network.url: listen without url: nobody is told where"),
        ({"url": "wss://a.example", "behind_proxy": True}, "network.url: url without listen: others are told where nobody"),
        ({"url": "wss://[::]:1", "listen": "0.0.0.0:1"}, "network.url: :: is no address that others can dial"),
        ({"listen": "0.0.0.0:8551", "url": "wss://a.example"}, "network.listen: port 8551 is that of [api] too"),
        ({"listen": "127.0.0.1:8551", "url": "wss://a.example"}, "network.listen: port 8551 is that of [api] too"),
        ({"listen": "300.1.1.1:1"}, "network.listen: '300.1.1.1' is neither an IP address nor a name"),
        ({"listen": "my host:1"}, "network.listen: 'my host' is neither an IP address nor a name"),
        ({"listen": "8651"}, "network.listen: '8651' is no address to listen at: write HOST:PORT"),
        ({"listen": "0.0.0.0:0"}, "network.listen: "),
        ({"listen": "0.0.0.0:65536"}, "network.listen: "),
        ({"url": "https://a.example"}, "network.url: is not the URL of a WebSocket: write wss:// in place of https://"),
        ({"url": "wss://u:p@a.example"}, "network.url: has a user in it"),
        ({"url": "wss://${HOST}"}, "network.url: names a secret"),
        ({"certificate": "c"}, "certificate and private_key belong together"),
        ({"private_key": "c"}, "private_key and certificate belong together"),
        ({"certificate": "c", "private_key": "k", "url": "ws://a.example"}, "it would never be shown: write url = wss://"),
        ({"certificate": "c", "private_key": "k", "url": "wss://a", "behind_proxy": True}, "the proxy shows its own"),
        ({"home": "mian"}, "network.home: 'mian' is not a target of the config; did you mean 'main'?"),
        ({"directory": "0x12"}, "network.directory: '0x12' is not an address"),
        ({"peers": {"b": {}}}, "network.peers.b.address: is missing"),
        ({"peers": {"b": {"address": OWN.lower()}}}, "network.peers.b.address: is the key of operator 'me' here"),
        ({"peers": {"b": {"address": OTHER}, "c": {"address": OTHER.upper().replace("X", "x")}}}, "also the address of 'b'"),
        ({"peers": {"b": {"address": OTHER, "url": "http://b"}}}, "network.peers.b.url: is not the URL of a WebSocket"),
        ({"peers": {"b": {"address": OTHER, "certificate": HASH}}}, "certificate and url belong together"),
        ({"peers": {"b": {"address": OTHER, "url": "wss://b", "certificate": "12"}}}, "'12' is no SHA-256"),
        ({"peers": {"b": {"address": OTHER, "url": "ws://b", "certificate": HASH}}}, "none is shown at ws://"),
        ({"url": "wss://b", "peers": {"b": {"address": OTHER, "url": "wss://b"}}}, "is this operator's own url"),
        ({"pears": {}}, "network.pears: unknown key; did you mean 'peers'?"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_at_its_key(keys: dict[str, Any], told: str) -> None:
    assert told in problems(network(**keys))


def test_a_process_on_the_network_has_one_operator() -> None:
    two = one_operator()
    two["operators"] = [*two["operators"], {"name": "you", "journal": "k", "keyfile": "you.json"}]
    assert "network: there are 2 [[operators]]" in problems(two)
    assert "network: there are 0 [[operators]]" in problems(one_operator(operators=[]))


def test_operators_on_a_network_agree_for_a_store() -> None:
    assert "network.home: operators agree for a store: add a [targets.NAME]" in problems(one_operator(targets={}))


def test_the_network_key_is_not_the_report_key() -> None:
    same = one_operator(operators=[{"name": "me", "journal": "j", "keyfile": "k"}], network={"keyfile": "k"})
    assert "network.keyfile: is the report key's file" in problems(same)


def test_forms_read_what_people_write() -> None:
    assert listen_at("0.0.0.0:8651") == ("0.0.0.0", 8651)  # noqa: S104 - the text of a config
    assert listen_at("[::1]:1") == ("::1", 1)
    assert listen_at("eth0.my_host.lan:1") == ("eth0.my_host.lan", 1)
    assert sha256_hash(":".join(["AB"] * 32)) == sha256_hash("0x" + HASH) == bytes.fromhex(HASH)


def test_on_a_network_a_key_has_one_process() -> None:
    sharing = one_operator()
    sharing["operators"][0]["shared_journal"] = True
    assert "one process signs with a key" in problems(sharing)


def test_the_next_rules_come_with_a_time_in_utc() -> None:
    assert made(next="next.toml", next_from="2027-01-31T00:00:00Z").next_from == "2027-01-31T00:00:00Z"
    for keys, told in (
        ({"next": "next.toml"}, "next and next_from belong together: write both or neither"),
        ({"next": "n.toml", "next_from": "soon"}, "not a time"),
        ({"next": "n.toml", "next_from": "2027-01-31T00:00:00"}, "ends with Z"),
        (
            {"next": "n.toml", "next_from": date(2027, 1, 31)},
            "expected text in quotes, found a time without quotes 2027-01-31",
        ),
    ):
        assert told in problems(network(**keys))
