"""Who may do what above and around a set by stake, by what its contracts say. Pure.

`FUNCTIONS` names every function of the stake contracts that not everybody may call. It is held to the contracts' sources by a test,
and so is docs/trust.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from feeds.chains.abi import checksummed
from oracle.stake.secured.price import PriceSecurity

_SOURCES = ("DelegatedStake", "SymbioticStake", "EigenStake")
_CONNECTED = ("StakedSet", "KeyBook", *_SOURCES)
TIMELOCK, ARBITER, PENALTIES, REWARDS, SOURCES, MAKER = (
    "timelock of the set",
    "arbiter of penalties",
    "penalties",
    "rewards",
    "sources of stake",
    "maker of the stake contracts",
)
ALLOCATIONS, VAULT_LIST, ITSELF, THE_SET = (
    "EigenLayer's AllocationManager",
    "list of Symbiotic's vaults",
    "Symbiotic's source itself",
    "the set itself",
)
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    TIMELOCK: ("StakedSet.govern", "StakedSet.startMigration", "StakedSet.finishMigration"),
    ARBITER: ("Penalties.giveBack",),
    PENALTIES: (
        "StakedSet.jail", "KeyBook.retire", *(f"{s}.{f}" for s in _SOURCES for f in ("seize", "restore", "take")),
    ),
    REWARDS: ("StakedSet.jailAbsent", *(f"{s}.reward" for s in _SOURCES)),
    SOURCES: ("StakedSet.joinFor", "StakedSet.leaveFor", "KeyBook.setKeyFor"),
    MAKER: tuple(f"{c}.connect" for c in _CONNECTED),
    ALLOCATIONS: ("EigenStake.registerOperator", "EigenStake.deregisterOperator"),
    VAULT_LIST: ("SymbioticStake.adopt",),
    ITSELF: ("SymbioticStake.distribute",),
    THE_SET: ("StakeWindows.freeze", "StakeWindows.look", "StakeWindows.open"),
}  # fmt: skip
"""By role, as Contract.function."""

RoleRow = tuple[str, str, str, int, str]
"""Role, who has it, power, delay in seconds, worst."""


def stake_roles(security: PriceSecurity) -> Iterator[RoleRow]:
    """One row each."""
    facts, terms = security.facts, security.facts.terms
    governance, penalties, system = facts.governance, facts.penalties, facts.system
    key = "a plain key" if governance.timelock_is_key else "a contract"
    worst = (
        f"every token in halt at once; another owner, and so any price, {terms.migrate_delay_s} s after it said so: so long everybody"
        f" has to leave, and what was signed before answers for {terms.answer_s} s"
    )
    who = f"{checksummed(_raw(governance.timelock))} ({key})"
    power = "register, pause and resume tokens and name the guardian; hand the store to another owner"
    yield TIMELOCK, who, power, terms.migrate_delay_s, worst
    if governance.migrates_to is not None and governance.migrates_at_s is not None:
        yield (
            "owner that was announced", checksummed(_raw(governance.migrates_to)), "become the store's owner",
            max(0, governance.migrates_at_s - facts.time_s), "its own signers, and so any price, from then on",
        )  # fmt: skip
    yield (
        ARBITER, "nobody" if penalties.arbiter is None else checksummed(_raw(penalties.arbiter)), "give a penalty back", 0,
        f"let a liar keep its stake, within {penalties.dispute_s} s",
    )  # fmt: skip
    yield (
        PENALTIES, checksummed(_raw(system.penalties)), "jail operators and retire keys; put stake aside, take it, give it back", 0,
        "nothing without two words that one operator signed: it has no owner",
    )  # fmt: skip
    yield (
        REWARDS, checksummed(_raw(system.rewards)), "jail who was absent; hand rewards to the sources", 0,
        f"by a report that weight T signed, weight W - T in jail for {facts.rewards.absence_jail_s} s: it has no owner",
    )  # fmt: skip
    listed = ", ".join(checksummed(_raw(s.at)) for s in system.sources)
    yield (
        SOURCES, listed, "say stake; make its operators candidates and set their keys, by their own consent", 0,
        "stake that is not there, or none: they were named at deployment and nobody changes them",
    )  # fmt: skip


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])
