"""Ask several endpoints the same of the same block, and believe what enough of them say.

A call at a block named by its hash has one right answer, so two honest endpoints answer the same bytes. One that answers
something else than as many as must agree is named, and not asked any more for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from feeds.chains.endpoint import Endpoint
from feeds.chains.endpoints import Endpoints
from feeds.chains.jsonrpc import BlockMissing, TooMuch
from feeds.chains.quorum import AgreedAnswer, Disagreement, vote
from feeds.errors import Disagreed, FeedError, Reverted, TooLarge

Ask = Callable[[Endpoint], Awaitable[bytes]]

_OF_THE_CALL = (TooMuch, TooLarge, Reverted, BlockMissing)
"""What an endpoint says of the call itself is not held against it. The first of these comes before the others."""


async def agreed_answer(endpoints: Endpoints, agree: int, ask: Ask) -> bytes:
    """Return the answer that `agree` endpoints give; further ones are asked only as far as it takes.

    Raises:
        BlockMissing: so many do not have the block that too few are left.
        TooMuch: the call is too much for so many that too few are left. TooLarge and Reverted likewise.
        Disagreed: too few say the same.
    """
    answers: dict[Endpoint, bytes | FeedError] = {}
    waiting = endpoints.ranked()
    while True:
        result = vote(answers, agree)
        if isinstance(result, AgreedAnswer):
            for endpoint in result.outvoted:
                text = "it answered something else of the same block"
                endpoints.outvoted(endpoint, Disagreed(text, endpoint=endpoint.rpc.name, against=result.votes))
            return result.value
        next_up, waiting = waiting[: agree - result.most], waiting[agree - result.most :]
        if not next_up:
            raise _failure(result)
        for endpoint, answer in await _answers(next_up, ask):
            answers[endpoint] = answer
            if isinstance(answer, FeedError) and not isinstance(answer, _OF_THE_CALL):
                endpoints.failed(endpoint, answer)


async def _answers(endpoints: list[Endpoint], ask: Ask) -> list[tuple[Endpoint, bytes | FeedError]]:
    """Ask them side by side; what is not a FeedError is raised."""
    answers = []
    for endpoint, answer in zip(
        endpoints, await asyncio.gather(*(ask(e) for e in endpoints), return_exceptions=True), strict=True
    ):
        if isinstance(answer, BaseException) and not isinstance(answer, FeedError):
            raise answer
        answers.append((endpoint, answer))
    return answers


def _failure(result: Disagreement) -> FeedError:
    """Why there is no answer: what the endpoints said of the call itself comes before their disagreement."""
    for kind in _OF_THE_CALL:
        of_kind = [e for e in result.errors if isinstance(e, kind)]
        if of_kind:
            return of_kind[0]
    if not result.votes and result.errors:
        return result.errors[0]
    counts = ", ".join(str(n) for n in result.votes)
    return Disagreed("too few endpoints say the same", agree=result.agree, said=counts)
