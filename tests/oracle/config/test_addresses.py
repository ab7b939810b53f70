"""Two entries of a list are two servers of two providers, or the config says that they are not; secrets have values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.secret_values import SecretMissing, filled
from oracle.config.check_addresses import (
    apart_by_name,
    fill_from,
    provider_notes,
    secret_problems,
)
from oracle.config.resolve import resolve, with_secrets
from oracle.config.sections import Config, parse
from oracle.config.tables.forms import raw_address
from oracle.config.tables.providers import domain_of, plain_host, provider_of, server_of
from oracle.config.tables.schema import ConfigError
from tests.oracle.config.small_config import problems, table

KEY = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6"
OTHER_KEY = "Z9y8X7w6V5u4T3s2R1q0P9o8N7m6L5k4"
STORE = "0x" + "11" * 20


def chain(*endpoints: str, **keys: Any) -> dict[str, Any]:
    return table(chains={"local": {"chain_id": 31337, "endpoints": list(endpoints), **keys}})


def config(*endpoints: str, **keys: Any) -> Config:
    return parse(chain(*endpoints, **keys))


# --- one server under two spellings -------------------------------------------------------------------------------------

SAME = [
    ("http://node.example", "http://node.example"),
    ("http://node.example", "HTTP://Node.Example:80/"),
    ("https://node.example/rpc", "https://node.example:443/rpc/"),
    ("https://node.example./rpc", "https://node.example/rpc"),
    ("https://node.example", "https://user:pass@node.example"),
    ("http://localhost:8545", "http://127.0.0.1:8545"),
    ("http://localhost:8545", "http://[::1]:8545"),
    ("http://0.0.0.0:8545", "http://127.0.0.1:8545/"),
    ("http://127.0.0.2:8545", "http://LOCALHOST.:8545"),
    ("http://[::ffff:127.0.0.1]:8545", "http://2130706433:8545"),
    ("http://[2001:db8:0::1]", "http://[2001:DB8::1]"),
    ("http://localhost:8545", "http://127.1:8545"),
    ("http://localhost:8545", "http://0x7f000001:8545"),
    ("http://0177.0.0.1:8545", "http://0x7F.0.1:8545"),
    ("http://localhost:8545", "http://localhost.localdomain:8545"),
    ("http://ip6-localhost:8545", "http://[0:0:0:0:0:0:0:1]:8545"),
    ("http://localhost:8545", "http://127.0.0.1.nip.io:8545"),
    ("http://192.0.2.7", "http://node-192-0-2-7.sslip.io"),
    ("http://192.0.2.7", "http://[64:ff9b::192.0.2.7]"),
    ("http://192.0.2.7", "http://[2002:c000:207::]"),
    ("http://192.0.2.7", "http://0300.0.519"),
    ("https://müller.example/rpc", "https://xn--mller-kva.example/rpc"),
    ("https://node.example/rpc", "https://\uff4eode.example/rpc"),
    ("https://node.example/rpc", "http://node.example/rpc"),
    ("https://node.example/rpc", "https://node.example/./x/../rpc/"),
    (f"https://eth-mainnet.g.alchemy.com/v2/{KEY}", f"https://eth-mainnet.g.alchemy.com/v2/{OTHER_KEY}"),
    ("https://mainnet.infura.io/v3/" + "0a" * 16, "https://mainnet.infura.io/v3/" + "0b" * 16),
    ("https://node.example/rpc?apikey=1", "https://node.example/rpc?apikey=2"),
    ("https://node.example/v2/${A}", "https://node.example/v2/${B}"),
    ("https://node.example/v2/${A}", f"https://node.example/v2/{KEY}"),
    ("${RPC}", "${RPC}"),
]
APART = [
    ("http://localhost:8545", "http://localhost:8546"),
    ("http://192.0.2.7", "http://192.0.2.8"),
    ("http://[2001:db8::1]", "http://[2001:db8::2]"),
    ("http://node.example:8080/", "http://node.example:8443/"),
    ("http://node.example/", "http://node.example:8443/"),
    ("http://192.0.2.7", "http://300.0.2.7.example"),
    ("https://one.example", "https://two.example"),
    ("https://node.example/a", "https://node.example/b"),
    ("https://node.example/ethereum-mainnet-archive-node-1", "https://node.example/ethereum-mainnet-archive-node-2"),
    ("https://node.example/?network=ethereum", "https://node.example/?network=base"),
    ("${ONE}", "${TWO}"),
    ("https://${A}.node.example", "https://${B}.node.example"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_server_under_two_spellings_is_an_error(one: str, other: str) -> None:
    text = problems(chain("https://first.example", one, other))
    assert re.search(r"chains\.local\.endpoints\[2\]: is the same server as \[1\](, [^ ,]+)?: ", text)
    assert "one vote would count as two" in text
    assert KEY not in text
    assert "pass" not in text


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_servers_are_two(one: str, other: str) -> None:
    assert resolve(config(one, other))


@given(st.sampled_from([p for p in SAME if "$" not in p[0]]), st.sampled_from(APART[:5]))
def test_sameness_is_an_equivalence(same: tuple[str, str], apart: tuple[str, str]) -> None:
    one, other = same
    assert server_of(one) == server_of(other) == server_of(one)
    assert server_of(apart[0]) != server_of(apart[1])


@pytest.mark.parametrize("text", ["https://node.example/rpc ", " https://node.example", "https://node.example\\@other.example/", "https://node.example/a b", "https://node.example/\n"])  # fmt: skip
def test_an_address_that_readers_take_for_different_things_is_refused(text: str) -> None:
    assert "endpoints[0]: has a space, a backslash or a line break in it" in problems(chain(text))


# --- one provider -----------------------------------------------------------------------------------------------------


def notes(*endpoints: str, **keys: Any) -> list[str]:
    return list(provider_notes(config(*endpoints, **keys)))


def test_one_provider_is_named_with_what_it_costs() -> None:
    names = ("https://eth-mainnet.g.alchemy.com/v2/${A}", "https://arb-mainnet.g.alchemy.com/v2/${B}")
    assert notes(*names, "https://rpc.example", agree=2) == [
        (
            "chains.local.endpoints: eth-mainnet.g.alchemy.com:443 and arb-mainnet.g.alchemy.com:443 look like one provider,"
            " Alchemy: agree = 2 counts it 2 times and it decides alone; name endpoints of other providers"
        )
    ]
    assert notes(*names) == [
        (
            "chains.local.endpoints: eth-mainnet.g.alchemy.com:443 and arb-mainnet.g.alchemy.com:443 look like one provider,"
            " Alchemy: if it fails, all of them do; name another provider's too"
        )
    ]
    assert "agree = 3 counts it 2 times; name" in notes(*names, "https://a.example", "https://b.example", agree=3)[0]
    assert notes("https://rpc.one.example", "https://rpc.two.example") == []


@pytest.mark.parametrize(
    ("one", "other", "who"),
    [
        ("https://eth.llamarpc.com", "https://base.llamarpc.com", "LlamaNodes"),
        ("https://ethereum-rpc.publicnode.com", "https://rpc.allnodes.me", "Allnodes"),
        ("https://a.quiknode.pro/${A}", "https://b.quiknode.pro/${B}", "QuickNode"),
        ("https://a.provider.co.uk", "https://b.provider.co.uk", "provider.co.uk"),
    ],
)
def test_hosts_of_one_provider_are_one(one: str, other: str, who: str) -> None:
    assert f"look like one provider, {who}:" in notes(one, other)[0]


def test_ports_of_this_machine_are_one_place() -> None:
    (note,) = notes("http://localhost:8545", "http://127.0.0.1:8546", "https://rpc.example")
    assert "localhost:8545 and localhost:8546 look like this machine: agree = 2 counts it 2 times" in note


def test_hosts_where_everybody_has_one_are_not_one_provider() -> None:
    assert notes("https://mine.fly.dev", "https://yours.fly.dev") == []
    assert notes("https://a.co.uk", "https://b.co.uk") == []


def test_operators_whose_keys_are_at_one_signer_are_named() -> None:
    signers = [
        {"name": n, "journal": n, "signer_url": f"https://{n}.signer.example", "signer_address": "0x" + d * 20}
        for n, d in (("alpha", "11"), ("beta", "22"))
    ]
    (note,) = provider_notes(parse(table(operators=signers)))
    assert note == (
        "operators alpha and beta sign at one place, signer.example: whoever runs it has the weight of all of them"
    )


def test_who_is_behind_a_host() -> None:
    assert [domain_of(h) for h in ("a.b.example", "example", "10.0.0.1", "a.b.com.au", "x.de")] == [
        "b.example", "example", "10.0.0.1", "b.com.au", "x.de",
    ]  # fmt: skip
    assert plain_host("https://A.Example.:1/") == "a.example"
    assert provider_of("${RPC}") is provider_of("https://${A}.example/") is None


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_a_secret_without_a_value_is_named_with_its_place(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    endpoints = [
        "https://a.example/v2/${NOT_SET}",
        "https://b.example/${EMPTY}",
        f"https://c.example/${{file:{empty}}}",
    ]
    resolved = resolve(config(*endpoints, "https://d.example/${file:/no/such/file}", "https://e.example/${TWO}"))
    with pytest.raises(ConfigError) as caught:
        with_secrets(resolved, {"EMPTY": "", "TWO": "two words"})
    said = [str(p) for p in caught.value.problems]
    assert said == [
        "chains.local.endpoints[0]: the environment variable NOT_SET is not set: set it, or name another in the config",
        "chains.local.endpoints[1]: the environment variable EMPTY is empty: put the secret there",
        f"chains.local.endpoints[2]: the file {empty} is empty: put the secret there",
        "chains.local.endpoints[3]: the file /no/such/file cannot be read (No such file or directory): put the secret there",
        (
            "chains.local.endpoints[4]: the environment variable TWO holds more than one word of plain characters: put only the"
            " secret there"
        ),
    ]


def test_a_secret_of_a_file_is_its_word(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("s3cr3t-value\n", encoding="utf-8")
    assert filled(f"https://a/${{file:{file}}}/x${{B}}", {"B": "bb"}).text == "https://a/s3cr3t-value/xbb"
    file.write_text("x" * 5_000, encoding="utf-8")
    with pytest.raises(SecretMissing, match="longer than 4096 bytes"):
        filled(f"https://a/${{file:{file}}}")


def test_what_a_secret_makes_of_an_address_is_looked_at_too() -> None:
    resolved = resolve(config("${ONE}", "${TWO}"))
    assert with_secrets(resolved, {"ONE": "https://a.example/x", "TWO": "https://b.example/x"}) is resolved
    with pytest.raises(ConfigError, match=r"endpoints\[1\]: is the same server as \[0\], a\.example"):
        with_secrets(resolved, {"ONE": f"https://a.example/{KEY}", "TWO": f"https://a.example/{OTHER_KEY}"})
    with pytest.raises(ConfigError) as caught:
        with_secrets(resolved, {"ONE": "https://a.example/x", "TWO": f"no-address-{KEY}"})
    assert "endpoints[1]: ${TWO} with its secret in it is not an address" in str(caught.value)
    assert KEY not in str(caught.value)
    (note,) = provider_notes(resolved.config, fill_from({"ONE": "https://a.p.example", "TWO": "https://b.p.example"}))
    assert "a.p.example:443 and b.p.example:443 look like one provider, p.example" in note


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chains": {"local": {"chain_id": 1, "endpoints": ["https://a/${1}"]}}}, "${NAME}"),
        ({"chains": {"local": {"chain_id": 1, "endpoints": ["https://a/${KEY:-x}"]}}}, "${NAME}"),
        ({"chains": {"local": {"chain_id": 1, "endpoints": ["https://a:${PORT}/"]}}}, "is not a URL"),
        ({"chains": {"local": {"chain_id": 1, "endpoints": ["${SCHEME}://a/"]}}}, "is not a URL"),
        ({"venues": {"kraken": {"rest_url": "https://proxy.example/${KEY}"}}}, "a venue is read without one"),
        ({"venues": {"kraken": {"ws_url": "https://proxy.example"}}}, "ws://"),
    ],
)
def test_a_secret_is_written_in_one_form(changes: dict[str, Any], said: str) -> None:
    assert said in problems(table(**changes))


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://signer.example", True),
        ("https://user:${PASSWORD}@signer.example", True),
        ("https://${TOKEN}@signer.example", True),
        ("${SIGNER}", True),
        ("https://user:password@signer.example", False),
        ("https://user@signer.example", False),
        ("https://user:pass${X}@signer.example", False),
    ],
)
def test_a_signers_password_is_named_and_never_written(url: str, fits: bool) -> None:
    operator = {"name": "o", "journal": "j", "signer_url": url, "signer_address": STORE}
    if fits:
        assert resolve(parse(table(operators=[operator])))
    else:
        text = problems(table(operators=[operator]))
        assert "holds a password" in text
        assert "signer.example" not in text


def test_secrets_of_sources_are_looked_for_and_a_feed_that_is_off_needs_none() -> None:
    source = {
        "type": "json_http", "name": "issuer", "price": "p", "url": "https://issuer.example/${A}?k={symbol}",
        "symbol": "X", "headers": {"Authorization": "Bearer ${file:/no/such}"},
    }  # fmt: skip
    feed = {"sources": [source], "accept_single_group": True, "min_groups": 1}
    whole = table(feeds={"X/ETH": feed})
    assert [p.key for p in secret_problems(parse(whole), {})] == [
        'feeds."X/ETH".sources["issuer"].url', 'feeds."X/ETH".sources["issuer"].headers.Authorization',
    ]  # fmt: skip
    assert not list(secret_problems(parse(table(feeds={"X/ETH": {**feed, "off": True}})), {}))


def test_what_is_hashed_of_a_feed_holds_no_address() -> None:
    """Rounds are stored under their spec's hash: another key, another host, and it is the same feed."""

    def spec(url: str) -> object:
        source = {"type": "json_http", "name": "issuer", "price": "p", "url": url, "headers": {"X-Key": "${B}"}}
        feed = {"sources": [source], "accept_single_group": True, "min_groups": 1}
        return resolve(parse(table(feeds={"X/ETH": feed}))).specs["X/ETH"]

    assert spec("https://issuer.example/${A}") == spec("https://issuer.example/${OTHER}")
    assert "issuer.example/" not in repr(spec("https://issuer.example/${A}"))


def test_only_what_looks_apart_by_name_is_asked_on_the_network() -> None:
    made = config("https://a.one.example", "https://b.one.example", "https://c.two.example", "${UNKNOWN}")
    pairs = [(a, b) for _, a, b in apart_by_name(made)]
    assert pairs == [
        ("https://a.one.example", "https://c.two.example"), ("https://b.one.example", "https://c.two.example"),
    ]  # fmt: skip


def test_an_address_of_mixed_case_has_its_checksum() -> None:
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    for spelled in (right, right.lower(), "0x" + right[2:].upper()):
        assert raw_address(spelled) == bytes.fromhex(right[2:])
    with pytest.raises(ValueError, match=f"has a wrong checksum: write {right}"):
        raw_address(right.replace("BeAed", "Beaed"))
