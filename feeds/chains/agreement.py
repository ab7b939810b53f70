"""Ask several endpoints the same of the same block, and believe what enough of them say.

A call at a block named by its hash has one right answer, so two honest endpoints answer the same bytes. Who says something
else than the number that must agree is named and not asked any more for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from feeds.chains.endpoint import Endpoint
from feeds.chains.endpoints import Endpoints
from feeds.chains.jsonrpc import BlockMissing, TooMuch
from feeds.errors import Disagreed, FeedError, Reverted, TooLarge

Ask = Callable[[Endpoint], Awaitable[bytes]]


async def agreed(endpoints: Endpoints, agree: int, ask: Ask) -> bytes:
    """Return the answer that `agree` endpoints give; further ones are asked only as far as it takes.

    Raises:
        BlockMissing: so many do not have the block that too few are left.
        TooMuch: the call is too much for so many that too few are left. TooLarge and Reverted likewise.
        Disagreed: too few say the same.
    """
    votes: dict[bytes, list[Endpoint]] = {}
    errors: list[FeedError] = []
    waiting = endpoints.ranked()
    while True:
        best = max((len(v) for v in votes.values()), default=0)
        if best >= agree:
            return _believed(endpoints, votes, agree)
        asked, waiting = waiting[: agree - best], waiting[agree - best :]
        if not asked:
            raise _failure(votes, errors, agree)
        answers = await asyncio.gather(*(ask(e) for e in asked), return_exceptions=True)
        for endpoint, answer in zip(asked, answers, strict=True):
            if isinstance(answer, bytes):
                votes.setdefault(answer, []).append(endpoint)
            elif isinstance(answer, FeedError):
                errors.append(answer)
                if not isinstance(answer, BlockMissing | TooMuch | TooLarge | Reverted):
                    endpoints.failed(endpoint, answer)
            else:
                raise answer


def _believed(endpoints: Endpoints, votes: dict[bytes, list[Endpoint]], agree: int) -> bytes:
    truth = next(answer for answer, who in votes.items() if len(who) >= agree)
    for answer, who in votes.items():
        for endpoint in who if answer != truth else ():
            text = "it answered something else of the same block"
            endpoints.outvoted(endpoint, Disagreed(text, endpoint=endpoint.rpc.name, against=len(votes[truth])))
    return truth


def _failure(votes: dict[bytes, list[Endpoint]], errors: list[FeedError], agree: int) -> FeedError:
    """Why there is no answer: what the endpoints said of the call itself comes before their disagreement."""
    for kind in (TooMuch, TooLarge, Reverted, BlockMissing):
        found = [e for e in errors if isinstance(e, kind)]
        if found:
            return found[0]
    if not votes and errors:
        return errors[0]
    said = sorted((len(v) for v in votes.values()), reverse=True)
    return Disagreed("too few endpoints say the same", agree=agree, said=", ".join(str(n) for n in said))
