"""Every list of servers, and every address that may name a secret, is looked at, wherever a config has it."""

from __future__ import annotations

import pytest

from oracle.config.check_addresses import configured_texts, server_lists
from oracle.config.reference import TABLES
from oracle.config.sections import parse
from oracle.config.tables.forms import http_url, signer_url, websocket_url
from oracle.model.keys import key_of
from tests.oracle.config.small_config import problems, table

STORE = "0x" + "11" * 20


@pytest.mark.parametrize("key", ["announcers", "operators", "relays", "watch"])
def test_every_list_of_servers_is_looked_at(key: str) -> None:
    scheme = "ws" if key == "announcers" else "http"
    twice = [f"{scheme}://localhost:1/", f"{scheme}://127.0.0.1:1"]
    if key == "announcers":
        text = problems(
            table(chains={"local": {"chain_id": 31337, "endpoints": ["http://127.0.0.1:1"], "announcers": twice}})
        )
        where = "chains.local.announcers[1]"
    elif key == "operators":
        text = problems(table(node={"operators": twice}))
        where = "node.operators[1]"
    elif key == "watch":
        text = problems(table(watch={"endpoints": twice}))
        where = "watch.endpoints[1]"
    else:
        text = problems(table(targets={"t": {"chain": "local", "store": STORE, "relays": twice}}))
        where = "targets.t.relays[1]"
    assert f"{where}: is the same server as [0], localhost: if it fails, both do" in text


def test_no_list_of_addresses_is_forgotten() -> None:
    """What declares the form of an address is a list of servers, or one address; and its secrets are looked for."""
    forms = (http_url, websocket_url, signer_url)
    declared = {
        (section, f.name, str(f.type).startswith("tuple"))
        for section, record in TABLES.items()
        for f in record.__dataclass_fields__.values()
        if (about := key_of(f)) is not None and about.form in forms
    }
    whole = {
        "chains": {"c": {"chain_id": 31337, "endpoints": ["http://a/${A}"], "announcers": ["ws://b/${A}"]}},
        "targets": {"t": {"chain": "c", "store": STORE, "relays": ["http://c/${A}"], "signer_url": "http://d/${A}",
                          "signer_address": STORE}},
        "operators": [{"name": "o", "journal": "j", "signer_url": "http://e/${A}", "signer_address": STORE}],
        "watch": {"endpoints": ["http://f/${A}"], "signer_url": "http://h/${A}", "signer_address": STORE},
        "rewards": {"contract": STORE, "signer_url": "http://i/${A}", "signer_address": STORE},
        "node": {"operators": ["http://g/${A}"]}, "archive": {"operators": ["http://j/${A}"]},
    }  # fmt: skip
    found = {_place(t.where.rstrip("]0[")) for t in configured_texts(parse(table(**whole)))}
    assert found == {(section, name) for section, name, _ in declared}
    lists = {_place(listed.where) for listed in server_lists(parse(table(**whole)))}
    assert lists == {(section, name) for section, name, is_list in declared if is_list}


def _place(where: str) -> tuple[str, str]:
    """Section and key."""
    first, *_, last = where.split(".")
    return first, last
