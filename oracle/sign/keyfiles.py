"""Keys on disk: encrypted keyfiles (Web3 secret storage). A secret is never in the config, in a log or in an error."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from eth_account import Account
from eth_hash.auto import keccak

from feeds.chains.abi import address, checksummed
from feeds.errors import LrtOracleError
from oracle.runtime.private_files import private_file, private_folder
from oracle.sign import curve
from oracle.sign.eip712 import address_of
from oracle.sign.sign_journal import SignJournal

_FILE = "_FILE"
"""At the end of a variable's name: it names a file instead, as secrets of containers and services are given."""


class LocalSigner:
    """A key in this process. Its secret is in no representation of it.

    Args:
        key: the secret key.
    """

    __slots__ = ("_key", "address")

    def __init__(self, key: curve.PrivateKey) -> None:
        self._key = key
        self.address = address_of(key)

    def __repr__(self) -> str:
        return f"LocalSigner(0x{self.address.hex()})"

    async def sign(self, preimage: bytes) -> bytes:
        """65 bytes r | s | y (0 or 1) over keccak(preimage); s is in the lower half."""
        return self._key.sign_recoverable(keccak(preimage), hasher=None)

    async def close(self) -> None:
        """Nothing to close; a remote signer has a connection."""


class KeyfileError(LrtOracleError, RuntimeError):
    """A keyfile cannot be used: which one, and what to do."""


def passphrase_of(variable: str, environ: Mapping[str, str]) -> str | None:
    """The passphrase in an environment variable, or in the file that ``VARIABLE_FILE`` names; None where neither is set.

    Of a file the first line counts.

    Raises:
        KeyfileError: the file cannot be read.
    """
    if variable in environ or (name := environ.get(f"{variable}{_FILE}")) is None:
        return environ.get(variable)
    try:
        return Path(name).read_text(encoding="utf-8").split("\n", 1)[0]
    except (OSError, ValueError) as e:
        raise KeyfileError(f"the passphrase in {name} ({variable}{_FILE}) cannot be read: {e}") from None


def has_passphrase(variable: str, environ: Mapping[str, str]) -> bool:
    """Whether a passphrase is given, by a variable or by a file."""
    return variable in environ or f"{variable}{_FILE}" in environ


def load(
    path: Path, passphrase_env: str, environ: Mapping[str, str] = os.environ, *, only_looks: bool = False
) -> curve.PrivateKey:
    """Decrypt a keyfile with the passphrase in an environment variable, or in the file that ``VARIABLE_FILE`` names.

    Args:
        path: of the keyfile.
        passphrase_env: the variable.
        environ: where it is.
        only_looks: leave what others may do with the file as it is; else its owner alone may read it from now on.

    Raises:
        KeyfileError: no file, no passphrase, or the wrong one.
    """
    if not path.is_file():
        raise KeyfileError(f"no keyfile at {path}: make one with `lrt-oracle keys new {path}`")
    passphrase = passphrase_of(passphrase_env, environ)
    if passphrase is None:
        raise KeyfileError(
            f"{path} needs its passphrase: set the environment variable {passphrase_env}, or {passphrase_env}{_FILE} with the"
            " name of a file"
        )
    if not passphrase:
        where = passphrase_env if passphrase_env in environ else f"the file that {passphrase_env}{_FILE} names"
        raise KeyfileError(f"{path} needs its passphrase, and {where} is empty: put the passphrase there")
    if not only_looks:
        private_file(path)
    try:
        return curve.PrivateKey(bytes(Account.decrypt(path.read_text(encoding="utf-8"), passphrase)))
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
        raise KeyfileError(f"{path} does not open: wrong passphrase in {passphrase_env}, or not a keyfile") from None


def stated_address(path: Path) -> str:
    """EIP-55 address that a keyfile states; the file is not opened, so the key may be another one.

    Raises:
        KeyfileError: it states none.
    """
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))["address"]
        return checksummed(address("0x" + stated.removeprefix("0x").lower()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeyfileError(
            f"{path} is not a keyfile with an address: make one with `lrt-oracle keys new PATH`"
        ) from None


def save(path: Path, key: curve.PrivateKey, passphrase: str, *, iterations: int | None = None) -> None:
    """Write an encrypted keyfile, readable by its owner only; never over an existing one.

    It is there whole or not at all, and on disk when this returns: a power cut must not take a key that holds ether.

    Raises:
        KeyfileError: a file is already there.
    """
    private_folder(path.parent)
    if path.exists():
        raise _taken(path)
    kdf = "pbkdf2" if iterations else None
    body = json.dumps(Account.encrypt(key.secret, passphrase, kdf=kdf, iterations=iterations))  # type: ignore[arg-type]
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        _give_name(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _taken(path: Path) -> KeyfileError:
    return KeyfileError(f"{path} exists: a key is never overwritten, choose another name")


def _give_name(fresh: Path, path: Path) -> None:
    """Give a whole file its name, in one step; a rename would replace what another process made there meanwhile."""
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        raise _taken(path) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise _taken(path) from None
        fresh.rename(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum_address(key: curve.PrivateKey) -> str:
    """EIP-55 address of a key."""
    return str(Account.from_key(key.secret).address)


def new(path: Path, journal: Path | None, passphrase_env: str, environ: Mapping[str, str] = os.environ) -> str:
    """Make a key and its keyfile, and where `journal` is given a sign journal that knows the key is new; returns its address.

    Raises:
        KeyfileError: no passphrase, or a file is already there.
    """
    passphrase = passphrase_of(passphrase_env, environ)
    if not passphrase:
        raise KeyfileError(f"a keyfile needs a passphrase: set the environment variable {passphrase_env}")
    if journal is not None and journal.exists():
        raise KeyfileError(f"{journal} exists: a journal belongs to one key, choose another name")
    if journal is not None:  # before the key: a key without its journal would be mute at first
        private_folder(journal.parent)
    key = curve.PrivateKey()
    save(path, key, passphrase)
    if journal is not None:
        SignJournal(journal, address_of(key), now_ms=0, mute_ms=0, newborn=True).close()
    return checksum_address(key)
