"""Certificates for tests, as files: an authority, and what it vouches for."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: str
    private_key: str


class Authority:
    """An authority whose certificate is a file in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        made = _builder(subject, subject, self._key.public_key(), datetime.now(UTC) - 9 * _DAY, 30 * _DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = {u: u in {"key_cert_sign", "crl_sign"} for u in _USAGES}
        made = made.add_extension(x509.KeyUsage(**usage), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self._certificate = made.sign(self._key, hashes.SHA256())
        self.path = str(folder / f"{name}.pem")
        Path(self.path).write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def vouch(
        self, name: str, *, hosts: tuple[str, ...] = (), ends_in: timedelta = _DAY, starts_in: timedelta = -2 * _DAY,
        names_issuer: bool = True,
    ) -> Pair:  # fmt: skip
        """A certificate for hosts, or for a client where there are none; with the key identifiers of both, or not that of its issuer."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        made = _builder(_name(name), self._certificate.subject, key.public_key(), now + starts_in, ends_in - starts_in)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if names_issuer:
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            made = made.add_extension(issuer, critical=False)
        pair = Pair(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key.pem"))
        signed = made.sign(self._key, hashes.SHA256())
        Path(pair.certificate).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        Path(pair.private_key).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
    "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def server_context(shown: Pair, clients: str | None, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's context. ``clients``: authority of the clients that may come; None: anybody may."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.load_cert_chain(shown.certificate, shown.private_key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    if newest is not None:
        context.maximum_version = newest
    return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, starts: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    made = made.serial_number(x509.random_serial_number())
    return made.not_valid_before(starts).not_valid_after(starts + lasts)
