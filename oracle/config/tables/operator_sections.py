"""[[operators]] and [targets.NAME]: who signs in this process, and the stores that it pushes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from feeds.secret_refs import is_ref
from oracle.config.tables.forms import http_url, raw_address, signer_url
from oracle.model.keys import key, required
from oracle.runtime.cron import cron_expression

_MOST_POKES = 16
_MOST_CRONS = 16
_KEYS_DOC = "[keys](push.md#keys)"
_CRON_DOC = "[at set times](push.md#at-set-times)"
_BACKUP_DOC = "[a backup](push.md#a-backup)"
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSignerSection:
    """A key that is in no keyfile: the same of an operator's report key and of a target's gas key."""

    signer_url: str | None = key(
        None,
        "instead of a keyfile: where the key is, with `signer_address`: URL of a remote signer, `pkcs11:` URI of a key in a"
        " token, or `kms://REGION/KEY`",
        form=signer_url,
        beside="signer_address",
        see=_KEYS_DOC,
    )
    signer_address: str | None = key(
        None, "address of the key that is there, with `signer_url`", form=raw_address, beside="signer_url"
    )
    signer_ca: str | None = key(
        None,
        "of an https:// signer: file (PEM) of the authority whose certificates are believed; none: those that this machine"
        " trusts",
        beside="signer_url",
    )
    signer_certificate: str | None = key(
        None,
        "file (PEM) of the certificate that is shown to an https:// signer, with `signer_private_key`; read anew once it"
        " was renewed",
        beside="signer_private_key",
    )
    signer_private_key: str | None = key(
        None, "file (PEM, without a passphrase) of that certificate's key", beside="signer_certificate"
    )

    def remote_problems(self) -> Iterator[tuple[str, str]]:
        """Files of TLS beside a signer that is not asked over TLS."""
        url = self.signer_url
        if url is None or is_ref(url) or url.lower().startswith("https://"):
            return
        for name in ("signer_ca", "signer_certificate"):
            if getattr(self, name) is not None:
                yield name, "is for a signer that is asked over TLS: write https:// in signer_url, or leave it out"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSection(RemoteSignerSection):
    """[[operators]]: one signer in this process. Its key is a keyfile, or one that is elsewhere."""

    name: str = field(metadata=required("unique"))
    journal: str = field(
        metadata=required("file of all that its key has signed; unique to the key, and the only one", see=_BACKUP_DOC)
    )
    keyfile: str | None = key(None, "encrypted report key: it has stake and no funds")
    shared_journal: bool = key(
        default=False, says="another process on this machine signs with the same key and writes to the same journal"
    )
    passphrase_env: str = key(
        "LRT_ORACLE_PASSPHRASE",
        "environment variable with the keyfile's passphrase, or with `_FILE` behind it a file with it; unset: the operator signs"
        " nothing",
    )
    without: tuple[str, ...] = key(
        (),
        "sources or groups that this operator does not use. Those that can still reach a feed's `min_groups` must have the"
        " store's threshold, else `check` refuses it",
    )
    bound_bps: int = key(100, "how far an agreed price may lie from the operator's own", least=0)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if (self.keyfile is None) == (self.signer_url is None):
            yield "keyfile", "an operator has one key: write keyfile, or signer_url and signer_address"
        yield from self.remote_problems()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSection(RemoteSignerSection):
    """[targets.NAME]: a PriceStore to push to. The gas key has no authority."""

    chain: str = field(metadata=required("a `[chains.*]`"))
    store: str = field(metadata=required("address of the PriceStore", form=raw_address))
    gas_keyfile: str | None = key(
        None,
        "encrypted key that pays and has no authority; not a report key, nor another target's on the same chain. None: a"
        " dry run",
    )
    passphrase_env: str = key("LRT_ORACLE_GAS_PASSPHRASE", "environment variable with the keyfile's passphrase")
    max_push_age_s: int = key(60, "a batch older than this is refused, as in the store", least=1)
    max_fee_gwei: int = key(500, "never pay more than this for a unit of gas", least=0)
    tip_percentile: int = key(
        60, "the tip that this share of gas in recent blocks was content with", least=0, most=_PERCENT
    )
    bump_after_s: int = key(
        15,
        "raise both fees of a push that two blocks have left out by an eighth, and again after as long; without blocks it"
        " is sent again as it is",
        least=1,
    )
    confirmations: int = key(
        12,
        "how deep a push, or the report of an epoch, must be before it is no longer looked at; more than the deepest"
        " reorganisation",
        least=1,
    )
    agree: int = key(
        0,
        "endpoints that must answer the same before it is believed, no more than the chain has; 0: a majority of three or"
        " more, else one",
        least=0,
    )
    offset_s: int = key(0, "for a backup: push only what has been due for this long", least=0, see=_BACKUP_DOC)
    stage_s: int = key(
        0,
        "with `[network]`: how long another operator that pays is waited for before this one pushes; 0: one and a half blocks"
        " of the chain, half of `round_interval_s` at least",
        least=0,
        see="[several payers](push.md#several-operators-that-pay)",
    )
    spread_bps: int = key(100, "a spread wider by this than the store's is due; 0: never", least=0)
    peg_bps: int = key(
        25, "within 5 % of the peg, a discount changed by this and by `peg_percent` of itself is due; 0: never", least=0
    )
    peg_percent: int = key(
        50,
        "within 5 % of the peg, the share of itself by which a discount must change to be due",
        least=0,
        most=_PERCENT,
    )
    early_percent: int = key(
        50,
        "a feed this far to any of its thresholds rides in a batch that is made anyway; 0: none does",
        least=0,
        most=_PERCENT,
    )
    gas_per_day: int = key(
        0,
        "gas of one feed in 24 h; beyond it only status, first price, cron and heartbeat are pushed; 0: no limit",
        least=0,
    )
    cron: tuple[str, ...] = key(
        (),
        f"cron expressions of five fields in UTC, at most {_MOST_CRONS}: at each of their times a price of that time is due",
        form=cron_expression,
        see=_CRON_DOC,
    )
    cron_by_feed: tuple[tuple[str, tuple[str, ...]], ...] = key(
        (), "the same for single feeds, in place of `cron`; `[]`: none", form=cron_expression, see=_CRON_DOC
    )
    warn_pushes: int = key(100, "warn when the gas key can pay for fewer pushes than this", least=0)
    pokes: tuple[str, ...] = key(
        (),
        f"addresses of `ModeView`s of mode 4 over the store, at most {_MOST_POKES}, poked in the transaction that turns"
        " their ramp",
        form=raw_address,
        see="[pokes](push.md#pokes)",
    )
    relays: tuple[str, ...] = key(
        (),
        "private relays: transactions are sent to these instead of to the chain's endpoints, which are only read then. One"
        " that does not answer `eth_chainId` gets none",
        form=http_url,
        see="[private relays](push.md#somebody-elses-copy)",
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        for name, listed in (("cron", self.cron), *((f'cron_by_feed."{f}"', own) for f, own in self.cron_by_feed)):
            if len(listed) > _MOST_CRONS:
                yield (
                    name,
                    f"{len(listed)} expressions, at most {_MOST_CRONS}: one may name many times, as 0,30 8-16 * * *",
                )
        if self.signer_address is not None and self.gas_keyfile is not None:
            yield "gas_keyfile", "gas_keyfile and signer_url are two keys: write one of them"
        yield from self.remote_problems()
        views = [raw_address(v) for v in self.pokes]
        if len(views) > _MOST_POKES:
            yield "pokes", f"{len(views)} views, at most {_MOST_POKES} fit into a push; poke the others yourself"
        if len(set(views)) < len(views):
            yield "pokes", "a view is listed twice"
        if raw_address(self.store) in views or bytes(20) in views:
            yield "pokes", "write the addresses of ModeViews over the store, not the store's own and not zero"
