"""What a NATS server says of the stream of rounds, and what this process may do there. Nothing is written: a refused message is proof enough."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from oracle.nats.link import NatsAccess, NatsFault, closed, connected, fault_text

_PATIENCE_S = 5
_OF_ANOTHER = {"Nats-Expected-Stream": "-"}
"""The server takes no message with it, and says so to whoever may publish."""
_UNUSED_S = 10.0
_NOT_FOUND, _NS = 404, 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLook:
    """What was found.

    Attributes:
        error: why nothing else is known; "" where it is.
        is_there: whether the stream exists.
        subjects: that it keeps.
        max_age_s, max_bytes: what it keeps; 0 and -1: without a limit.
        twice_s: so long it knows a message that comes twice.
        drops_old: the oldest go where it is full.
        messages: in it.
        first_s, last_s: when the oldest and the newest came, Unix s; 0 where there is none.
        payload: most bytes of a message.
        may_publish, may_read: why not; "" where one may, or was not asked.
    """

    error: str = ""
    is_there: bool = False
    subjects: tuple[str, ...] = ()
    max_age_s: float = 0
    max_bytes: int = -1
    twice_s: float = 0
    drops_old: bool = True
    messages: int = 0
    first_s: float = 0
    last_s: float = 0
    payload: int = 0
    may_publish: str = ""
    may_read: str = ""


async def look_at_stream(access: NatsAccess, stream: str, *, publish_to: str = "", read_from: str = "") -> StreamLook:
    """Look once. ``publish_to``, ``read_from``: subjects that are tried, "" for none."""
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hear(error: Exception) -> None:
        if not refused.done():
            refused.set_result(fault_text(error))

    try:
        client = await connected(access, hear)
    except NatsFault as e:
        return StreamLook(error=str(e))
    try:
        return await _looked(client, stream, refused, (publish_to, read_from))
    except Exception as e:  # noqa: BLE001 - the library lets through what its own protocol raises; it is what is told
        return StreamLook(error=fault_text(e))
    finally:
        await closed(client)


async def _looked(client: Any, stream: str, refused: asyncio.Future[str], tried: tuple[str, str]) -> StreamLook:
    from nats.errors import NoRespondersError  # noqa: PLC0415 - an optional part

    asking = client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=_PATIENCE_S)
    try:
        answer = await _unless(refused, asking)
    except NoRespondersError:
        return StreamLook(error="JetStream is off, or this user has no right to it")
    except (NatsFault, TimeoutError) as e:
        return StreamLook(error=f"what streams there are is not told: this user has no right to ask {e}".rstrip())
    told = orjson.loads(answer.data)
    if "error" in told:
        missing = told["error"].get("code") == _NOT_FOUND
        return StreamLook(payload=client.max_payload, error="" if missing else str(told["error"])[:200])
    config, state = told["config"], told["state"]
    jetstream, (publish_to, read_from) = client.jetstream(timeout=_PATIENCE_S), tried
    return StreamLook(
        is_there=True, subjects=tuple(config.get("subjects", ())), max_age_s=config.get("max_age", 0) / _NS,
        max_bytes=config.get("max_bytes", -1), twice_s=config.get("duplicate_window", 0) / _NS,
        drops_old=config.get("discard", "old") == "old", messages=state["messages"],
        first_s=_unix_s(state["first_ts"]), last_s=_unix_s(state["last_ts"]), payload=client.max_payload,
        may_publish=await _publishing(jetstream, publish_to, refused) if publish_to else "",
        may_read=await _reading(jetstream, (stream, read_from), refused) if read_from else "",
    )  # fmt: skip


def _unix_s(text: str) -> float:
    """Of a time as the server writes it, with nanoseconds; 0 for the year 1, which is never."""
    return max(0.0, datetime.fromisoformat(text[:19] + "+00:00").timestamp())


async def _unless(refused: asyncio.Future[str], asking: Coroutine[Any, Any, Any]) -> Any:
    """What is asked; NatsFault as soon as the server refuses it, for a right that is missing is silence else."""
    task = asyncio.ensure_future(asking)
    await asyncio.wait({task, refused}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    raise NatsFault(refused.result())


async def _publishing(jetstream: Any, subject: str, refused: asyncio.Future[str]) -> str:
    from nats.js.errors import APIError, NoStreamResponseError  # noqa: PLC0415 - an optional part

    try:
        await _unless(refused, jetstream.publish(subject, b"", timeout=_PATIENCE_S, headers=_OF_ANOTHER))
    except NoStreamResponseError:
        return "no stream keeps it"
    except APIError:
        return ""
    except Exception as e:  # noqa: BLE001 - whatever the library raises is told
        return f"this user may not publish there ({fault_text(e)})"
    return ""


async def _reading(jetstream: Any, at: tuple[str, str], refused: asyncio.Future[str]) -> str:
    from nats.js.api import AckPolicy, ConsumerConfig  # noqa: PLC0415 - an optional part

    (stream, subject), config = at, ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=_UNUSED_S)
    try:
        reading = await _unless(refused, jetstream.pull_subscribe(subject, stream=stream, config=config))
        await _unless(refused, reading.consumer_info())
    except Exception as e:  # noqa: BLE001 - whatever the library raises is told
        return f"this user may not read it ({fault_text(e)})"
    return ""
