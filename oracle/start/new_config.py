"""Makes what a new process needs: a config that passes the check, a folder for its data, and a key where one is wanted."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from feeds.secret_refs import has_refs
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.forms import http_url, raw_address
from oracle.config.tables.schema import ConfigError
from oracle.runtime.private_files import private_folder
from oracle.sign.keyfiles import new, passphrase_of
from oracle.start.refusals import StartRefused
from oracle.start.shipped_feeds import ShippedFeed, StartChain

PASSPHRASE = "LRT_ORACLE_PASSPHRASE"  # noqa: S105 - the name of a variable
CONFIG_NAME = "config.toml"
_DATA, _SECRETS = "data", "secrets"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONG = 16
"""A word of an address that is as long, with a digit in it, may well be a key."""
_HEAD = f"""\
# Made by `lrt-oracle init`. What is not written here has its default; every key is in docs/config.md of the project.
# No secret belongs here: an address names it, as ${{NAME}} of the environment or ${{file:/path}}; a keyfile is encrypted, and its
# passphrase is in the variable {PASSPHRASE}, or in the file that {PASSPHRASE}_FILE names.
# After a change: `lrt-oracle check`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be made.

    Attributes:
        folder: for all of it.
        chain: where sources are read.
        endpoints: of the chain, as they were given.
        feeds: what is priced.
        operator: name of the operator that signs; None: read only.
        makes_key: a new one for the operator; else its lines stand in the config as a comment.
        stores: addresses of PriceStores on the chain.
    """

    folder: Path
    chain: StartChain
    endpoints: tuple[str, ...]
    feeds: tuple[ShippedFeed, ...]
    operator: str | None = None
    makes_key: bool = False
    stores: tuple[str, ...] = ()

    @property
    def config(self) -> Path:
        """The file that is written."""
        return self.folder / CONFIG_NAME

    @property
    def data(self) -> Path:
        """Folder of database, keys and journals."""
        return self.folder / _DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made. ``hidden``: files with endpoints whose addresses hold what may be a key."""

    config: Path
    data: Path
    address: str | None
    hidden: tuple[Path, ...]


def check_wanted(wanted: Wanted) -> None:
    """Refuse what cannot be made, before anything is.

    Raises:
        StartRefused: something is there already, or what was given makes no config.
    """
    if wanted.operator is not None and not _NAME.fullmatch(wanted.operator):
        raise StartRefused(f"--name {wanted.operator!r}: write letters, digits, - and _, at most 64")
    keys = (_keyfile(wanted), _journal(wanted)) if wanted.makes_key else ()
    hidden = (_hidden(wanted, n) for n, e in enumerate(wanted.endpoints, start=1) if _is_secret(e))
    for path in (wanted.config, *keys, *hidden):
        if path.exists():
            raise StartRefused(f"{path} exists and is never overwritten: choose another folder, or move it away")
    if wanted.folder.exists() and not wanted.folder.is_dir():
        raise StartRefused(f"{wanted.folder} is a file: choose a folder")
    if any(c.isspace() or c in "{}" for c in str(wanted.folder)) and any(map(_is_secret, wanted.endpoints)):
        raise StartRefused(
            f"{wanted.folder}: an address that holds a key is kept in a file, and a name of it in the config can have no space or"
            " brace: choose another folder, or write ${NAME} in the address"
        )
    _check_addresses(wanted)
    if not wanted.endpoints:
        raise StartRefused(
            f"no endpoint of {wanted.chain.name}: give --endpoint https://..., better two of different providers"
        )
    _check_text(config_text(wanted, wanted.endpoints))


def _check_addresses(wanted: Wanted) -> None:
    for endpoint in wanted.endpoints:
        try:
            http_url(endpoint)
        except ValueError as e:
            raise StartRefused(f"--endpoint {_shown(endpoint)} {e}") from None
    for store in wanted.stores:
        try:
            raw_address(store)
        except ValueError as e:
            raise StartRefused(f"--target {store!r}: {e}") from None


def make(wanted: Wanted, environ: Mapping[str, str]) -> Made:
    """Make folders, key and config, in this order: a config is there only when all that it names is.

    Args:
        wanted: checked.
        environ: has the passphrase of a new key.

    Raises:
        StartRefused: as :func:`check_wanted`, or there is no passphrase for the key.
        KeyfileError: the file with the passphrase cannot be read.
    """
    check_wanted(wanted)
    if wanted.makes_key and not passphrase_of(PASSPHRASE, environ):
        raise StartRefused(
            f"the new key needs a passphrase: set {PASSPHRASE}, or {PASSPHRASE}_FILE to the name of a file with it; --key none"
            " leaves the key for later"
        )
    private_folder(wanted.folder)
    private_folder(wanted.data)
    wanted.data.chmod(0o700)
    address = new(_keyfile(wanted), _journal(wanted), PASSPHRASE, environ) if wanted.makes_key else None
    written, hidden = [], []
    for number, endpoint in enumerate(wanted.endpoints, start=1):
        if not _is_secret(endpoint):
            written.append(endpoint)
            continue
        hidden.append(file := _hidden(wanted, number))
        private_folder(file.parent)
        _write_once(file, endpoint + "\n")
        written.append(f"${{file:{file}}}")
    _write_once(wanted.config, config_text(wanted, tuple(written)))
    return Made(config=wanted.config, data=wanted.data, address=address, hidden=tuple(hidden))


def config_text(wanted: Wanted, endpoints: tuple[str, ...]) -> str:
    """The whole file."""
    chain = wanted.chain
    parts = [
        _HEAD,
        f"[oracle]\ndatabase = {_text(str(wanted.data / 'lrt-oracle.db'))}\n",
        f"[chains.{chain.name}]\nchain_id = {chain.chain_id}\nendpoints = [\n"
        + "".join(f"  {_text(e)},\n" for e in endpoints)
        + "]\n",
    ]
    if wanted.operator is not None:
        parts.append(_operator_part(wanted, wanted.operator))
    for number, store in enumerate(wanted.stores, start=1):
        name = chain.name if number == 1 else f"{chain.name}-{number}"
        parts.append(
            f"[targets.{name}]\nchain = {_text(chain.name)}\nstore = {_text(store)}\n"
            f"# gas_keyfile = {_text(str(wanted.data / 'gas.key.json'))}   # pays for pushes; without one they are dry runs\n"
        )
    return "\n".join([*parts, *(f.text for f in wanted.feeds)])


def _operator_part(wanted: Wanted, name: str) -> str:
    lines = (
        "[[operators]]",
        f"name = {_text(name)}",
        f"keyfile = {_text(str(_keyfile(wanted)))}",
        f"journal = {_text(str(_journal(wanted)))}   # of all that the key has signed: it moves with the key, and is never copied",
    )
    if wanted.makes_key:
        return "".join(f"{line}\n" for line in lines)
    how = f"lrt-oracle keys new {_keyfile(wanted)} --journal {_journal(wanted)}"
    return "".join(
        (f"# Signs, once the key is made (`{how}`) and the # is taken away:\n", *(f"# {line}\n" for line in lines))
    )


def _hidden(wanted: Wanted, number: int) -> Path:
    return wanted.data / _SECRETS / f"{wanted.chain.name}-{number}"


def _keyfile(wanted: Wanted) -> Path:
    return wanted.data / f"{wanted.operator}.key.json"


def _journal(wanted: Wanted) -> Path:
    return wanted.data / f"{wanted.operator}.journal.db"


def _check_text(text: str) -> None:
    try:
        resolve(parse(tomllib.loads(text)))
    except ConfigError as e:
        raise StartRefused(f"these make no config:\n{e}") from None


def _is_secret(endpoint: str) -> bool:
    """Whether an address may hold a key. Where it names its secrets already, it holds none."""
    if has_refs(endpoint):
        return False
    parts = urlsplit(endpoint)
    words = [w for w in parts.path.split("/") if len(w) >= _LONG and any(c.isdigit() for c in w)]
    return bool(parts.username or parts.password or parts.query or parts.fragment or words)


def _shown(endpoint: str) -> str:
    """An address as far as it can be repeated."""
    return "(its text is not repeated, it may hold a key)" if _is_secret(endpoint) else repr(endpoint)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_once(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StartRefused(f"{path} exists and is never overwritten: choose another folder, or move it away") from None
