// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {readSigners, thresholdOf} from "./SignerSetCode.sol";
import {StoreFeeds} from "./StoreFeeds.sol";

/// @title Digests and the verification of signatures by weight
/// @dev EIP-712, bound to chain and store: `Batch(uint48 epoch,uint32 roundTime,bytes items)`, and `Arm(uint48 epoch,bytes32
///      set)` by the signers of the next set, `set` being the hash of its data contract's code.
///      Signatures: signerIndex 1 | r 32 | vs 32 (EIP-2098), strictly ascending by signerIndex. A first byte of 255 is not
///      an index, as a set has 255 members at most: it announces another kind of signature, named by the second byte. No
///      other kind exists yet.
abstract contract StoreSignatures is StoreFeeds {
    uint256 internal constant HEADER = 10;
    uint256 private constant SIGNATURE = 65;
    uint256 private constant OTHER_KIND = 255;
    uint256 private constant ECRECOVER = 1; // address of the precompile
    bytes32 private constant BATCH = keccak256("Batch(uint48 epoch,uint32 roundTime,bytes items)");
    bytes32 private constant ARM = keccak256("Arm(uint48 epoch,bytes32 set)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("lrt-oracle");
    bytes32 private constant VERSION = keccak256("1");

    uint256 private immutable chainAtStart;
    bytes32 private immutable separatorAtStart;

    constructor() {
        chainAtStart = block.chainid;
        separatorAtStart = _separator();
    }

    /// @notice EIP-712 digest of a batch, as operators sign it. Only the length of the header is checked.
    function digest(bytes calldata batch) external view returns (bytes32) {
        if (batch.length < HEADER) revert BadLength(batch.length, 0);
        return _digest(batch);
    }

    /// @notice EIP-712 domain separator; it follows the chain id through a fork.
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == chainAtStart ? separatorAtStart : _separator();
    }

    /// @dev Reverts unless length and first byte are those of a list of ECDSA signatures.
    function _checkKind(uint256 batchLength, bytes calldata signatures) internal pure {
        uint256 length = signatures.length;
        if (length != 0 && uint8(signatures[0]) == OTHER_KIND) revert UnknownKind(length > 1 ? uint8(signatures[1]) : 0);
        if (length % SIGNATURE != 0) revert BadLength(batchLength, length);
    }

    /// @dev Reverts unless members of the set with enough weight signed the digest.
    /// @param packed the set's word
    /// @return words the set in memory, for its step threshold
    /// @return weight of all who signed
    function _verifyWeight(uint256 packed, bytes32 digest_, bytes calldata signatures)
        internal
        view
        returns (uint256 words, uint256 weight)
    {
        uint256 count_ = uint8(packed >> 208);
        words = readSigners(address(uint160(packed)), count_);
        uint256 badPlusOne; // position of the first bad signature, plus one
        // In assembly: Solidity's own loop and ecrecover cost some 250 gas more per signature. `vs` is v - 27 in its top
        // bit, then s, below 2^255: malleability gains nothing, as roundTime stops a replay and the ascending index stops
        // a duplicate. A precompile call that fails leaves the signer 0, which is refused.
        assembly ("memory-safe") {
            let at := signatures.offset
            let end := add(at, signatures.length)
            let input := mload(0x40)
            let members := add(words, 32)
            let next := 0 // lowest signer index allowed next: ascending, so no signer counts twice
            mstore(input, digest_)
            for {} lt(at, end) { at := add(at, SIGNATURE) } {
                let index := byte(0, calldataload(at))
                let vs := calldataload(add(at, 33))
                mstore(add(input, 32), add(27, shr(255, vs)))
                mstore(add(input, 64), calldataload(add(at, 1)))
                mstore(add(input, 96), shr(1, shl(1, vs)))
                mstore(0, 0)
                pop(staticcall(gas(), ECRECOVER, input, 128, 0, 32))
                let signer := mload(0)
                let member := mload(add(members, shl(5, index)))
                if or(or(lt(index, next), iszero(lt(index, count_))), or(iszero(signer), sub(signer, shr(96, member)))) {
                    badPlusOne := add(1, div(sub(at, signatures.offset), SIGNATURE))
                    break
                }
                weight := add(weight, shr(160, shl(160, member)))
                next := add(index, 1)
            }
        }
        if (badPlusOne != 0) revert BadSignature(badPlusOne - 1);
        if (weight < thresholdOf(words)) revert BelowThreshold(weight, thresholdOf(words));
    }

    /// @dev Digest of `Arm` for the packed word of a set.
    function _armDigest(uint256 packed) internal view returns (bytes32) {
        bytes32 code = address(uint160(packed)).codehash;
        bytes32 body = keccak256(abi.encode(ARM, uint256(uint48(packed >> 160)), code));
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), body));
    }

    /// @dev The caller has checked that the batch has at least its header.
    function _digest(bytes calldata batch) internal view returns (bytes32 digest_) {
        bytes32 separator = domainSeparator();
        bytes32 kind = BATCH;
        assembly ("memory-safe") {
            let header := calldataload(batch.offset)
            let length := sub(batch.length, HEADER)
            let free := mload(0x40)
            calldatacopy(free, add(batch.offset, HEADER), length)
            let items := keccak256(free, length)
            mstore(free, kind)
            mstore(add(free, 32), shr(208, header))
            mstore(add(free, 64), and(shr(176, header), 0xffffffff))
            mstore(add(free, 96), items)
            let body := keccak256(free, 128)
            mstore(free, hex"1901")
            mstore(add(free, 2), separator)
            mstore(add(free, 34), body)
            digest_ := keccak256(free, 66)
        }
    }

    function _separator() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, NAME, VERSION, block.chainid, address(this)));
    }
}
