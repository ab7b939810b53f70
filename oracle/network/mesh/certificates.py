"""TLS 1.3 between members without an authority: a certificate made on start, or the operator's own; known by its SHA-256."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from feeds.errors import LrtOracleError

_DAY = dt.timedelta(days=1)
_LIFE = 3_650 * _DAY


class BadCertificate(LrtOracleError, ValueError):
    """The operator's own certificate cannot be used: which file, and what to do."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What the listening side shows. ``sha256``: of the certificate's DER, 32 bytes: what is announced."""

    context: ssl.SSLContext
    sha256: bytes


def self_signed() -> ServerTls:
    """A fresh key and certificate. Its names and dates mean nothing: the announcement vouches for its hash."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lrt-oracle")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _LIFE)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with tempfile.TemporaryDirectory() as folder:  # only this user may look into it
        both = Path(folder) / "certificate.pem"
        both.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return from_files(both, both)


def from_files(certificate: Path, private_key: Path) -> ServerTls:
    """The operator's own certificate (PEM, its chain after it) and key (PEM, not encrypted).

    Raises:
        BadCertificate: they cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    for path in (certificate, private_key):
        _check_readable(path)
    try:
        context.load_cert_chain(certificate, private_key, password=partial(_no_password, private_key))
        first = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except ssl.SSLError as e:
        raise BadCertificate(
            f"{certificate} and {private_key} are no certificate and its key, in PEM and without a password:"
            f" {e.reason or 'wrong form'}"
        ) from None
    except BadCertificate:
        raise
    except ValueError:
        raise BadCertificate(f"{certificate} is no certificate in PEM") from None
    return ServerTls(context, sha256(first.public_bytes(serialization.Encoding.DER)).digest())


@cache
def unverified() -> ssl.SSLContext:
    """For dialling where an announcement vouches for the certificate: its hash is compared before anything is proved."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@cache
def by_authority() -> ssl.SSLContext:
    """For dialling where no certificate is announced: a public authority must vouch for the host. Its list takes memory."""
    return ssl.create_default_context()


def seen_certificate(tls: ssl.SSLObject | None) -> bytes:
    """SHA-256 of the certificate that the other side shows; b"" without TLS."""
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return sha256(der).digest() if der else b""


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as e:
        raise BadCertificate(f"{path} cannot be read: {e.strerror}; correct the path, or make the file") from None


def _no_password(private_key: Path) -> str:
    raise BadCertificate(
        f"{private_key} has a password, and a process starts without anybody at hand: write it without one, with"
        f" `openssl pkey -in {private_key} -out FILE`"
    )
