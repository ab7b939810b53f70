"""The config.toml of one operator of a fleet: the demo's feeds, with its own key, database, sources and place in the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import settings
from demo.world.deploy import DemoWorld

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
         "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
         *(f"op{n}" for n in range(25, 32)))  # fmt: skip
WATCH_KEY = "watch.key.json"
"""Of who pays for proofs, in the operator's folder."""
REWARDS_KEY = "rewards.key.json"
"""Of who pays for reports of epochs, in the operator's folder."""
_ATTEMPT_S = 5
"""Of the agreement on a report; attempts are shorter than they would be between machines."""
WITHOUT = ("coinbase", "kraken", "")
"""Venues that operators leave out, in turn. Nobody leaves out the only venue of a pair: that feed would live by the others alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Where an operator is dialled by another one. ``url`` "": it never listens."""

    name: str
    address: str
    url: str
    certificate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPlace:
    """One operator of a fleet.

    Attributes:
        name: its own.
        number: from 0; its sources follow from it.
        folder: of all that is its own.
        api_port: of its endpoint.
        listen: host:port for other operators; "" for nowhere.
        scheme: wss, or ws behind something that does TLS.
        rpc_urls: its endpoints of the chain.
        pays: whether it has a gas key.
        proves: whether it has a key that pays for proofs.
        posts: whether it has a key that pays for reports of epochs.
        contacts: whom it knows by its config.
    """

    name: str
    number: int
    folder: Path
    api_port: int
    listen: str
    rpc_urls: tuple[str, ...]
    pays: bool
    proves: bool = False
    posts: bool = False
    scheme: str = "wss"
    contacts: Sequence[Contact] = ()


def operator_config(
    place: OperatorPlace,
    world: DemoWorld,
    venues: Mapping[str, tuple[str, str]],
    *,
    store: str,
    directory: str,
    interval_s: int,
    penalties: str = "",
    rewards: str = "",
) -> str:
    """The config of one operator; everything that must be equal follows from the arguments that all share."""
    whole = settings.config_text(
        world, rpc_urls=place.rpc_urls, venues=venues, store=store, folder=place.folder, port=place.api_port,
        operators={place.name: WITHOUT[place.number % len(WITHOUT)]},
        interval_s=interval_s, pays=place.pays,
    )  # fmt: skip
    return whole + _watch(place, penalties) + _rewards(place, rewards) + _network(place, directory)


def _watch(place: OperatorPlace, penalties: str) -> str:
    if not penalties:
        return ""
    lines = ["", "[watch]", f'penalties = "{penalties}"']
    if place.proves:
        lines += [f'gas_keyfile = "{place.folder / WATCH_KEY}"', f'passphrase_env = "{settings.GAS_PASSPHRASE_ENV}"']
    lines += ["", "[keeper]", "on = false  # the story has these calls made by people, each at its moment"]
    return "\n".join(lines) + "\n"


def _rewards(place: OperatorPlace, contract: str) -> str:
    if not contract:
        return ""
    lines = ["", "[rewards]", f'contract = "{contract}"', f"attempt_s = {_ATTEMPT_S}", f"stage_s = {_ATTEMPT_S}"]
    if place.posts:
        lines += [f'gas_keyfile = "{place.folder / REWARDS_KEY}"', f'passphrase_env = "{settings.GAS_PASSPHRASE_ENV}"']
    return "\n".join(lines) + "\n"


def _network(place: OperatorPlace, directory: str) -> str:
    lines = ["", "[network]", f'keyfile = "{place.folder / "network.key"}"']
    if place.listen:
        lines += [f'listen = "{place.listen}"', f'url = "{place.scheme}://{place.listen}"']
    if directory:
        lines.append(f'directory = "{directory}"')
    for contact in place.contacts:
        lines += ["", f"[network.peers.{contact.name}]", f'address = "{contact.address}"']
        if contact.url:
            lines.append(f'url = "{contact.url}"')
        if contact.certificate:
            lines.append(f'certificate = "{contact.certificate}"')
    return "\n".join(lines) + "\n"
