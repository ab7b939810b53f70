"""Keys that are elsewhere: whether they sign, by one signature of each that is worth nothing anywhere.

A look at a list of keys would not do: a token lists keys that its rules let nobody use, a cloud answers who may read a key and
not sign, a signer may be limited to what it is meant for. So each key signs something of the form that it really will: a report
key typed data of its store's domain, of a type that no contract and no operator takes; a gas key a transaction that no chain
takes, for three reasons (its nonce is the one that EIP-2681 rules out, it has no gas, and it offers nothing). Neither leaves
this process. It is safe at any time: it is no statement, so it can contradict none, and the journal needs no line of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from feeds.secret_refs import is_ref
from feeds.secret_values import SecretMissing
from oracle.chain.transaction import Fees, Unsigned
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import OperatorSection, RemoteSignerSection
from oracle.config.tables.providers import LOOPBACK, plain_host
from oracle.config.tables.schema import Problem
from oracle.sign.eip712 import Domain, check_preimage, typed_data_prefix
from oracle.sign.remote.mutual_tls import TlsFiles
from oracle.sign.remote.open_key import PATIENCE_MS, open_key, remote_report_key_ms
from oracle.sign.remote.remote_key import SignerError

_NO_STORE = Domain(chain_id=0, store=bytes(20))
_NO_NONCE = (1 << 64) - 1
_SOON_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteKeySection:
    """A section of the config whose key is elsewhere.

    Attributes:
        where: of the section in the config, such as ``operators.alpha``.
        name: for notes, such as ``operator alpha``.
        section: as it is in the config.
        preimage: what it is asked to sign.
        limit_ms: how long it has in production.
    """

    where: str
    name: str
    section: RemoteSignerSection
    preimage: bytes
    limit_ms: int

    @property
    def url(self) -> str:
        """Where the key is, as it stands in the config."""
        return str(self.section.signer_url)


def remote_key_sections(config: Config) -> Iterator[RemoteKeySection]:
    """Every section whose key is elsewhere."""
    domains = _domains(config)
    for operator in config.operators:
        if operator.signer_url is not None:
            yield RemoteKeySection(
                where=f"operators.{operator.name}",
                name=f"operator {operator.name}",
                section=operator,
                preimage=check_preimage(next(iter(domains.values()), _NO_STORE)),
                limit_ms=remote_report_key_ms(config.oracle.round_interval_s),
            )
    for name, target in config.targets.items():
        if target.signer_url is not None:
            yield RemoteKeySection(
                where=f"targets.{name}",
                name=f"target {name}",
                section=target,
                preimage=impossible_transaction(domains[name].chain_id).preimage,
                limit_ms=PATIENCE_MS,
            )


def impossible_transaction(chain_id: int) -> Unsigned:
    """A transaction that no block of any chain can hold."""
    no_fees = Fees(tip_wei=0, max_wei=0)
    return Unsigned(chain_id=chain_id, nonce=_NO_NONCE, fees=no_fees, gas=0, to=bytes(20), data=b"")


def _domains(config: Config) -> dict[str, Domain]:
    return {
        name: Domain(chain_id=config.chains[t.chain].chain_id, store=raw_address(t.store))
        for name, t in config.targets.items()
    }


# --- without asking -----------------------------------------------------------------------------------------------------


def remote_key_file_problems(config: Config) -> Iterator[Problem]:
    """Files of TLS that cannot be used: the key would not sign."""
    for key in remote_key_sections(config):
        section = key.section
        files = TlsFiles(
            authority=section.signer_ca,
            certificate=section.signer_certificate,
            private_key=section.signer_private_key,
        )
        if files == TlsFiles():
            continue
        try:
            files.context()
        except SignerError as e:
            named, _, text = str(e).partition(": ")
            yield Problem(f"{key.where}.{named.partition(',')[0]}", text)


def remote_key_notes(config: Config) -> Iterator[str]:
    """What is not wrong with keys that are elsewhere and should be known."""
    for key in remote_key_sections(config):
        if not is_ref(key.url) and key.url.lower().startswith("http://") and plain_host(key.url) != LOOPBACK:
            yield (
                f"{key.name}: its signer is asked without TLS: whoever is on the way can have anything signed; write https://"
            )
        yield from _ending(key)
        if isinstance(key.section, OperatorSection):
            for target, domain in _domains(config).items():
                prefix = typed_data_prefix(domain).hex()
                yield f"{key.name}: all that it signs for target {target} begins with 0x{prefix}: limit its signer to that"


def _ending(key: RemoteKeySection) -> Iterator[str]:
    path = key.section.signer_certificate
    if path is None:
        return
    try:
        ends = x509.load_pem_x509_certificate(Path(path).read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return  # a problem of its own
    days = (ends - datetime.now(UTC)).days
    if 0 <= days < _SOON_DAYS:
        yield f"{key.name}: signer_certificate ends on {ends:%Y-%m-%d}: renew it; a new file is read without a restart"


# --- asking -------------------------------------------------------------------------------------------------------------


async def remote_key_findings(config: Config, environ: Mapping[str, str]) -> tuple[list[Problem], list[str]]:
    """Ask every key that is elsewhere for a signature that is worth nothing; problems and notes.

    Args:
        config: the checked config.
        environ: where secrets and AWS credentials are.
    """
    found = await asyncio.gather(*(_asked(key, environ) for key in remote_key_sections(config)))
    return [f for f in found if isinstance(f, Problem)], [f for f in found if isinstance(f, str)]


async def _asked(key: RemoteKeySection, environ: Mapping[str, str]) -> Problem | str:
    loop = asyncio.get_running_loop()
    try:
        signer = open_key(key.section, environ)
    except (SecretMissing, ValueError) as e:
        return Problem(f"{key.where}.signer_url", str(e))
    if signer is None:
        return Problem(f"{key.where}.signer_address", "is not there: write the address of the key")
    try:
        began = loop.time()
        await signer.sign(key.preimage)
        took_ms = round((loop.time() - began) * 1_000)
    except SignerError as e:
        return Problem(f"{key.where}.signer_url", str(e))
    finally:
        await signer.close()
    late = f", and a round waits {key.limit_ms} ms: look for why" if took_ms > key.limit_ms else ""
    return (
        f"{key.name}: {signer.name} signs for 0x{signer.address.hex()}; with all before it that took {took_ms} ms{late}"
    )
