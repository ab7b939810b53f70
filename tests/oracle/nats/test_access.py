"""Who one is at a NATS server: users, tokens, certificates, seeds and credentials, each by a real server that lets nobody else in."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from demo.world.self_signed import self_signed
from oracle.nats.link import NatsAccess, NatsFault, connected, feed_subject
from oracle.sign.eip712 import Domain
from tests.oracle.nats.nats_process import NatsProcess, needs_nats

pytestmark = [pytest.mark.loopback, needs_nats]
needs_nkeys = pytest.mark.skipif(find_spec("nkeys") is None, reason="nkeys is not installed")
WORD = "p@ss:w/rd%41"
"""What no address could hold as it is."""


@asynccontextmanager
async def server(folder: Path, config: str) -> AsyncIterator[NatsProcess]:
    made = NatsProcess(folder, config, jetstream=False)
    await made.start()
    yield made
    await made.kill()


async def is_let_in(access: NatsAccess) -> bool:
    try:
        client = await connected(access)
    except NatsFault:
        return False
    await client.flush()
    await client.close()
    return True


def as_somebody(nats: NatsProcess, who: str, scheme: str = "nats") -> NatsAccess:
    return NatsAccess(servers=(nats.url.replace("nats://", f"{scheme}://{who}"),))


async def test_a_user_and_a_token_by_the_names_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "word").write_text(WORD)
    monkeypatch.setenv("THE_USER", "me")
    monkeypatch.setenv("THE_WORD", WORD)
    async with server(tmp_path / "user", f'authorization {{ user: me, password: "{WORD}" }}') as nats:
        for who in ("${THE_USER}:${THE_WORD}@", f"me:${{file:{tmp_path / 'word'}}}@", "me:p%40ss%3Aw%2Frd%2541@"):
            assert await is_let_in(as_somebody(nats, who)), who
        for who in ("", "me:other@", "${THE_WORD}@"):
            assert not await is_let_in(as_somebody(nats, who)), who
        with pytest.raises(NatsFault, match="NOT_SET is not set") as caught:
            await connected(as_somebody(nats, "me:${NOT_SET}@"))
        assert WORD not in str(caught.value)
    async with server(tmp_path / "token", f'authorization {{ token: "{WORD}" }}') as nats:
        assert await is_let_in(as_somebody(nats, "${THE_WORD}@"))
        assert not await is_let_in(as_somebody(nats, "me@"))


async def test_a_server_with_a_certificate_that_asks_for_one(tmp_path: Path) -> None:
    own, client, other = (self_signed(tmp_path, n) for n in ("server", "client", "other"))
    config = f'tls {{ cert_file: "{own.certificate}", key_file: "{own.private_key}", ca_file: "{client.certificate}", verify: true }}'
    async with server(tmp_path / "nats", config) as nats:
        access = replace(
            as_somebody(nats, "", "tls"), authority=str(own.certificate), certificate=str(client.certificate),
            private_key=str(client.private_key),
        )  # fmt: skip
        assert await is_let_in(access)
        assert not await is_let_in(replace(access, authority=str(other.certificate))), "somebody else's server"
        assert not await is_let_in(replace(access, certificate=None, private_key=None)), "nobody knows who this is"
        with pytest.raises(NatsFault, match="no certificate that can be used"):
            await connected(replace(access, authority=str(tmp_path / "none.pem")))


@needs_nkeys
async def test_a_seed_and_credentials_in_files(tmp_path: Path) -> None:
    operator, account, user, stranger = (_pair(b) for b in (b"O", b"A", b"U", b"U"))
    (tmp_path / "seed").write_bytes(user.seed)
    (tmp_path / "other").write_bytes(stranger.seed)
    async with server(tmp_path / "nkey", f"authorization {{ users: [ {{ nkey: {name(user)} }} ] }}") as nats:
        assert await is_let_in(replace(nats.access, nkey=str(tmp_path / "seed")))
        assert not await is_let_in(replace(nats.access, nkey=str(tmp_path / "other")))
        assert not await is_let_in(nats.access)
    token = claim(account, user, {"type": "user", "subs": -1, "data": -1, "payload": -1})
    text = f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
    text += f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    (tmp_path / "creds").write_text(text)
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1) | {"wildcards": True}
    resolver = claim(operator, account, {"type": "account", "limits": limits})
    config = (
        f"operator: {claim(operator, operator, {'type': 'operator'})}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {name(account)}: {resolver} }}\n"
    )
    async with server(tmp_path / "jwt", config) as nats:
        assert await is_let_in(replace(nats.access, credentials=str(tmp_path / "creds")))
        assert not await is_let_in(replace(nats.access, nkey=str(tmp_path / "seed")))


def _pair(kind: bytes) -> Any:
    import nkeys  # noqa: PLC0415 - an optional part
    from nacl.signing import SigningKey  # noqa: PLC0415 - an optional part

    prefix = {b"O": nkeys.PREFIX_BYTE_OPERATOR, b"A": nkeys.PREFIX_BYTE_ACCOUNT, b"U": nkeys.PREFIX_BYTE_USER}[kind]
    return nkeys.from_seed(nkeys.encode_seed(bytes(SigningKey.generate()), prefix))


def name(pair: Any) -> str:
    return str(pair.public_key.decode())


def claim(issuer: Any, subject: Any, what: Mapping[str, Any]) -> str:
    """A JWT as `nsc` makes it."""
    body = {
        "jti": "x",
        "iat": 1,
        "iss": name(issuer),
        "name": "x",
        "sub": name(subject),
        "nats": {"version": 2, **what},
    }
    parts = [_encoded(json.dumps(p).encode()) for p in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
    return ".".join([*parts, _encoded(issuer.sign(".".join(parts).encode()))])


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_feeds_subject_is_one_word_whatever_its_name() -> None:
    domain = Domain(chain_id=1, store=b"\x11" * 20)
    assert feed_subject(domain, "USDC.e/ETH@base#fast*") == f"lrt.1.0x{'11' * 20}.feeds.USDC%2Ee/ETH@base#fast%2A"
