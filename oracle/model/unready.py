"""Why a process is not ready, in a small set of words: they label a metric, while the sentences beside them are for people."""

from __future__ import annotations

from enum import StrEnum


class Unready(StrEnum):
    """What keeps a process, or one of its targets, from being ready. A word is never renamed: alarms go by it."""

    NO_ROUNDS = "no_rounds"
    """No round for three intervals."""
    NO_ROUND_YET = "no_round_yet"
    """None since the start of this process."""
    HELD = "held"
    """No round is made: the clock, most often."""
    NO_PRICE_YET = "no_price_yet"
    """A feed has had none yet."""
    ABSTAINS = "abstains"
    """A feed has no price in the newest round."""
    NOT_CONNECTED = "not_connected"
    """A target's operators are not in its signer set, or its store was not read yet."""
    CHAIN_UNSEEN = "chain_unseen"
    """A target's chain was not read for too long."""
    GAS_KEY_CLOSED = "gas_key_closed"
    """The passphrase of a target's gas key was not given."""
    NO_QUORUM = "no_quorum"
    """Those that sign for a target have too little weight."""
    NO_GAS = "no_gas"
    """A target's gas key cannot pay for a push."""
    LATE_ON_CHAIN = "late_on_chain"
    """A target's store should hold a newer round."""
