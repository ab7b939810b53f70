"""A PKCS#11 module in this process: one thread of its own for each, since its calls block and its state is the process's.

Sources: PKCS #11 3.0, section 5.4 (a library is initialized once for a process), 5.6.8 (a login counts for all sessions with
a token), 11.6 (CKR_PIN_INCORRECT: a token locks itself after a few of them).
"""

from __future__ import annotations

import asyncio
import hashlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from oracle.sign.remote.remote_key import SignerError

_T = TypeVar("_T")
_Job = tuple[Future[Any], Callable[[], Any]]


class Pkcs11Module:
    """A module that keys of this process share. Everything but `run` is for its own thread only.

    Args:
        path: of the shared library.
    """

    _open: dict[str, Pkcs11Module] = {}  # noqa: RUF012 - one for each library of the process, as the library has it
    _lock = threading.Lock()

    def __init__(self, path: str) -> None:
        self.path = path
        self.turn = 0
        """Goes up when the library was initialized anew: sessions of before are worth nothing."""
        self._users = 0
        self._library: Any = None
        self._logins: dict[tuple[bytes, str], tuple[bytes, Any]] = {}
        self._wrong_pins: set[bytes] = set()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        # a call that hangs must not keep the process from ending
        self._thread = threading.Thread(target=self._work, name=f"pkcs11 {path}", daemon=True)

    @classmethod
    def opened(cls, path: str) -> Pkcs11Module:
        """The module of this path, whoever opened it first; `release` gives it back. Its thread stays for the next one."""
        with cls._lock:
            module = cls._open.get(path)
            if module is None:
                module = cls._open[path] = cls(path)
                module._thread.start()
            module._users += 1
            return module

    def release(self) -> None:
        """Give it back; where nobody has it any more the library is finalized, before anything that who comes next asks for."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._jobs.put((Future(), self._finalize))

    async def run(self, job: Callable[[], _T]) -> _T:
        """Do something in the module's thread; what was given up before its turn is not done at all."""
        waiting: Future[_T] = Future()
        self._jobs.put((waiting, job))
        return await asyncio.wrap_future(waiting)

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as e:  # noqa: BLE001 - it is raised where the result is waited for
                future.set_exception(e)

    # --- in its thread -------------------------------------------------------------------------------------------------

    def library(self) -> Any:
        """The library, initialized.

        Raises:
            SignerError: the Python package or the library is not there.
        """
        if self._library is None:
            try:
                import pkcs11  # noqa: PLC0415 - an extra, which only keys in tokens need
            except ImportError:
                raise SignerError("keys in tokens need python-pkcs11: pip install 'lrt-oracle[hsm]'") from None
            try:
                self._library = pkcs11.lib(self.path)
            except (pkcs11.PKCS11Error, RuntimeError, OSError) as e:
                text = f"the PKCS#11 module {self.path} cannot be loaded ({type(e).__name__}): correct module-path"
                raise SignerError(text) from None
        return self._library

    def begin_anew(self) -> None:
        """Initialize the library once more: a token was taken out, put in, or restarted."""
        self.turn += 1
        self._logins.clear()
        if self._library is not None:
            self._library.reinitialize()

    def session(self, token: Any, name: str, pin: str | None) -> Any:
        """A new session with a token whose user is logged in.

        A PIN that the token has refused is never tried again: each try is counted there, and a few of them lock it.

        Args:
            token: of the library.
            name: of the token, for errors.
            pin: None: without a login.

        Raises:
            SignerError: the PIN is wrong.
            PKCS11Error: the token answers something else.
        """
        which = (bytes(token.serial), str(token.label))
        tried = b"" if pin is None else hashlib.sha256(f"{which} {pin}".encode()).digest()
        if pin is not None and which not in self._logins:
            self._logins[which] = (tried, self._login(token, name, pin, tried))
        elif pin is not None and self._logins[which][0] != tried:
            raise SignerError(f"{name} is open by another PIN, that of another key here: write the same for both")
        return token.open()

    def _login(self, token: Any, name: str, pin: str, tried: bytes) -> Any:
        """The session that keeps the login: it counts for all sessions of this process with the token."""
        from pkcs11 import PinIncorrect, UserAlreadyLoggedIn  # noqa: PLC0415 - an extra

        if tried in self._wrong_pins:
            text = f"{name} refused this PIN and is not asked again, for it would lock itself"
            raise SignerError(f"{text}: correct the PIN; if it is right by now, restart this process")
        try:
            return token.open(user_pin=pin)
        except UserAlreadyLoggedIn:  # somebody else in this process has it open
            return None
        except PinIncorrect:
            self._wrong_pins.add(tried)
            raise SignerError(
                f"{name} refuses the PIN: correct it; it is not tried again, for a few tries lock it"
            ) from None

    def _finalize(self) -> None:
        library, self._library = self._library, None
        self.turn += 1
        self._logins.clear()
        if library is not None:
            library.finalize()
