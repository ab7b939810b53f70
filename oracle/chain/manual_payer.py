"""Who pays for a transaction that is asked for by hand, so that nobody's queue of nonces is disturbed by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.chain.store_client import GasSigner
from oracle.config.check_keys import payer_address, report_key
from oracle.config.sections import Config
from oracle.sign import keyfiles
from oracle.sign.key_lock import DatabaseInUse, sole_writer
from oracle.sign.remote.open_key import opened_key

_ANOTHER = "give --keyfile PATH of another key with ether"


class NoGasKey(LrtOracleError, RuntimeError):
    """Nobody here can pay now: why, and what to do."""


class ManualPayer:
    """The key that pays: that of a target, or another one that is named.

    Args:
        config: the checked config.
        name: of the target.
        environ: where passphrases are.
        other: keyfile of another key, and the variable of its passphrase; None for the target's own gas key.

    Raises:
        NoGasKey: the target has none, or the other one is a report key or another target's.
        KeyfileError: its keyfile does not open.
    """

    def __init__(
        self, config: Config, name: str, environ: Mapping[str, str], other: tuple[Path, str] | None = None
    ) -> None:
        self._config, self._name = config, name
        target = config.targets[name]
        self.signer: GasSigner
        if other is not None:
            self.signer = keyfiles.LocalSigner(keyfiles.load(*other, environ))
        elif target.signer_url is None and target.gas_keyfile is None:
            raise NoGasKey(f"targets.{name} has no gas key: give --keyfile PATH of any key with ether")
        else:
            self.signer = opened_key(target, target.gas_keyfile, environ)
        address = self.signer.address.hex()
        self.is_own = other is None or address == payer_address(target)
        """Whether it is the target's own gas key, whose queue is that of its database."""
        if not self.is_own:
            self._check(address)

    def _check(self, address: str) -> None:
        """The queue of another target must not be disturbed, and a report key has no ether."""
        config = self._config
        users = {payer_address(t): f"the gas key of target {n!r}" for n, t in config.targets.items()}
        users |= {report_key(o): f"the report key of operator {o.name!r}" for o in config.operators}
        if address in users:
            raise NoGasKey(f"0x{address} is {users[address]}: {_ANOTHER}")

    @contextmanager
    def queue(self) -> Iterator[None]:
        """Where it is the target's own key: as long as no process uses its queue, and none comes meanwhile.

        Raises:
            NoGasKey: one does.
        """
        with ExitStack() as held:
            if self.is_own:
                try:
                    held.enter_context(sole_writer(self._config.oracle.database))
                except DatabaseInUse as e:
                    raise NoGasKey(
                        f"the gas key of {self._name} has one queue, and a process uses it ({e}): {_ANOTHER}, as anybody may"
                        " carry this"
                    ) from None
            yield
