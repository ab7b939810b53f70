"""Whether a store's threshold lets independent operators agree, and which operators are one party. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.config.sections import Config
from oracle.config.tables.schema import Problem
from oracle.model.agreement_bounds import bounds_text, is_too_low, least_threshold
from oracle.sign.messages import SignerSet


def bound_problems(config: Config, target: str, signers: SignerSet, *, coming: bool = False) -> Iterator[Problem]:
    """A threshold of two thirds or less, where this process is one operator among others.

    Args:
        config: the checked config.
        target: its name.
        signers: of its store.
        coming: it is the set that is to follow.
    """
    total = sum(signers.weights)
    if config.network is None or not is_too_low(total, signers.threshold, sum(w > 0 for w in signers.weights)):
        return
    which = f"the set that is to come (epoch {signers.epoch})" if coming else "the store's set"
    yield Problem(
        f"targets.{target}",
        f"the threshold of {which} is too low for independent operators: {bounds_text(total, signers.threshold)}. More than"
        f" two thirds are needed: have the owner call setSigners with a threshold of at least {least_threshold(total)}",
    )


def bound_notes(config: Config, target: str, signers: SignerSet) -> Iterator[str]:
    """What holds of a store whose operators are independent."""
    total = sum(signers.weights)
    if config.network is not None and sum(w > 0 for w in signers.weights) > 1 and signers.threshold > total * 2 // 3:
        yield f"target {target}: {bounds_text(total, signers.threshold)}"


def one_party_notes(config: Config) -> Iterator[str]:
    """Several operators of one process are one party, however many keys they have."""
    if config.network is None and len(config.operators) > 1:
        names = ", ".join(o.name for o in config.operators)
        yield (
            f"operators {names} are keys of one process: one party, which one machine, one fault or one thief takes whole;"
            " independent operators each have a process of their own with [network]"
        )
