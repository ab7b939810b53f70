"""The steps of what a restaker asks for at a pool: delegating, asking back, withdrawing; amounts are in the pool's token."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode

from oracle.chain.store_abi import selector
from oracle.stake.amounts import TokenUnit, asked, token_unit
from oracle.stake.discover import SourceKind, StakeSystem
from oracle.stake.hand import StakeStep
from oracle.stake.moments import moment, units
from oracle.stake.plans import NothingToDo, own_step
from oracle.stake.reads import StakeReads


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the account has with an operator, and the operator's pool."""

    shares: int
    tokens: int
    value: int
    leaving: int
    opens_s: int
    closes_s: int
    pool_tokens: int
    pool_shares: int
    open_cases: int


class PoolPlanner:
    """Plans of one account at the delegated sources.

    Args:
        reads: the chain.
        system: the contracts.
        account: address in hex that acts.
    """

    def __init__(self, reads: StakeReads, system: StakeSystem, account: str) -> None:
        self._reads, self._system, self._account = reads, system, account
        self._now_s = reads.head.time_s

    def pool(self, source: str | None) -> str:
        """The delegated source: the one that is named, or the only one.

        Raises:
            NothingToDo: there is none, or several.
        """
        found = [s.at for s in self._system.of_kind(SourceKind.DELEGATED)]
        if source is not None and source in found:
            return source
        if len(found) != 1 or source is not None:
            listed = ", ".join(found) or "none: its stake is delegated elsewhere, see `stake status`"
            raise NothingToDo(f"name the pool with --source; this set has {listed}")
        return found[0]

    async def unit(self, source: str) -> TokenUnit:
        """What amounts are written in there."""
        (token,) = await self._reads.call(source, "DelegatedStake", "token")
        return await token_unit(self._reads, token)

    async def delegate(self, source: str, operator: str, amount: str) -> list[StakeStep]:
        """Approve and deposit.

        Raises:
            NothingToDo: nobody can delegate to the operator now, or the account has less.
            ValueError: the amount is none.
            ChainError: endpoints do not answer or agree; so does each function here.
        """
        reads, me = self._reads, self._account
        unit = await self.unit(source)
        wanted = asked(amount, unit)
        (pool,), (window_s,) = (
            await reads.call(source, "DelegatedStake", "poolOf", operator),
            await reads.call(source, "DelegatedStake", "windowS"),
        )
        if not pool[8]:
            raise NothingToDo(f"{operator} is not enrolled at {source}: `stake join` does it")
        if pool[6]:
            raise NothingToDo(f"a case of {operator} is open: deposits wait until it is over")
        purse = await reads.of_token(unit.address, "balanceOf", "uint256", me) or 0
        wanted = purse if wanted is None else wanted
        if purse < wanted or not wanted:
            wraps = (
                "; divETH is wrapped at the token first: approve, then wrap(shares)" if unit.symbol == "wdivETH" else ""
            )
            less = f", less than {units(wanted, unit.digits)}" if wanted else ""
            raise NothingToDo(f"{me} has {unit.text(purse)}{less}{wraps}")
        allowed = await reads.of_token(unit.address, "allowance", "uint256", me, source) or 0
        steps = []
        if allowed < wanted:
            steps.append(
                StakeStep(
                    name="approve", to=unit.address,
                    data=selector("approve", ("address", "uint256")) + encode(["address", "uint256"], [source, wanted]),
                    text=f"the pool may take {unit.text(wanted)}", undo="approve 0 at any time",
                )
            )  # fmt: skip
        steps.append(
            own_step(
                source, "DelegatedStake", "deposit", (operator, wanted), follows=bool(steps),
                text=f"delegates {unit.text(wanted)} to {operator}; they answer for what its keys sign",
                undo=f"`stake undelegate`: paid not before {moment(self._now_s + window_s)}, and not before all is old that its"
                " keys can have signed meanwhile",
            )
        )  # fmt: skip
        return steps

    async def undelegate(self, source: str, operator: str, amount: str) -> list[StakeStep]:
        """Ask back shares worth so many tokens now; 0 takes back what was asked.

        Raises:
            NothingToDo: the account has less, or asked nothing back.
            ValueError: the amount is none.
        """
        unit, held = await self.unit(source), await self._held(source, operator)
        wanted = asked(amount, unit, or_none=True)
        if wanted == 0:
            return [self._taking_back(source, operator, unit, held)]
        if not held.shares or (wanted or 0) > held.tokens:
            less = "" if wanted is None or not held.shares else f", less than {units(wanted, unit.digits)}"
            raise NothingToDo(f"{self._account} has {unit.text(held.tokens)} with {operator}{less}")
        shares = held.shares if wanted in (None, held.tokens) else _shares_for(wanted or 0, held)
        text = (
            f"asks back {self._text(unit, held, shares)} with {operator}: they count no more, and can be slashed until they are"
            " paid"
        )
        if held.leaving:
            text += f"; instead of {self._text(unit, held, held.leaving)} that were asked back before, and waits anew"
        return [
            own_step(
                source, "DelegatedStake", "requestExit", (operator, shares), text=text,
                undo="`stake undelegate 0` until they are paid: they count again at once",
            )
        ]  # fmt: skip

    def _taking_back(self, source: str, operator: str, unit: TokenUnit, held: _Held) -> StakeStep:
        if not held.leaving:
            raise NothingToDo(f"nothing was asked back from {operator}: `stake undelegate` does it")
        return own_step(
            source, "DelegatedStake", "requestExit", (operator, 0),
            text=f"takes the exit of {self._text(unit, held, held.leaving)} with {operator} back: they count again at once",
            undo="`stake undelegate` at any time: its exit waits anew",
        )  # fmt: skip

    async def window_s(self, source: str) -> int:
        """For how long an exit is open."""
        return int((await self._reads.call(source, "DelegatedStake", "windowS"))[0])

    async def withdraw(self, source: str, operator: str) -> list[StakeStep]:
        """Take what was asked back, in its window.

        Raises:
            NothingToDo: it is not open.
        """
        unit, held = await self.unit(source), await self._held(source, operator)
        if not held.leaving:
            raise NothingToDo(f"nothing was asked back from {operator}: `stake undelegate` does it")
        if self._now_s < held.opens_s:
            raise NothingToDo(
                f"the exit opens at {moment(held.opens_s)} and closes at {moment(held.closes_s)}: run this again then"
            )
        if held.open_cases:
            raise NothingToDo(
                f"a case of {operator} is open: nothing is paid until it is over, and the exit stays open for so long;"
                f" `stake status {operator}` says until when it can be disputed"
            )
        if self._now_s > held.closes_s:
            raise NothingToDo(f"the exit was open until {moment(held.closes_s)}: ask again with `stake undelegate`")
        return [
            own_step(
                source, "DelegatedStake", "withdraw", (operator,),
                text=f"pays {self._text(unit, held, held.leaving)} out to {self._account}",
                undo="`stake delegate` at any time",
            )
        ]  # fmt: skip

    async def _held(self, source: str, operator: str) -> _Held:
        (held,), (pool,) = (
            await self._reads.call(source, "DelegatedStake", "positionOf", operator, self._account),
            await self._reads.call(source, "DelegatedStake", "poolOf", operator),
        )
        shares, tokens, value, leaving, opens_s, closes_s, _ = held
        return _Held(
            shares=shares, tokens=tokens, value=value, leaving=leaving, opens_s=opens_s, closes_s=closes_s,
            pool_tokens=pool[0], pool_shares=pool[1], open_cases=pool[6],
        )  # fmt: skip

    @staticmethod
    def _text(unit: TokenUnit, held: _Held, shares: int) -> str:
        """So many shares, as the tokens and the value that they are now."""
        tokens = shares * held.pool_tokens // held.pool_shares if held.pool_shares else 0
        value = shares * held.value // held.shares if held.shares else 0
        of = f"{units(shares, unit.digits)} of {units(held.shares, unit.digits)} shares"
        return f"{unit.text(tokens)} ({of}, worth {units(value)} ETH)"


def _shares_for(tokens: int, held: _Held) -> int:
    """The fewest shares that pay so many tokens now."""
    needed = -(-tokens * held.pool_shares // held.pool_tokens)
    return min(needed, held.shares)
