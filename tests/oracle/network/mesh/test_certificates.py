"""Which certificate a member shows: the announced one, the config's, an authority's; and what a proxy can and cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from oracle.network.mesh.certificates import (
    BadCertificate,
    ServerTls,
    by_authority,
    from_files,
    self_signed,
    unverified,
)
from tests.oracle.network.mesh.mesh_world import Member, free_port, know, linked, member, running, until
from tests.oracle.network.mesh.pem_files import write_pair, write_signed

pytestmark = pytest.mark.loopback


@contextlib.asynccontextmanager
async def tls_proxy(tls: ServerTls | None, port: int, inner: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A proxy that does TLS with a certificate of its own, and goes on to a port with TLS (its context) or without."""
    tasks = set[asyncio.Task[None]]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", port, ssl=inner)
        except OSError:
            writer.close()
            return
        for task in (asyncio.create_task(pump(reader, forth)), asyncio.create_task(pump(back, writer))):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    own = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", own, ssl=tls.context if tls else None)
    try:
        yield own
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def pair(**announced: object) -> tuple[Member, Member]:
    """One that listens with TLS and announces what is given, and one that dials it."""
    a, b = member("a"), member("b", listens=False)
    a.make(announced=a.signed(**announced))
    b.make()
    a.mesh.set_peers([b.peer()])
    b.mesh.set_peers([a.peer()], [a.signed(**announced)])
    return a, b


async def test_the_announced_certificate_is_the_one_that_must_be_shown() -> None:
    a, b = pair(certificate=b"\x0c" * 32)
    async with running(a, b):
        await until(lambda: "another certificate than a announces" in b.sees(a).last_error)
        assert b.sees(a).path == "none"


async def test_the_configs_certificate_is_the_last_word() -> None:
    a, b = pair()
    b.mesh.set_peers([a.peer(urls=(a.url,), certificate=b"\x0c" * 32)], [a.signed()])
    async with running(a, b):
        await until(lambda: "than the config names" in b.sees(a).last_error)
        assert a.tls is not None
        b.mesh.set_peers([a.peer(urls=(a.url,), certificate=a.tls.sha256)])
        await until(lambda: linked(a, b))


async def test_a_member_of_the_config_is_met_without_an_announcement_before() -> None:
    a, b = pair()
    b.make()
    b.mesh.set_peers([a.peer(urls=(a.url,))])
    async with running(a, b):
        await until(lambda: linked(a, b))


async def test_where_none_is_announced_a_public_authority_must_vouch() -> None:
    a, b = pair(certificate=b"")
    async with running(a, b):
        await until(lambda: "no public authority vouches" in b.sees(a).last_error)
        assert b.sees(a).path == "none"


async def test_an_authority_that_vouches_is_enough_and_is_asked_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate, secret = write_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    by_authority.cache_clear()
    a, b = Member("a", tls=from_files(certificate, secret), port=free_port()), member("b", listens=False)
    for host, works in (("127.0.0.1", False), ("localhost", True)):
        said = {"urls": (f"wss://{host}:{a.port}",), "certificate": b""}
        a.make(announced=a.signed(**said))
        b.make()
        a.mesh.set_peers([b.peer()])
        b.mesh.set_peers([a.peer()], [a.signed(**said)])
        async with running(a, b):
            if works:
                await until(lambda: linked(a, b))
            else:
                await until(lambda: "no public authority vouches" in b.sees(a).last_error)
    by_authority.cache_clear()


async def test_a_member_that_restarts_with_another_certificate_is_found_by_those_that_only_dial() -> None:
    a, b = pair()
    async with running(b):
        async with running(a):
            await until(lambda: linked(a, b))
        again = replace_tls(a)
        again.make()
        again.mesh.set_peers([b.peer()])
        async with running(again):
            await until(lambda: linked(again, b))
            assert again.signed() in b.heard, "its announcement came with its hello"


def replace_tls(old: Member) -> Member:
    again = Member(old.name, tls=self_signed(), port=old.port)
    again.counter = old.counter + 1
    return again


async def test_behind_a_proxy_that_does_tls_a_member_listens_without() -> None:
    a, b = member("a", tls=False), member("b", listens=False)
    tls = self_signed()
    async with tls_proxy(tls, a.port, None) as port:
        a.make(announced=a.signed(urls=(f"wss://localhost:{port}/a/path",), certificate=tls.sha256))
        b.make()
        a.mesh.set_peers([b.peer()])
        b.mesh.set_peers([a.peer()], [a.signed(urls=(f"wss://localhost:{port}/a/path",), certificate=tls.sha256)])
        async with running(a, b):
            await until(lambda: linked(a, b))
            a.mesh.send(b.address, b"through")
            await until(lambda: b.payloads(a) == [b"through"])


async def test_a_man_in_the_middle_with_another_certificate_gets_no_link() -> None:
    a, b = pair()
    async with tls_proxy(self_signed(), a.port, unverified()) as port:
        url = f"wss://127.0.0.1:{port}"
        b.mesh.set_peers([a.peer(urls=(url,))], [a.signed()])  # b's way leads through it
        async with running(a, b):
            await until(lambda: a.mesh.refused.get("certificate"))
            await until(lambda: "certificate" in b.sees(a).last_error)
            assert a.sees(b).path == b.sees(a).path == "none"


async def test_a_proxy_that_only_passes_bytes_on_is_no_trouble() -> None:
    a, b = pair()
    async with tls_proxy(None, a.port, None) as port:
        b.mesh.set_peers([a.peer(urls=(f"wss://127.0.0.1:{port}",))], [a.signed()])
        async with running(a, b):
            await until(lambda: linked(a, b))


async def test_without_tls_it_works_as_well() -> None:
    a, b = member("a", tls=False), member("b", listens=False)
    a.make()
    b.make()
    know([a, b])
    async with running(a, b):
        await until(lambda: linked(a, b))


async def test_another_member_at_the_address_is_noticed() -> None:
    a, b = pair()
    c = member("c")
    b.mesh.set_peers([a.peer(), c.peer(urls=(a.url,))], [a.signed(), c.signed()])
    async with running(a, b):
        await until(lambda: "correct the url" in b.sees(c).last_error)
        await until(lambda: linked(a, b))


async def test_what_is_no_mesh_port_is_told_in_words() -> None:
    a, b = pair()
    silent = free_port()
    b.mesh.set_peers([a.peer(urls=(f"wss://127.0.0.1:{silent}",))])
    async with running(b):
        await until(lambda: "cannot be reached" in b.sees(a).last_error)
        assert f"127.0.0.1:{silent}" in b.sees(a).last_error


def test_a_certificate_of_ones_own_is_read_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    made = write_pair(tmp_path, "one")
    assert from_files(*made).sha256 == from_files(*made).sha256
    other = write_pair(tmp_path, "two")
    assert from_files(*other).sha256 != from_files(*made).sha256
    for certificate, key in ((made[0], other[1]), (made[0], made[0]), (tmp_path, made[1])):
        with pytest.raises(BadCertificate) as caught:
            from_files(certificate, key)
        assert str(certificate) in str(caught.value)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"p")
        )
    )
    with pytest.raises(BadCertificate, match=r"locked\.pem has a password.*openssl pkey -in"):
        from_files(made[0], locked)
    for certificate, key in ((tmp_path / "none.pem", made[1]), (made[0], tmp_path / "none.pem")):
        with pytest.raises(
            BadCertificate, match=r"none\.pem cannot be read: No such file or directory; correct the path"
        ):
            from_files(certificate, key)


def test_a_certificate_is_made_anew_each_time() -> None:
    assert self_signed().sha256 != self_signed().sha256
    assert self_signed().context.minimum_version is ssl.TLSVersion.TLSv1_3
