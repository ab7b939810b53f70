"""Whether the files and addresses of [network] let others reach this operator, as far as this machine alone can tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from oracle.config.sections import Config
from oracle.config.tables.forms import is_every_address, listen_at
from oracle.config.tables.network_sections import NetworkSection
from oracle.config.tables.schema import Problem
from oracle.network.mesh.certificates import BadCertificate, from_files
from oracle.network.mesh.network_key import NetworkKeyError, load_or_make

_OTHERS = 0o077
_TLS_PORT, _PLAIN_PORT = 443, 80


def network_file_problems(config: Config) -> Iterator[Problem]:
    """Files of [network] with which the process would not start."""
    network = config.network
    if network is None:
        return
    if network.certificate is not None and network.private_key is not None:
        try:
            from_files(Path(network.certificate), Path(network.private_key))
        except BadCertificate as e:
            yield Problem("network.certificate", str(e))
    path = Path(network.keyfile)
    try:
        if path.exists():
            load_or_make(path)
        elif not _can_be_made(path):
            yield Problem("network.keyfile", f"{path} does not exist and cannot be made: choose a folder of this user")
    except NetworkKeyError as e:
        yield Problem("network.keyfile", str(e))
    except OSError as e:
        yield Problem("network.keyfile", f"{path} cannot be read: {e.strerror}")


def _can_be_made(path: Path) -> bool:
    folder = next(p for p in path.absolute().parents if p.exists())
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def network_notes(config: Config) -> Iterator[str]:
    """What need not be wrong about how others reach this operator, and should be known."""
    network = config.network
    if network is None:
        return
    if network.url is not None and network.listen is not None:
        yield from _reach_notes(network, network.url, network.listen)
    if network.listen is None and network.directory is None and not any(p.url for p in network.peers.values()):
        yield (
            "network: this operator listens nowhere and knows nobody to dial: write listen and url, network.directory, or the"
            " url of another operator into [network.peers]"
        )


def _reach_notes(network: NetworkSection, url: str, listen: str) -> Iterator[str]:
    parts, (host, port) = urlsplit(url), listen_at(listen)
    outside = parts.hostname or ""
    if (kind := _near(outside)) is not None:
        yield f"network.url: {outside} is {kind}: operators elsewhere cannot dial it"
    elif _near(host) == _HERE and not network.behind_proxy:
        yield f"network.listen: {host} is {_HERE}: only what runs here and forwards can bring others to it"
    dialled = parts.port or (_TLS_PORT if parts.scheme == "wss" else _PLAIN_PORT)
    if dialled != port and not network.behind_proxy:
        yield f"network: others dial port {dialled}, this process listens at port {port}: the router must forward the one to the other"


_HERE = "an address of this machine alone"


def _near(host: str) -> str | None:
    """What is said of an address that not everybody can dial; None for a name or any other address."""
    if host == "localhost":
        return _HERE
    try:
        at = ip_address(host)
    except ValueError:
        return None
    if at.is_loopback:
        return _HERE
    return "an address of a private network" if at.is_private and not is_every_address(host) else None


def key_file_notes(config: Config) -> Iterator[str]:
    """Secrets that other users of this machine may read, and journals that are not there."""
    secrets = [f for o in config.operators for f in (o.keyfile, o.signer_private_key)]
    secrets += [f for t in config.targets.values() for f in (t.gas_keyfile, t.signer_private_key)]
    secrets += [config.network.private_key] if config.network is not None else []
    for path in (Path(s) for s in dict.fromkeys(secrets) if s is not None):
        if path.is_file() and path.stat().st_mode & _OTHERS:
            yield f"others may read {path}: run chmod 600 {path}"
    for operator in config.operators:
        keyfile, journal = operator.keyfile, Path(operator.journal)
        if not journal.exists() and not operator.shared_journal and (keyfile is None or Path(keyfile).is_file()):
            yield (
                f"operator {operator.name}: {journal} does not exist, so nobody knows what its key has signed: it is made, and"
                " signs nothing until that can no longer matter. Put the journal of this key there if there is one"
            )
