"""A port that cannot be opened is told of in one sentence: where it is written, what is wrong, what to do."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from oracle.runtime.listening import cannot_listen


async def fault_of(host: str, port: int) -> str:
    with pytest.raises(OSError) as seen:  # noqa: PT011 - the kind is what is looked at
        await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    return str(cannot_listen("network.listen", host, port, seen.value))


def test_the_words_of_newer_pythons_are_understood() -> None:
    told = OSError("could not bind on any address out of [('203.0.113.9', 8651)]")
    assert "203.0.113.9 is no address of this machine" in str(cannot_listen("api.host", "203.0.113.9", 8_651, told))


@pytest.mark.loopback
async def test_what_the_system_says_becomes_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await fault_of("127.0.0.1", port)
    assert said.startswith(f"network.listen: another program listens at 127.0.0.1:{port} already")
    assert "203.0.113.9 is no address of this machine" in await fault_of("203.0.113.9", 8_651)
    assert "'no host' is no address of this machine and no name" in await fault_of("no host", 8_651)


def test_a_port_that_is_not_for_everybody_and_what_nobody_thought_of() -> None:
    denied = OSError(errno.EACCES, "Permission denied")
    assert "choose a port above 1023" in str(cannot_listen("api", "::1", 443, denied))
    assert str(cannot_listen("api", "::1", 8_551, denied)) == "api: cannot listen at [::1]:8551: Permission denied"
