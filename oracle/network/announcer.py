"""Announce this operator in the directory of its home store: made of the config, signed by the report key, sent by any key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from feeds.chains.abi import checksummed
from feeds.errors import LrtOracleError
from oracle.agree.terms import PROTOCOL_VERSION
from oracle.chain.directory import NAME, Directory, DirectoryEntry, Silence
from oracle.chain.manual_payer import ManualPayer
from oracle.chain.next_signers import read_next_set
from oracle.chain.rpc_answers import Receipt
from oracle.chain.store_client import GasSigner, StoreClient, StoreRefuses
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.network_sections import NetworkSection
from oracle.network.announcement_shown import MadeAnnouncement, MembersEntries
from oracle.network.mesh.certificates import from_files
from oracle.network.mesh.network_key import load_or_make
from oracle.runtime.clock import now_ms
from oracle.sign.announcement import Announcement, announcement_preimage, signed_announcement
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.sign.remote.open_key import key_in_use
from oracle.sign.remote.remote_key import compact_of

MADE_AT_START = bytes(32)
"""The certificate's hash where one is made at each start: no certificate has it, and the hello of the process says the true one."""
_POLL_S, _POLLS = 1.0, 180
_MADE_AT_START_NOTE = (
    "a certificate is made at each start, so its hash is not announced here: others learn it from this process's first"
    " hello. With a certificate of your own (network.certificate) they know it beforehand"
)


class AnnounceError(LrtOracleError, RuntimeError):
    """This operator cannot be announced as asked: why, and what to do."""


class NoDirectory(AnnounceError):
    """The config names no directory to announce in: what to write."""


class Announcer:
    """The operator of a config with [network].

    Args:
        config: the checked config.
        environ: where passphrases are.

    Raises:
        NoDirectory: there is no [network], or no directory in it.
    """

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        if config.network is None:
            raise NoDirectory(
                "there is no [network] in the config: write it, with the directory that announcements go to"
            )
        if config.network.directory is None:
            raise NoDirectory(
                f"there is no network.directory in the config: write the address of the {NAME} on the store's chain, which"
                " `lrt-oracle deploy --directory` makes. Without one there is nothing to announce: others learn of this operator"
                " when it dials them"
            )
        self._config, self._environ = config, environ
        self._network: NetworkSection = config.network
        self._name = config.network.home or next(iter(config.targets))
        self._target = config.targets[self._name]
        chain = config.chains[self._target.chain]
        self._endpoints = chain.endpoints
        self._domain = Domain(chain_id=chain.chain_id, store=raw_address(self._target.store))
        self._directory = raw_address(config.network.directory)

    async def show(self) -> MembersEntries:
        """What the directory says of each member, of the set that is to come too.

        Raises:
            ChainError: too few endpoints agree on who the members are.
        """
        client = self._client(self._domain.store, None)
        try:
            weights = await _members(client)
            entries = await Directory(client.nodes, self._directory, self._domain).read(tuple(weights))
        finally:
            await client.close()
        return MembersEntries(directory=self._directory, domain=self._domain, weights=weights, entries=entries)

    async def make(self) -> MadeAnnouncement:
        """Make and sign the announcement.

        Raises:
            AnnounceError: there is not one operator with a key here, or what the directory has of it cannot be read.
            ChainError: too few endpoints agree.
            KeyfileError, SignerError, NetworkKeyError, BadCertificate: the keys or the certificate cannot be used.
        """
        network = self._network
        if len(self._config.operators) != 1:
            raise AnnounceError(f"there are {len(self._config.operators)} [[operators]]: one announces itself")
        said, notes = self._said(network), []
        if said.certificate == MADE_AT_START:
            notes.append(_MADE_AT_START_NOTE)
        if not said.urls:
            notes.append("it listens nowhere, and only dials: no address is announced, its network key is")
        section = self._config.operators[0]
        async with key_in_use(section, section.keyfile, self._environ) as key:
            known, is_member = await self._known(key.address)
            if not is_member:
                notes.append(
                    f"{checksummed(key.address)} is in no signer set of the store: nobody asks for its word yet"
                )
            said = replace(said, counter=_next_counter(said, known.counter))
            compact = compact_of(await key.sign(announcement_preimage(self._domain, said)))
            signed = signed_announcement(key.address, said, compact)
        same = known.signed is not None and replace(known.signed.said, counter=said.counter) == said
        return MadeAnnouncement(
            directory=self._directory, domain=self._domain, signed=signed, unchanged=same, notes=tuple(notes)
        )

    async def send(self, made: MadeAnnouncement, other: tuple[Path, str] | None) -> tuple[Receipt, str]:
        """Send it, and wait until it is in a block; the receipt, and the transaction's hash.

        Args:
            made: what to send.
            other: keyfile of another key that pays, and the variable of its passphrase; None for the target's gas key.

        Raises:
            NoGasKey: nobody here can pay now.
            AnnounceError: the directory would not take it, or it came to nothing.
            ChainError: the chain does not answer, or a transaction costs more than it may.
        """
        payer = ManualPayer(self._config, self._name, self._environ, other)
        with payer.queue():
            client = self._client(self._directory, payer.signer)
            try:
                return await _sent(client, made.calldata)
            finally:
                await client.close()

    def _said(self, network: NetworkSection) -> Announcement:
        """Everything but the counter."""
        certificate = b""
        if network.certificate is not None and network.private_key is not None:
            certificate = from_files(Path(network.certificate), Path(network.private_key)).sha256
        elif network.has_tls:
            certificate = MADE_AT_START
        return Announcement(
            counter=0,
            network_key=address_of(load_or_make(Path(network.keyfile))),
            urls=(network.url,) if network.url is not None else (),
            certificate=certificate,
            versions=(PROTOCOL_VERSION,),
        )

    async def _known(self, own: bytes) -> tuple[DirectoryEntry, bool]:
        client = self._client(self._domain.store, None)
        try:
            members = await _members(client)
            entry = (await Directory(client.nodes, self._directory, self._domain).read([own]))[own]
        finally:
            await client.close()
        if entry.silence is Silence.CHAIN:
            raise AnnounceError(f"what the directory has of this operator cannot be read: {entry.text}")
        return entry, own in members

    def _client(self, contract: bytes, signer: GasSigner | None) -> StoreClient:
        target, domain = self._target, replace(self._domain, store=contract)
        return StoreClient(
            self._endpoints, domain, signer, max_fee_gwei=target.max_fee_gwei, agree=target.agree,
            tip_percentile=target.tip_percentile,
        )  # fmt: skip


def _next_counter(said: Announcement, known: int) -> int:
    """Above what the directory has. Without the certificate's hash it stays below what a running process says of itself."""
    return known + 1 if said.certificate == MADE_AT_START else max(now_ms(), known + 1)


async def _members(client: StoreClient) -> dict[bytes, int]:
    """Members of the present set and of the one to come, with the weight of the newest that they are in."""
    head = await client.head()
    sets: list[SignerSet] = [await client.connect(head.number)]
    coming = await read_next_set(client, head.number)
    if coming is not None:
        sets.append(coming.signers)
    return {a: w for one in sets for a, w in zip(one.signers, one.weights, strict=True)}


async def _sent(client: StoreClient, calldata: bytes) -> tuple[Receipt, str]:
    _, nonce = await client.view()
    try:
        transaction = await client.prepare(calldata, nonce)
    except StoreRefuses as e:
        raise AnnounceError(
            f"the directory would not take it: {e.name}; run this again to see what it has now"
        ) from None
    said = await client.broadcast(transaction.raw)
    for _ in range(_POLLS):
        await client.head()
        receipt = await client.receipt(transaction.tx_hash)
        if receipt is not None and receipt.succeeded:
            return receipt, transaction.tx_hash
        if receipt is not None:
            raise AnnounceError(f"{transaction.tx_hash} reverted: another announcement came first; run this again")
        await asyncio.sleep(_POLL_S)
    text = f" ({said.text})" if said.text else ""
    raise AnnounceError(
        f"{transaction.tx_hash} is in no block after {_POLLS} s{text}: run this with --show, then again"
    )
