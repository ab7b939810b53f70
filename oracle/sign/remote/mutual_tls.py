"""TLS to a signer, with a certificate of our own: the files, and what each way of its failing means.

Sources: Python's ssl (SSLCertVerificationError.verify_code), OpenSSL's x509_vfy.h (codes), RFC 8446, section 6.2 (alerts).
JSSE, which Web3Signer runs on, says bad_certificate where a client shows none; OpenSSL says certificate_required.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from cryptography import x509

from oracle.sign.remote.remote_key import SignerError

_NOT_YET, _EXPIRED = 9, 10
_WRONG_NAME = frozenset({62, 64})
_UNKNOWN = frozenset({2, 18, 19, 20, 21, 24, 26})
_FORM = range(80, 94)
"""X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA to X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3: what a certificate lacks of RFC 5280's form: Python 3.13 and later look at that."""
_WANTS_ONE = frozenset({"CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE"})
_NOT_THIS_ONE = frozenset({
    "UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNSUPPORTED_CERTIFICATE",
    "ACCESS_DENIED",
})  # fmt: skip
_ALERT = "ALERT_"
_IN_TEXT = re.compile(r"\[SSL: (\w+)\]")
_RESET = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED})
_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files. ``authority``: whose certificates are believed; ``certificate`` and ``private_key``: what we show."""

    authority: str | None = None
    certificate: str | None = None
    private_key: str | None = None

    def stamps(self) -> tuple[int, ...]:
        """When each file was last written: certificates are renewed while a process runs."""
        return tuple(_written_ns(p) for p in (self.authority, self.certificate, self.private_key) if p is not None)

    def context(self) -> ssl.SSLContext:
        """A context for connections to the signer.

        Raises:
            SignerError: a file is not there, or not what it should be.
        """
        for key, path in (("signer_ca", self.authority), ("signer_certificate", self.certificate)):
            if path is not None and b"-----BEGIN " not in _content(key, path):
                raise SignerError(f"{key}: {path} holds no certificate: write the PEM form into it")
        try:
            context = ssl.create_default_context(cafile=self.authority)
        except (ssl.SSLError, ValueError):
            raise SignerError(f"signer_ca: {self.authority} holds no certificate that can be read") from None
        if self.certificate is not None and self.private_key is not None:
            self._show(context, self.certificate, self.private_key)
        return context

    def _show(self, context: ssl.SSLContext, certificate: str, private_key: str) -> None:
        if b"ENCRYPTED" in _content("signer_private_key", private_key):
            text = f"{private_key} has a passphrase: write the key without one, readable by this process's user only"
            raise SignerError(f"signer_private_key: {text}")
        try:
            context.load_cert_chain(certificate, private_key, password="")
        except ssl.SSLError as e:
            if e.reason == "KEY_VALUES_MISMATCH":
                text = f"{private_key} is not the key of {certificate}: the two belong together"
                raise SignerError(f"signer_private_key: {text}") from None
            text = f"{certificate} and {private_key} are no certificate and its key, in PEM: correct the paths, or have them made anew"
            raise SignerError(f"signer_certificate: {text}") from None


def _written_ns(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _content(key: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise SignerError(f"{key}: {path} cannot be read ({e.strerror}): correct the path, or its rights") from None


def tls_fault(error: BaseException, host: str, files: TlsFiles) -> str | None:
    """What went wrong in TLS, and what to do; None where it was something else.

    Args:
        error: as aiohttp or ssl raised it.
        host: that the certificate should be for.
        files: what was shown, and believed.
    """
    causes = list(_chain(error))
    for cause in causes:
        if code := getattr(cause, "verify_code", 0):
            return _their_certificate(code, host, files)
    for cause in causes:
        if reason := _reason(cause):
            return _alert(reason, files)
    if any(_hung_up(cause) for cause in causes):
        return f"it hung up; if it always does, {_our_certificate(files)}"
    return None


def _reason(error: BaseException) -> str:
    """OpenSSL's reason; aiohttp keeps of some errors the text alone. "" for none."""
    if isinstance(error, aiohttp.ClientOSError):
        found = _IN_TEXT.search(str(error))
        return found[1] if found else ""
    return str(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""


def _hung_up(error: BaseException) -> bool:
    """Some servers refuse a client's certificate without a word."""
    return isinstance(error, aiohttp.ServerDisconnectedError) or (
        isinstance(error, OSError) and (isinstance(error, ConnectionResetError) or error.errno in _RESET)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error with all that it was made of."""
    seen: list[BaseException | None] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _their_certificate(code: int, host: str, files: TlsFiles) -> str:
    if code == _EXPIRED:
        return "its certificate has expired: renew it there"
    if code == _NOT_YET:
        return "its certificate is not valid yet: look at the clocks of both machines"
    if code in _WRONG_NAME:
        return f"its certificate is not for {host}: write a name that is in it, or have one made for this name"
    if code in _UNKNOWN:
        where = f"not that in {files.authority}" if files.authority else "none that this machine trusts"
        return f"its certificate is from another authority, {where}: write the authority's certificate as signer_ca"
    if code in _FORM:
        return (
            f"its certificate or its authority's lacks what RFC 5280 asks for (X509_V_ERR {code}), which Python 3.13 and later insist on:"
            " have it made anew with subject and authority key identifier, and the authority's with a critical key usage"
        )
    return f"its certificate is refused (X509_V_ERR {code}): have another made"


def _alert(reason: str, files: TlsFiles) -> str:
    said = reason.rpartition(_ALERT)[2]
    if reason in _PLAIN:
        return "it does not speak TLS there: write http://, or turn TLS on"
    if _ALERT in reason and (said in _WANTS_ONE or said in _NOT_THIS_ONE):
        return _our_certificate(files)
    return f"no TLS with it ({reason})"


def _our_certificate(files: TlsFiles) -> str:
    """What must be wrong with what we show, where a signer wants no more of us."""
    if files.certificate is None:
        return "it wants a client certificate: write signer_certificate and signer_private_key"
    try:
        ends = x509.load_pem_x509_certificate(Path(files.certificate).read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return f"the certificate in {files.certificate} cannot be read: have another made"
    if ends < datetime.now(UTC):
        return f"the certificate in {files.certificate} has expired: renew it"
    return f"it does not trust the certificate in {files.certificate}: make it one of the clients that it knows"
