// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Connected} from "./Connected.sol";
import {IKeyBook} from "../interfaces/IKeyBook.sol";
import {ISources} from "../interfaces/ISources.sol";

/// @title KeyBook: which report key speaks for an operator
/// @notice A key is an operator's for good once it consented, and is set once. So nobody takes another's key, and whoever reads an
///         old word finds whose it is. Nobody owns this contract.
contract KeyBook is IKeyBook, Connected {
    bytes32 private constant CONSENT = keccak256("Consent(address operator,uint64 nonce,uint64 expiry)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("lrt-oracle keys");
    bytes32 private constant VERSION = keccak256("1");

    /// @inheritdoc IKeyBook
    mapping(address key => address operator) public operatorOf;
    /// @inheritdoc IKeyBook
    mapping(address operator => address key) public keyOf;
    /// @inheritdoc IKeyBook
    mapping(address operator => uint64 nonce) public nonceOf;

    /// @notice From the next freeze on `key` speaks for the operator, and `before` no longer does.
    event KeySet(address indexed operator, address indexed key, address indexed before, uint64 nonce);

    /// @notice The key lied: from the next freeze on it speaks for nobody.
    event KeyRetired(address indexed operator, address indexed key);

    /// @notice No operator, or no key.
    error ZeroAddress();
    /// @notice The key is an operator's already, or was: a key is set once.
    error KeyIsTaken(address key, address operator);
    /// @notice The consent is for another nonce than the operator's next.
    error WrongNonce(uint64 given, uint64 next);
    /// @notice The consent could be used until then.
    error ConsentIsOver(uint64 expiry);
    /// @notice The signature is not the key's own over this consent.
    error NoConsent(address key);

    constructor(address maker_) Connected(maker_) {}

    /// @inheritdoc IKeyBook
    function setKey(Consent calldata consent) external {
        _setKey(msg.sender, consent);
    }

    /// @inheritdoc IKeyBook
    function setKeyFor(address operator, Consent calldata consent) external {
        if (address(set) == address(0) || !ISources(address(set)).isSource(msg.sender)) revert NotAllowed(msg.sender);
        _setKey(operator, consent);
    }

    /// @inheritdoc IKeyBook
    /// @dev One that was replaced already is spoken for no more.
    function retire(address key) external onlyPenalties {
        address operator = operatorOf[key];
        if (operator == address(0) || keyOf[operator] != key) return;
        keyOf[operator] = address(0);
        emit KeyRetired(operator, key);
    }

    /// @inheritdoc IKeyBook
    /// @dev The domain follows the chain id through a fork.
    function consentDigest(address operator, uint64 nonce, uint64 expiry) public view returns (bytes32) {
        bytes32 separator = keccak256(abi.encode(DOMAIN, NAME, VERSION, block.chainid, address(this)));
        bytes32 body = keccak256(abi.encode(CONSENT, operator, nonce, expiry));
        return keccak256(abi.encodePacked(hex"1901", separator, body));
    }

    function _setKey(address operator, Consent calldata consent) private {
        address key = consent.key;
        if (operator == address(0) || key == address(0)) revert ZeroAddress();
        if (operatorOf[key] != address(0)) revert KeyIsTaken(key, operatorOf[key]);
        uint64 nonce = nonceOf[operator];
        if (consent.nonce != nonce) revert WrongNonce(consent.nonce, nonce);
        if (block.timestamp > consent.expiry) revert ConsentIsOver(consent.expiry);
        bytes32 digest = consentDigest(operator, nonce, consent.expiry);
        uint256 vs = uint256(consent.vs);
        // a second form of the same signature gains nothing: the key and the nonce are used up
        if (ecrecover(digest, uint8(27 + (vs >> 255)), consent.r, bytes32((vs << 1) >> 1)) != key) revert NoConsent(key);
        emit KeySet(operator, key, keyOf[operator], nonce);
        nonceOf[operator] = nonce + 1;
        operatorOf[key] = operator;
        keyOf[operator] = key;
    }
}
