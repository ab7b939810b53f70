// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {domainOf} from "../stake/Equivocation.sol";
import {IArbSys} from "../interfaces/IArbSys.sol";

/// @title OperatorDirectory: where the operators of a store are reached, in their own words
/// @notice An operator signs an announcement with its report key: addresses, and the key that speaks for it between
///         operators. Anybody may submit it. The newest of a key counts. Nobody owns this contract, and it holds no funds:
///         one serves all stores of its chain.
/// @dev The text is in an event and only its block is stored: a reader needs one call for all members of a set, and the logs
///      of one block for each whose announcement is new. Whether a key is a member of anything is not looked at here: a key
///      that is in no set announces to nobody. A member's own text is trusted no further than its signature goes.
contract OperatorDirectory {
    /// @dev counter 8 | body | r 32 | vs 32 (EIP-2098). The body is the operators' own format; this contract does not read it.
    uint256 private constant COUNTER = 8;
    uint256 private constant SIGNATURE = 64;
    uint256 private constant MOST_BYTES = 2_048;
    bytes32 private constant ANNOUNCE = keccak256("Announce(uint64 counter,bytes body)");
    IArbSys private constant ARB_SYS = IArbSys(address(100));

    /// @notice What is known of a key's newest announcement. A counter of 0: there is none.
    struct Place {
        uint64 counter;
        uint64 blockNumber;
    }

    /// @notice The newest announcement of a report key for a store: its counter, and the block whose logs have its text.
    mapping(address store => mapping(address signer => Place)) public announced;

    /// @notice `signer` announced itself to the operators of `store`. `announcement`: as it was submitted.
    event Announced(address indexed store, address indexed signer, uint64 counter, bytes announcement);

    /// @notice Fewer bytes than counter and signature with something in between, or more than 2,048.
    error WrongLength(uint256 length);
    /// @notice The signature recovers to no address.
    error NoSigner();
    /// @notice The key has announced itself with this counter or a higher one.
    error OldCounter(address signer, uint64 counter, uint64 known);

    /// @notice Submit an announcement. Anybody may: what it says, and of whom, is what its signature says.
    /// @param store whose operators are told; the signature binds it and this chain
    /// @param announcement counter | body | signature of `Announce(uint64 counter,bytes body)` in the store's EIP-712 domain
    /// @return signer the report key that signed it
    function announce(address store, bytes calldata announcement) external returns (address signer) {
        uint256 length = announcement.length;
        if (length <= COUNTER + SIGNATURE || length > MOST_BYTES) revert WrongLength(length);
        uint64 counter = uint64(bytes8(announcement[0:COUNTER]));
        signer = _signerOf(store, counter, announcement);
        Place storage place = announced[store][signer];
        if (counter <= place.counter) revert OldCounter(signer, counter, place.counter);
        (place.counter, place.blockNumber) = (counter, _blockNumber());
        emit Announced(store, signer, counter, announcement);
    }

    /// @notice The newest announcements of several report keys, in their order: a whole signer set in one call.
    function announcedBy(address store, address[] calldata signers) external view returns (Place[] memory places) {
        places = new Place[](signers.length);
        for (uint256 i; i < signers.length; ++i) places[i] = announced[store][signers[i]];
    }

    function _signerOf(address store, uint64 counter, bytes calldata announcement) private view returns (address signer) {
        uint256 end = announcement.length - SIGNATURE;
        bytes32 struct_ = keccak256(abi.encode(ANNOUNCE, counter, keccak256(announcement[COUNTER:end])));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domainOf(block.chainid, store), struct_));
        bytes32 r = bytes32(announcement[end:end + 32]);
        uint256 vs = uint256(bytes32(announcement[end + 32:]));
        signer = ecrecover(digest, uint8(27 + (vs >> 255)), r, bytes32((vs << 1) >> 1));
        if (signer == address(0)) revert NoSigner();
    }

    /// @dev The number by which nodes of this chain know the block.
    function _blockNumber() private view returns (uint64) {
        return uint64(address(ARB_SYS).code.length == 0 ? block.number : ARB_SYS.arbBlockNumber());
    }
}
