"""deployments/<chain>.toml: where a deployment is and what it was made with, so that a later run knows both."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from feeds.abi import address
from oracle.onchain.place import DeployError
from oracle.onchain.settings import FIXED, MOVING, StoreSettings, differences, table_of

SALT = "lrt-oracle"
"""The word that salts addresses; another one gives a second deployment on the same chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Checksummed addresses: the store, one view for each feed, the registry. ``sent``: transactions that this run needed.

    ``settings``: what the store was made with (`settings.table_of`). ``notes``: where the chain, or the settings of this
    run, say another thing, and who does what about it.
    """

    chain_id: int
    store: str
    views: Mapping[str, str]
    salt: str = SALT
    deployer: str = ""
    registry: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)
    sent: int = field(default=0, compare=False)

    def toml(self) -> str:
        """The deployment as a TOML document."""
        head = {"chain_id": self.chain_id, "store": self.store, "salt": self.salt}
        head |= {"deployer": self.deployer} if self.deployer else {}
        head |= {"registry": self.registry} if self.registry else {}
        lines = [*_keys(head), "", "[views]", *_keys(self.views, quoted=True)]
        if self.settings:
            plain = {k: v for k, v in self.settings.items() if k != "classes"}
            lines += ["", "[settings]", *_keys(plain)]
            for one in self.settings.get("classes", ()):
                lines += ["", "[[settings.classes]]", *_keys(one)]
        return "\n".join(lines) + "\n"


def _keys(table: Mapping[str, Any], *, quoted: bool = False) -> list[str]:
    return [f'"{k}" = {_value(v)}' if quoted else f"{k} = {_value(v)}" for k, v in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'


def read(path: Path) -> Mapping[str, Any] | None:
    """What the file holds; None where there is none.

    Raises:
        DeployError: it is no such file.
    """
    if not path.is_file():
        return None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DeployError(f"{path} is not TOML ({e}): restore it, or give another --out") from None


def as_made(settings: StoreSettings, held: Mapping[str, Any], path: Path) -> StoreSettings:
    """The settings with which the store in the file was made: what its owner may have changed since is taken from there.

    Raises:
        DeployError: the settings differ in what nobody can change.
    """
    made = held.get("settings")
    if not isinstance(made, Mapping):
        return settings
    wanted = table_of(settings)
    found = differences(made, {k: wanted[k] for k in FIXED})
    if found:
        raise DeployError(
            f"{path} holds a store that was made with other settings, and for good ({'; '.join(found)}): use the same"
            " settings, or make a new store with another --salt and --out"
        )
    if not set(MOVING) <= set(made):
        return settings
    try:
        guardian = address(made["guardian"]) if made["guardian"] else None
        signers = tuple(address(s) for s in made["signers"])
    except (ValueError, TypeError) as e:
        raise DeployError(f"{path} is no file of a deployment ({e}): restore it, or give another --out") from None
    return replace(
        settings,
        signers=signers,
        weights=tuple(made["weights"]),
        threshold=made["threshold"],
        step_threshold=made["step_threshold"],
        guardian=guardian,
    )


def check_same(held: Mapping[str, Any] | None, done: Deployment, path: Path) -> None:
    """Hold a deployment against the file that it would go to.

    Raises:
        DeployError: the file knows another store of this chain (other settings, another key or another salt), or
            another registry over it.
    """
    if held is None:
        return
    if (held.get("chain_id"), held.get("store")) == (done.chain_id, done.store):
        if held.get("registry", done.registry) != done.registry:
            raise DeployError(
                f"{path} holds registry {held.get('registry')}, these settings give {done.registry or 'none'}: bonds stay"
                " where they are, so use the same settings, or another --out"
            )
        return
    why = differences(held, {"deployer": done.deployer, "salt": done.salt}) if held.get("deployer") else []
    raise DeployError(
        f"{path} holds store {held.get('store')} on chain {held.get('chain_id')}, these settings give"
        f" {done.store} on chain {done.chain_id}{' (' + '; '.join(why) + ')' if why else ''}: use the same settings, or"
        " another --out"
    )


def record(done: Deployment, path: Path) -> None:
    """Write the deployment to its file; DeployError as `check_same`."""
    check_same(read(path), done, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(done.toml(), encoding="utf-8")
    fresh.replace(path)
