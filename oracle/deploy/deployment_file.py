"""deployments/<chain>.toml: where a deployment is and what it was made with, so that a later run knows both."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from feeds.chains.abi import address
from oracle.deploy.create2 import DeployError
from oracle.deploy.store_settings import (
    CHANGED_BY,
    FIXED_KEYS,
    StoreSettings,
    differences,
    stake_differences,
    table_of,
)

SALT = "lrt-oracle"
"""The text that salts addresses; another one gives a second deployment on the same chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Checksummed addresses: the store, one view for each feed, the directory; of stake by the contracts' names.

    ``sent``: transactions that this run needed. ``settings``: what the store was made with (`store_settings.table_of`). ``notes``: where the chain, or the settings of this
    run, differ from that, and who does what about it.
    """

    chain_id: int
    store: str
    views: Mapping[str, str]
    salt: str = SALT
    deployer: str = ""
    stake: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)
    sent: int = field(default=0, compare=False)

    def document(self) -> dict[str, Any]:
        """The deployment as one JSON document; integers stay below 2^53 but for weights and thresholds, which are texts."""
        texts: dict[str, Any] = {k: str(v) for k, v in self.settings.items() if k in ("threshold", "step_threshold")}
        texts |= {"weights": [str(w) for w in self.settings["weights"]]} if "weights" in self.settings else {}
        return {
            "chain_id": self.chain_id,
            "store": self.store,
            "salt": self.salt,
            "deployer": self.deployer,
            "stake": dict(self.stake) or None,
            "directory": self.directory,
            "views": dict(self.views),
            "settings": {**self.settings, **texts},
            "notes": list(self.notes),
            "transactions": self.sent,
        }

    def toml(self) -> str:
        """The deployment as a TOML document."""
        head = {"chain_id": self.chain_id, "store": self.store, "salt": self.salt}
        head |= {"deployer": self.deployer} if self.deployer else {}
        head |= {"directory": self.directory} if self.directory else {}
        lines = [*_keys(head), "", "[views]", *_keys(self.views, quoted=True)]
        lines += ["", "[stake]", *_keys(self.stake)] if self.stake else []
        lines += _tables("settings", self.settings) if self.settings else []
        return "\n".join(lines) + "\n"


def _tables(name: str, table: Mapping[str, Any]) -> list[str]:
    """A table, and the tables and lists of tables in it after it."""
    inner = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    lists = {k: v for k, v in table.items() if isinstance(v, list) and v and isinstance(v[0], Mapping)}
    lines = ["", f"[{name}]", *_keys({k: v for k, v in table.items() if k not in inner and k not in lists})]
    for key, many in lists.items():
        for one in many:
            lines += ["", f"[[{name}.{key}]]", *_keys(one)]
    for key, one in inner.items():
        lines += _tables(f"{name}.{key}", one)
    return lines


def _keys(table: Mapping[str, Any], *, quoted: bool = False) -> list[str]:
    return [f'"{k}" = {_value(v)}' if quoted else f"{k} = {_value(v)}" for k, v in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def read_deployment(path: Path) -> Mapping[str, Any] | None:
    """What the file holds; None where there is none.

    Raises:
        DeployError: it is not TOML.
    """
    if not path.is_file():
        return None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DeployError(f"{path} is not TOML ({e}): restore it, or give another --out") from None


def settings_as_made(settings: StoreSettings, held: Mapping[str, Any], path: Path) -> StoreSettings:
    """The settings with which the store in the file was made: what its owner may have changed since is taken from there.

    Raises:
        DeployError: the settings differ in what nobody can change.
    """
    made = held.get("settings")
    if not isinstance(made, Mapping):
        return settings
    wanted = table_of(settings)
    changed = differences(made, {k: wanted[k] for k in FIXED_KEYS})
    if isinstance(stake := made.get("stake"), Mapping):
        changed += stake_differences(stake, wanted.get("stake", {}))
    if changed:
        raise DeployError(
            f"{path} holds a store that was made with other settings, and for good ({'; '.join(changed)}): use the same"
            " settings, or make a new store with another --salt and --out"
        )
    if not set(CHANGED_BY) <= set(made):
        return settings
    try:
        return replace(
            settings,
            signers=tuple(address(s) for s in made["signers"]),
            weights=tuple(_whole("weights", w) for w in made["weights"]),
            threshold=_whole("threshold", made["threshold"]),
            step_threshold=_whole("step_threshold", made["step_threshold"]),
            guardian=address(made["guardian"]) if made["guardian"] else None,
        )
    except (ValueError, TypeError) as e:
        raise DeployError(f"{path} is not the file of a deployment ({e}): restore it, or give another --out") from None


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 96:
        raise ValueError(f"{name}: {value!r} is not a weight")
    return value


def check_same_store(held: Mapping[str, Any] | None, done: Deployment, path: Path) -> None:
    """Compare a deployment with the file that it would go to.

    Raises:
        DeployError: the file knows another store of this chain (other settings, another key or another salt), or
            other contracts of stake.
    """
    if held is None:
        return
    if (held.get("chain_id"), held.get("store")) == (done.chain_id, done.store):
        if held.get("stake", done.stake) != done.stake:
            raise DeployError(
                f"{path} holds other contracts of stake than these settings give ({'; '.join(stake_differences(held['stake'], done.stake))}):"
                " the store and what is staked stay where they are, so use the same settings, or make a new store with another"
                " --salt and --out"
            )
        return
    why = differences(held, {"deployer": done.deployer, "salt": done.salt}) if held.get("deployer") else []
    raise DeployError(
        f"{path} holds store {held.get('store')} on chain {held.get('chain_id')}, these settings give"
        f" {done.store} on chain {done.chain_id}{' (' + '; '.join(why) + ')' if why else ''}: use the same settings, or"
        " another --out"
    )


def check_writable(path: Path) -> None:
    """Check that the file can be written, before anything is sent that only it would know.

    Raises:
        DeployError: it cannot.
    """
    fresh = _fresh(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        fresh.touch()
        fresh.unlink()
    except OSError as e:
        raise DeployError(f"{path} cannot be written ({e.strerror}): give another --out; nothing was sent") from None


def write_deployment(done: Deployment, path: Path) -> Deployment:
    """Write the deployment to its file, with the views there of feeds that this run did not have; DeployError as `check_same_store`."""
    held = read_deployment(path)
    check_same_store(held, done, path)
    known = held.get("directory") if held is not None else None
    directory = done.directory or (str(known) if known else None)
    kept = replace(done, views={**known_views(held), **done.views}, directory=directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _fresh(path)
    fresh.write_text(kept.toml(), encoding="utf-8")
    fresh.replace(path)
    return kept


def known_views(held: Mapping[str, Any] | None) -> dict[str, str]:
    """The views that the file knows, by feed."""
    views = held.get("views") if held is not None else None
    return {k: str(v) for k, v in views.items()} if isinstance(views, Mapping) else {}


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
