"""A key in a token behind a PKCS#11 module (HSM, smart card, SoftHSM): the digest goes in, r and s come out.

Sources: PKCS #11 3.0, sections 6.3.12 (CKM_ECDSA signs a hash as it is, and answers r | s), 6.3.3 (CKA_EC_PARAMS names the
curve); SEC 2, section 2.4.1 (OID of secp256k1). A token makes s as it comes and tells no parity: s is brought into its lower
half, and the parity is found by what it recovers to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from eth_hash.auto import keccak

from feeds.secret_values import SecretMissing, filled
from oracle.model.signer_url import Pkcs11Url
from oracle.sign.remote.pkcs11_module import Pkcs11Module
from oracle.sign.remote.remote_key import RemoteKey, SignerError, address_of_point

_SECP256K1 = bytes.fromhex("06052b8104000a")
_POINT = 65
_FIELDS = {"token": "label", "serial": "serial", "manufacturer": "manufacturer_id", "model": "model"}
_GONE = frozenset({
    "SessionHandleInvalid", "SessionClosed", "DeviceRemoved", "DeviceError", "TokenNotPresent", "TokenNotRecognised",
    "SlotIDInvalid", "KeyHandleInvalid", "ObjectHandleInvalid", "UserNotLoggedIn", "GeneralError", "FunctionFailed",
    "OperationNotInitialized", "OperationActive", "PKCS11Error",
})  # fmt: skip
"""What a module says of a token that was taken out, put in again, or restarted: it is opened anew, once."""
_ADVICE = {
    "PinLocked": "it has locked itself after wrong PINs: unlock it as its security officer",
    "PinExpired": "the PIN has expired: set a new one",
    "PinInvalid": "the PIN is of a form that it does not take: correct it",
    "PinLenRange": "the PIN is too short or too long for it: correct it",
    "UserPinNotInitialized": "it has no user yet: set the user's PIN",
    "KeyTypeInconsistent": "the key is not one for ECDSA: make one on secp256k1",
    "MechanismInvalid": "it does not do CKM_ECDSA: use another token",
    "FunctionRejected": "its rules do not let this key sign: look at them",
    "SessionCount": "it has no session left: close one, or give it more",
}


class _Gone(SignerError):
    """The token, or what was open of it, is not there any more."""


class Pkcs11Key(RemoteKey):
    """One key in a token. It stays open, and is opened anew where the token was away.

    Args:
        url: module, token and key.
        address: 20 bytes, of the key that must sign.
        environ: where the PIN may be; None: the environment of the process.
        timeout_ms: of a signature, with the login before the first one.
    """

    def __init__(
        self,
        url: Pkcs11Url,
        address: bytes,
        environ: Mapping[str, str] | None = None,
        *,
        timeout_ms: int = 3_000,
    ) -> None:
        self._token = {name: filled(text, environ).text for name, text in url.token.items()}
        shown = (
            url.token.get("token") or url.token.get("serial") or (f"in slot {url.slot}" if url.slot is not None else "")
        )
        super().__init__(address, f"the token {shown!r}", timeout_ms=timeout_ms)
        self._url, self._environ = url, environ
        self._label = None if url.label is None else filled(url.label, environ).text
        self._path = filled(url.module, environ).text
        self._module: Pkcs11Module | None = None
        # what is open, in the module's thread
        self._session: Any = None
        self._private: Any = None
        self._turn = -1

    async def close(self) -> None:
        """Close the session, and the module where no other key uses it."""
        module, self._module = self._module, None
        if module is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s):  # a call that hangs holds nobody up
                await module.run(lambda: self._forget(module))
        except TimeoutError:
            return
        finally:
            module.release()

    async def _request(self, preimage: bytes) -> bytes:
        if self._module is None:
            self._module = Pkcs11Module.opened(self._path)
        module, digest = self._module, keccak(preimage)
        return await module.run(lambda: self._signed(module, digest))

    # --- in the module's thread ------------------------------------------------------------------------------------------

    def _signed(self, module: Pkcs11Module, digest: bytes) -> bytes:
        try:
            return self._sign_once(module, digest)
        except _Gone:
            self._forget(module)
            self._anew(module)
        try:
            return self._sign_once(module, digest)
        except _Gone as e:
            self._forget(module)
            raise SignerError(str(e)) from None

    def _sign_once(self, module: Pkcs11Module, digest: bytes) -> bytes:
        library = module.library()
        from pkcs11 import Mechanism, PKCS11Error  # noqa: PLC0415 - an extra

        if self._turn != module.turn:
            self._session = self._private = None  # they were of the library before it began anew
        try:
            if self._private is None:
                self._open(module, library)
            return bytes(self._private.sign(digest, mechanism=Mechanism.ECDSA))
        except PKCS11Error as e:
            raise self._fault(type(e).__name__) from None

    def _fault(self, kind: str) -> SignerError:
        if kind in _GONE:
            return _Gone(f"{self.name} is not there, or was restarted ({kind}): look at it")
        return SignerError(f"{self.name} answered {kind}: {_ADVICE.get(kind, 'look it up in PKCS #11')}")

    def _anew(self, module: Pkcs11Module) -> None:
        from pkcs11 import PKCS11Error  # noqa: PLC0415 - an extra

        try:
            module.begin_anew()
        except PKCS11Error as e:
            raise SignerError(f"{self.name}: its module does not begin anew ({type(e).__name__}): restart it") from None

    def _open(self, module: Pkcs11Module, library: Any) -> None:
        token = self._found_token(library)
        self._turn = module.turn
        self._session = module.session(token, self.name, self._pin())
        self._private = self._found_key(self._session)

    def _found_token(self, library: Any) -> Any:
        slots = [s for s in library.get_slots(token_present=True) if self._url.slot in {None, s.slot_id}]
        tokens = [t for t in (s.get_token() for s in slots) if self._is_wanted(t)]
        if not tokens:
            raise _Gone(f"{self.name} is not there: put it in, or correct what signer_url says of it")
        if len(tokens) > 1:
            raise SignerError(f"{len(tokens)} tokens are as signer_url says: write serial=... of the one that is meant")
        return tokens[0]

    def _is_wanted(self, token: Any) -> bool:
        from pkcs11 import TokenFlag  # noqa: PLC0415 - an extra

        return bool(token.flags & TokenFlag.TOKEN_INITIALIZED) and all(
            _text(getattr(token, _FIELDS[name])) == wanted for name, wanted in self._token.items()
        )

    def _pin(self) -> str | None:
        try:
            return None if self._url.pin is None else filled(self._url.pin, self._environ).text
        except SecretMissing as e:
            raise SignerError(f"{self.name} needs its PIN: {e}") from None

    def _found_key(self, session: Any) -> Any:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - an extra

        found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **self._template()}))
        if not found:
            login = (
                "" if self._url.pin is not None else ", or write pin-value: without a login private keys do not show"
            )
            raise SignerError(f"{self.name} has no private key of this label or id: correct object or id{login}")
        if len(found) > 1:
            raise SignerError(f"{self.name} has {len(found)} private keys of this label: write id=... of the one meant")
        if _attribute(found[0], Attribute.EC_PARAMS) not in {_SECP256K1, None}:
            raise SignerError(
                f"{self.name}: the key is not on the curve secp256k1: make one that is (OID 1.3.132.0.10)"
            )
        held = self._stated_address(session)
        if held is not None and held != self.address:
            text = f"the key is that of 0x{held.hex()} and not of 0x{self.address.hex()}"
            raise SignerError(f"{self.name}: {text}: correct signer_address, or name the other key")
        return found[0]

    def _template(self) -> dict[Any, Any]:
        from pkcs11 import Attribute  # noqa: PLC0415 - an extra

        wanted = {Attribute.LABEL: self._label, Attribute.ID: self._url.key_id}
        return {name: value for name, value in wanted.items() if value is not None}

    def _stated_address(self, session: Any) -> bytes | None:
        """The address of the public key beside it; None where the token has none, or more than one."""
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - an extra

        found = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, **self._template()}))
        point = _attribute(found[0], Attribute.EC_POINT) if len(found) == 1 else None
        return None if point is None else address_of_point(point[-_POINT:])  # in an OCTET STRING, or bare

    def _forget(self, module: Pkcs11Module) -> None:
        """Close what is open; a handle of before the library began anew is by now that of somebody else."""
        session, self._session, self._private = self._session, None, None
        if session is not None and self._turn == module.turn:
            _close_quietly(session)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _attribute(found: Any, name: Any) -> bytes | None:
    """A value of an object; None where the token does not tell it."""
    from pkcs11 import PKCS11Error  # noqa: PLC0415 - an extra

    try:
        return bytes(found[name])
    except (PKCS11Error, KeyError, TypeError):
        return None


def _close_quietly(session: Any) -> None:
    from pkcs11 import PKCS11Error  # noqa: PLC0415 - an extra

    try:
        session.close()
    except PKCS11Error:
        return  # it is gone with its token
