"""Dialling a member: the WebSocket is opened, the certificate is held against what is announced, both prove themselves."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import NoReturn
from urllib.parse import urlsplit

import aiohttp

from oracle.network.mesh.certificates import by_authority, seen_certificate, unverified
from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.handshake import Identity, Met, meet_as_dialler, say_goodbye
from oracle.network.mesh.hello import HeardHello
from oracle.network.mesh.limits import MAX_FRAME
from oracle.network.mesh.roster import Roster
from oracle.network.mesh.session import CHECK

_CLOSE = aiohttp.ClientWSTimeout(ws_close=1.0)
_TOO_MANY = 429


class NeedsAuthority(LinkRefused):
    """A member announces no certificate, and the dial did not ask a public authority for its host."""


class NoAuthority(LinkRefused):
    """No public authority vouches for the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A member that was dialled and proved itself. ``remote``: host and port of the url."""

    socket: aiohttp.ClientWebSocketResponse
    met: Met
    remote: str


def client_session() -> aiohttp.ClientSession:
    """Of the dials: no proxy of the environment, no cookie, no redirect to somewhere else."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_no_redirect)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
    )


async def _no_redirect(
    session: aiohttp.ClientSession, context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> NoReturn:
    del session, context, redirect
    raise LinkRefused(LinkFault.UNREACHABLE, "the address answers with a redirect: write where it leads")


class Dialler:
    """Dials members.

    Args:
        session: for the connections.
        me: what we show.
        roster: members.
    """

    def __init__(self, session: aiohttp.ClientSession, me: Identity, roster: Roster) -> None:
        self._session, self._me, self._roster = session, me, roster

    async def dial(self, address: bytes, url: str, *, authority: bool) -> Dialled:
        """Dial a member and have it prove itself; the caller sets the deadline.

        Args:
            address: of its report key.
            url: where.
            authority: whether a public authority must vouch for the host, which is so where no certificate is announced.

        Raises:
            LinkRefused: what is wrong, with words for people.
        """
        remote = host_and_port(url)
        is_tls = urlsplit(url).scheme == "wss"
        socket = await self._open(url, remote, authority=authority)
        try:
            seen = seen_certificate(socket.get_extra_info("ssl_object"))
            if is_tls:
                self._check_pinned(address, remote, seen)
            check = partial(self._check_certificate, address, url, seen, authority=authority)
            met = await meet_as_dialler(socket, self._me, self._roster, address, seen, check)
        except LinkRefused as e:
            with contextlib.suppress(OSError, TimeoutError):
                await say_goodbye(socket, e)
            raise
        except (OSError, aiohttp.ClientError) as e:
            raise LinkRefused(LinkFault.CLOSED, f"{remote}: the connection ended ({type(e).__name__})") from None
        except BaseException:
            socket._response.close()  # noqa: SLF001 - it has no way to be dropped at once, and a deadline waits for nothing
            raise
        return Dialled(socket=socket, met=met, remote=remote)

    def _check_pinned(self, address: bytes, remote: str, seen: bytes) -> None:
        """The config's word on a certificate is the last one."""
        if self._roster.peers[address].certificate not in {b"", seen}:
            raise LinkRefused(LinkFault.CERTIFICATE, f"{remote} shows another certificate than the config names")

    def _check_certificate(self, address: bytes, url: str, seen: bytes, heard: HeardHello, *, authority: bool) -> None:
        """Hold the certificate that was seen against the newest announcement, which may be the one of this hello."""
        peer, known = self._roster.peers[address], self._roster.announced(address)
        is_tls = urlsplit(url).scheme == "wss"
        if peer.certificate or (url in peer.urls and not is_tls):
            return  # checked, or the config says that there is none
        shown = heard.announced.said
        newest = known.said if known is not None and known.said.counter > shown.counter else shown
        if newest.certificate and newest.certificate != seen:
            text = f"{host_and_port(url)} shows another certificate than {peer} announces: a proxy on the way, or it has restarted"
            raise LinkRefused(LinkFault.CERTIFICATE, text)
        if is_tls and not newest.certificate and not authority:
            text = f"{peer} announces no certificate: a public authority must vouch for {host_and_port(url)}"
            raise NeedsAuthority(LinkFault.CERTIFICATE, text)

    async def _open(self, url: str, remote: str, *, authority: bool) -> aiohttp.ClientWebSocketResponse:
        try:
            return await self._session.ws_connect(
                url,
                ssl=by_authority() if authority else unverified(),
                max_msg_size=MAX_FRAME + CHECK,
                compress=0,
                autoping=False,
                timeout=_CLOSE,
            )
        except aiohttp.ClientConnectorCertificateError:
            text = (
                f"no public authority vouches for the certificate of {remote}: have that operator announce its hash, or write"
                " `certificate` in [network.peers]"
            )
            raise NoAuthority(LinkFault.CERTIFICATE, text) from None
        except aiohttp.WSServerHandshakeError as e:
            if e.status == _TOO_MANY:
                raise LinkRefused(LinkFault.TOO_MANY, f"{remote} says: too many requests") from None
            text = f"{remote} answers HTTP {e.status} and no WebSocket: is that its network's port and path?"
            raise LinkRefused(LinkFault.UNREACHABLE, text) from None
        except (aiohttp.ClientError, OSError, ValueError) as e:
            raise LinkRefused(LinkFault.UNREACHABLE, f"{remote} cannot be reached: {_words(e)}") from None


def host_and_port(url: str) -> str:
    """The part of a url that errors may show."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'wss' else 80)}"


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no TLS 1.3 there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
