"""A key for a reader: printed once, and only its hash for the config."""

from __future__ import annotations

import hashlib
import tomllib

import pytest

from oracle.assemble.serving import public_limits
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError
from oracle.serve.public_limits import VisitorLimits
from tests.oracle.cli.command import run


def test_what_is_printed_is_a_key_and_its_part_of_the_config() -> None:
    result = run("api-key", "new", "lender")
    assert result.exit_code == 0
    key = result.stdout.splitlines()[0].removeprefix("X-API-Key: ")
    config = parse(tomllib.loads(result.stdout.split("\n", 1)[1]))
    limits = VisitorLimits(per_s=200, burst=2_000, streams=100)
    assert public_limits(config.api).keys == {hashlib.sha256(key.encode()).digest(): ("lender", limits)}
    assert run("api-key", "new", "lender").stdout != result.stdout
    assert run("api-key", "new", "a b").exit_code == 2


def test_limits_and_networks_are_as_the_config_says() -> None:
    api = {
        "rate_per_s": 7,
        "burst": 30,
        "trusted_proxies": ["10.0.0.0/8", "2001:db8::7"],
        "unlimited": [],
        "proxy_header": "Forwarded",
    }
    limits = public_limits(parse({"api": api}).api)
    assert limits.each == VisitorLimits(per_s=7, burst=30, streams=16)
    assert [str(n) for n in limits.proxies] == ["10.0.0.0/8", "2001:db8::7/128"]
    assert (limits.unlimited, limits.proxy_header) == ((), "forwarded")


def test_mistakes_say_what_to_write() -> None:
    api = {"trusted_proxies": ["10.0.0.1/8"], "keys": {"a": {"sha256": "12"}}}
    with pytest.raises(ConfigError) as found:
        parse({"api": api})
    texts = {p.key: p.text for p in found.value.problems}
    assert set(texts) == {"api.trusted_proxies[0]", "api.keys.a.sha256"}
    same = {"sha256": "00" * 32}
    with pytest.raises(ConfigError, match="another name has the same key"):
        parse({"api": {"keys": {"a": same, "b": same}, "proxy_header": "x-real-ip"}})
