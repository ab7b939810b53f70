"""A local node's port: reserved until it listens, and an error in words where another process has it."""

from __future__ import annotations

import socket

import pytest

from demo.world import anvil


@pytest.mark.loopback
def test_a_reserved_port_is_handed_out_once() -> None:
    with anvil.reserved_port() as first:
        others = {anvil.free_port() for _ in range(50)}
        assert first not in others
        with socket.socket() as plain, pytest.raises(OSError, match="in use"):
            plain.bind(("127.0.0.1", first))


@pytest.mark.chain
def test_a_node_does_not_take_over_the_port_of_another() -> None:
    with anvil.running() as node:
        with pytest.raises(anvil.AnvilError, match=f"port {node.port} of 127.0.0.1 is in use"):
            anvil.start(port=node.port)
        assert node.process.poll() is None


@pytest.mark.chain
def test_a_port_can_be_used_again_after_its_node_ended() -> None:
    with anvil.running() as node:
        port = node.port
    with anvil.running(port=port) as again:
        assert again.port == port
