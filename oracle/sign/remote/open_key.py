"""From what the config says of a key that is elsewhere to the key."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from feeds.secret_refs import is_ref
from feeds.secret_values import filled
from feeds.units import MS
from oracle.model.signer_url import HttpSignerUrl, KmsUrl, Pkcs11Url, read_signer_url
from oracle.runtime import clock
from oracle.sign import keyfiles
from oracle.sign.remote.mutual_tls import TlsFiles
from oracle.sign.remote.remote_key import RemoteKey
from oracle.sign.remote.web3signer import RemoteSigner

PATIENCE_MS = 3_000
"""A transaction, or something asked for by hand, can wait so long for its signature."""
_REPORT_KEY_MS = 1_000
"""A report key that is later than this is absent from the round: a round waits for its keys."""


def remote_report_key_ms(round_interval_s: int) -> int:
    """How long a round waits for a report key that is elsewhere, ms."""
    return min(_REPORT_KEY_MS, round_interval_s * MS // 4)


class SignerSettings(Protocol):
    """What a section of the config says of a key that is elsewhere."""

    @property
    def signer_url(self) -> str | None:
        """Where it is; None for a key in a keyfile."""

    @property
    def signer_address(self) -> str | None:
        """Of the key: 0x and 40 hex digits."""

    @property
    def signer_ca(self) -> str | None:
        """File of the authority that vouches for the signer."""

    @property
    def signer_certificate(self) -> str | None:
        """File of what is shown to the signer."""

    @property
    def signer_private_key(self) -> str | None:
        """File of its key."""


class KeySettings(SignerSettings, Protocol):
    """What a section says of its key, which is elsewhere or in a keyfile."""

    @property
    def passphrase_env(self) -> str:
        """Environment variable with the keyfile's passphrase."""


def open_key(
    settings: SignerSettings,
    environ: Mapping[str, str] | None = None,
    *,
    timeout_ms: int = PATIENCE_MS,
    now_ms: Callable[[], int] = clock.now_ms,
) -> RemoteKey | None:
    """The key that a section of the config names; None where it names none. Nothing is asked yet.

    Args:
        settings: the section.
        environ: where secrets and AWS credentials are; None: the environment of the process.
        timeout_ms: of a signature.
        now_ms: Unix milliseconds, stated to AWS.

    Raises:
        SecretMissing: a secret that signer_url names has no value.
        ValueError: a secret holds no URL of a signer.
    """
    text, address = settings.signer_url, settings.signer_address
    if text is None or address is None:
        return None
    whole = is_ref(text)
    url = read_signer_url(filled(text, environ).text if whole else text, filled=whole)
    raw = bytes.fromhex(address.removeprefix("0x"))
    if isinstance(url, HttpSignerUrl):
        files = TlsFiles(
            authority=settings.signer_ca,
            certificate=settings.signer_certificate,
            private_key=settings.signer_private_key,
        )
        return RemoteSigner(text, raw, environ, timeout_ms=timeout_ms, files=files)
    if isinstance(url, Pkcs11Url):
        return _pkcs11(url, raw, environ, timeout_ms)
    return _kms(url, raw, environ, timeout_ms, now_ms)


def opened_key(
    settings: KeySettings, keyfile: str | None, environ: Mapping[str, str], *, only_looks: bool = False
) -> RemoteKey | keyfiles.LocalSigner:
    """The key of a section, for something asked for by hand: the one that is elsewhere, or that of the keyfile.

    Args:
        settings: the section.
        keyfile: that it names.
        environ: where passphrases, secrets and AWS credentials are.
        only_looks: leave what others may do with the keyfile as it is.

    Raises:
        KeyfileError: the keyfile does not open.
        SecretMissing, ValueError: as `open_key`.
    """
    remote = open_key(settings, environ)
    if remote is not None:
        return remote
    key = keyfiles.load(Path(str(keyfile)), settings.passphrase_env, environ, only_looks=only_looks)
    return keyfiles.LocalSigner(key)


@asynccontextmanager
async def key_in_use(
    settings: KeySettings, keyfile: str | None, environ: Mapping[str, str], *, only_looks: bool = False
) -> AsyncIterator[RemoteKey | keyfiles.LocalSigner]:
    """The same, closed afterwards."""
    signer = opened_key(settings, keyfile, environ, only_looks=only_looks)
    try:
        yield signer
    finally:
        await signer.close()


def _kms(
    url: KmsUrl, address: bytes, environ: Mapping[str, str] | None, timeout_ms: int, now_ms: Callable[[], int]
) -> RemoteKey:
    from oracle.sign.remote.aws_credentials import AwsCredentials  # noqa: PLC0415 - only who has a key there needs it
    from oracle.sign.remote.kms import KmsKey  # noqa: PLC0415 - the same

    credentials = AwsCredentials(os.environ if environ is None else environ, now_ms)
    return KmsKey(url, address, credentials, timeout_ms=timeout_ms, now_ms=now_ms)


def _pkcs11(url: Pkcs11Url, address: bytes, environ: Mapping[str, str] | None, timeout_ms: int) -> RemoteKey:
    from oracle.sign.remote.pkcs11_key import Pkcs11Key  # noqa: PLC0415 - only who has a token needs it

    return Pkcs11Key(url, address, environ, timeout_ms=timeout_ms)
