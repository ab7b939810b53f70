"""Self-signed certificates for servers on the loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAYS = 30


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate and its key as PEM files; ``sha256`` is the hash of the certificate's DER, hex."""

    certificate: Path
    private_key: Path
    sha256: str

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 for a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.certificate, self.private_key)
        return context


def read_certificate(certificate: Path, private_key: Path) -> ServerCertificate:
    """A certificate that is there already, such as the one of the member that a proxy stands before."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return ServerCertificate(certificate, private_key, found.fingerprint(hashes.SHA256()).hex())


def self_signed(folder: Path, name: str = "127.0.0.1") -> ServerCertificate:
    """Make a key and a certificate for 127.0.0.1 and localhost, and write both into a folder as ``name``.pem and .key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return read_certificate(*paths)
