"""A signer over mutual TLS, on a real TLS server: who may come in, and a sentence of its own for each thing that is wrong."""

from __future__ import annotations

import os
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import coincurve
import pytest
from cryptography.hazmat.primitives import serialization

from oracle.sign.eip712 import address_of
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.remote.mutual_tls import TlsFiles, tls_fault
from oracle.sign.remote.remote_key import SignerError
from oracle.sign.remote.web3signer import RemoteSigner
from tests.oracle.sign.remote.certificates import Authority, Pair, server_context
from tests.oracle.sign.remote_signer_server import Stand, served

pytestmark = pytest.mark.loopback
KEY = coincurve.PrivateKey(b"\x23" * 32)
ADDRESS = address_of(KEY)
HOSTS = ("127.0.0.1", "localhost")
SECRET = b"what was to be signed"


class Set:
    """An authority with a server and a client, and what the client is configured with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.server = self.authority.vouch("server", hosts=HOSTS)
        self.client = self.authority.vouch("client")
        self.clients = self.authority.path
        self.files = TlsFiles(
            authority=self.authority.path, certificate=self.client.certificate, private_key=self.client.private_key
        )
        self.newest: ssl.TLSVersion | None = None

    def shown(self, pair: Pair) -> TlsFiles:
        return replace(self.files, certificate=pair.certificate, private_key=pair.private_key)


def as_it_should_be(_: Set) -> None:
    pass


def wrong_authority(one: Set) -> None:
    one.files = replace(one.files, authority=Authority(one.folder, "another").path)


def no_authority(one: Set) -> None:
    one.files = replace(one.files, authority=None)


def expired(one: Set) -> None:
    one.server = one.authority.vouch("old", hosts=HOSTS, ends_in=-timedelta(hours=1))


def too_early(one: Set) -> None:
    one.server = one.authority.vouch("new", hosts=HOSTS, starts_in=timedelta(hours=1))


def other_host(one: Set) -> None:
    one.server = one.authority.vouch("elsewhere", hosts=("signer.example",))


def no_certificate(one: Set) -> None:
    one.files = TlsFiles(authority=one.authority.path)


def unknown_client(one: Set) -> None:
    one.files = one.shown(Authority(one.folder, "another").vouch("stranger"))


def expired_client(one: Set) -> None:
    one.files = one.shown(one.authority.vouch("old", ends_in=-timedelta(hours=1)))


def of_no_form(one: Set) -> None:
    one.server = one.authority.vouch("formless", hosts=("127.0.0.1",), names_issuer=False)


def no_file(one: Set) -> None:
    one.files = replace(one.files, certificate=str(one.folder / "none.pem"))


def no_pem(one: Set) -> None:
    (one.folder / "text.pem").write_text("not a certificate")
    one.files = replace(one.files, authority=str(one.folder / "text.pem"))


def other_key(one: Set) -> None:
    one.files = replace(one.files, private_key=one.authority.vouch("second").private_key)


def locked_key(one: Set) -> None:
    key = serialization.load_pem_private_key(Path(one.client.private_key).read_bytes(), None)
    lock = serialization.BestAvailableEncryption(b"passphrase")
    path = one.folder / "locked.pem"
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    one.files = replace(one.files, private_key=str(path))


def swapped(one: Set) -> None:
    one.files = replace(one.files, certificate=one.files.private_key, private_key=one.files.certificate)


FAULTS: list[tuple[Callable[[Set], None], str]] = [
    (wrong_authority, "from another authority, not that in"),
    (no_authority, "from another authority, none that this machine trusts: write the authority's certificate as signer_ca"),
    (expired, "its certificate has expired: renew it there"),
    (too_early, "its certificate is not valid yet: look at the clocks"),
    (other_host, "its certificate is not for 127.0.0.1: write a name that is in it"),
    *([(of_no_form, "lacks what RFC 5280 asks for .* have it made anew")] if sys.version_info >= (3, 13) else []),
    (no_certificate, "it wants a client certificate: write signer_certificate and signer_private_key"),
    (unknown_client, "it does not trust the certificate in .*stranger.pem: make it one of the clients that it knows"),
    (expired_client, "the certificate in .*old.pem has expired: renew it"),
    (no_file, "signer_certificate: .*none.pem cannot be read .*correct the path"),
    (no_pem, "signer_ca: .*text.pem holds no certificate: write the PEM form"),
    (swapped, "signer_certificate: .*key.pem and .*pem are no certificate and its key, in PEM: correct the paths"),
    (other_key, "signer_private_key: .*second.key.pem is not the key of .*client.pem"),
    (locked_key, "signer_private_key: .*locked.pem has a passphrase: write the key without one"),
]  # fmt: skip


@pytest.mark.parametrize("newest", [None, ssl.TLSVersion.TLSv1_2])
async def test_it_signs_for_a_client_that_it_knows(tmp_path: Path, newest: ssl.TLSVersion | None) -> None:
    one = Set(tmp_path)
    async with served(Stand(KEY), server_context(one.server, one.clients, newest=newest)) as stand:
        for url in (stand.url, stand.url.replace("127.0.0.1", "localhost")):
            remote = RemoteSigner(url, ADDRESS, files=one.files)
            assert await remote.sign(b"x") == await LocalSigner(KEY).sign(b"x")
            await remote.close()
            assert await remote.sign(b"y") == await LocalSigner(KEY).sign(b"y"), "closed, it opens again"
            await remote.close()


@pytest.mark.parametrize("newest", [None, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize(("fault", "says"), FAULTS, ids=[f.__name__ for f, _ in FAULTS])
async def test_each_thing_that_is_wrong_has_a_sentence_of_its_own(
    tmp_path: Path, fault: Callable[[Set], None], says: str, newest: ssl.TLSVersion | None
) -> None:
    one = Set(tmp_path)
    fault(one)
    async with served(Stand(KEY), server_context(one.server, one.clients, newest=newest)) as stand:
        remote = RemoteSigner(stand.url, ADDRESS, files=one.files)
        with pytest.raises(SignerError, match=says) as caught:
            await remote.sign(SECRET)
        await remote.close()
        assert stand.asked == [], "nothing that was to be signed went out"
    assert SECRET.hex() not in str(caught.value)


@contextmanager
def telling(context: ssl.SSLContext) -> Iterator[str]:
    """A server that says why it refuses a client, as signers in Java, Go or C do; asyncio's hangs up without a word."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - a handshake that fails is what is wanted
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("newest", [None, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("fault", [no_certificate, unknown_client, expired_client])
async def test_a_signer_that_says_why_it_refuses_a_client_is_understood(
    tmp_path: Path, fault: Callable[[Set], None], newest: ssl.TLSVersion | None
) -> None:
    one = Set(tmp_path)
    fault(one)
    with telling(server_context(one.server, one.clients, newest=newest)) as url:
        remote = RemoteSigner(url, ADDRESS, files=one.files)
        with pytest.raises(SignerError, match=dict(FAULTS)[fault]):
            await remote.sign(SECRET)
        await remote.close()


@pytest.mark.parametrize(("code", "is_form"), [(79, False), (80, True), (85, True), (93, True), (94, False)])
def test_a_certificate_without_the_form_that_newer_pythons_want_is_told_as_that(code: int, is_form: bool) -> None:
    error = ssl.SSLCertVerificationError("refused")
    error.verify_code = code
    said = tls_fault(error, "host", TlsFiles()) or ""
    assert (f"lacks what RFC 5280 asks for (X509_V_ERR {code})" in said) == is_form
    assert f"X509_V_ERR {code}" in said


async def test_a_signer_that_does_not_speak_tls_is_told_as_that(tmp_path: Path) -> None:
    one = Set(tmp_path)
    async with served(Stand(KEY)) as stand:
        remote = RemoteSigner(stand.url.replace("http:", "https:"), ADDRESS, files=one.files)
        with pytest.raises(SignerError, match="does not speak TLS there: write http://"):
            await remote.sign(b"x")
        await remote.close()


def renew(one: Set, name: str) -> None:
    old = one.folder / f"{name}.pem"
    stamp_ns = old.stat().st_mtime_ns + 10**9
    one.authority.vouch(name)
    os.utime(old, ns=(stamp_ns, stamp_ns))  # a coarse clock of the disk must not hide it


async def test_a_certificate_that_was_renewed_is_shown_without_a_restart(tmp_path: Path) -> None:
    one = Set(tmp_path)
    old = one.authority.vouch("shown", ends_in=-timedelta(hours=1))
    async with served(Stand(KEY), server_context(one.server, one.clients)) as stand:
        remote = RemoteSigner(stand.url, ADDRESS, files=one.shown(old))
        with pytest.raises(SignerError, match="has expired"):
            await remote.sign(b"x")
        renew(one, "shown")
        assert await remote.sign(b"x") == await LocalSigner(KEY).sign(b"x")
        await remote.close()


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("SSLV3_ALERT_BAD_CERTIFICATE", "it wants a client certificate"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it wants a client certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "it wants a client certificate"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "no TLS with it"),
    ],
)
def test_alerts_of_other_servers_are_read_too(reason: str, says: str) -> None:
    error = ssl.SSLError()
    error.reason = reason
    assert says in str(tls_fault(error, "host", TlsFiles()))


def test_what_is_not_tls_is_not_said_to_be() -> None:
    for error in (OSError("no route"), ConnectionRefusedError(), TimeoutError()):
        assert tls_fault(error, "host", TlsFiles()) is None
