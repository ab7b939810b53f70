// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {memberAt, readSigners, thresholdOf, writeSigners} from "./SignerBlob.sol";
import {IPriceStore} from "./interfaces/IPriceStore.sol";
import {IPriceStoreErrors} from "./interfaces/IPriceStoreErrors.sol";

/// @title PriceStore: market price and redemption rate of many tokens, signed by k of n operators
/// @notice Anyone may push: authority lies in the signatures. One slot a token, one digest a batch.
/// @dev Batch, big endian: epoch 6 | roundTime 4 | items of 30 bytes each.
///      Item: index 2 | market 11 | redemption 11 | spreadBps 2 | status 1 | marketAgeS 2 | redemptionAgeH 1.
///      Slot: the item's 28 bytes after the index, shifted left by 32 bits, with roundTime in the low 32 bits; so a
///      write is one shift. A registered token without data holds 1 in each price that it has and roundTime 0: the
///      write path then knows from the slot alone which fields must be present.
///      Signatures: signerIndex 1 | r 32 | vs 32 (EIP-2098), strictly ascending by signerIndex.
contract PriceStore is IPriceStore, IPriceStoreErrors {
    uint256 private constant HEADER = 10;
    uint256 private constant ITEM = 30;
    uint256 private constant SIGNATURE = 65;
    uint256 private constant MAX_AHEAD_S = 30;
    uint256 private constant LOW_32 = type(uint32).max;
    uint256 private constant REDEMPTION = uint256(type(uint88).max) << 80;
    uint256 private constant ECRECOVER = 1; // the precompile's address
    // what a registered slot holds in a price that the token has, before there is data
    uint256 private constant HAS_MARKET = 1 << 168;
    uint256 private constant HAS_REDEMPTION = 1 << 80;
    bytes32 private constant BATCH = keccak256("Batch(uint48 epoch,uint32 roundTime,bytes items)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("lrt-oracle");
    bytes32 private constant VERSION = keccak256("1");

    /// @notice Seconds after its roundTime for which a batch is taken.
    uint256 public immutable maxPushAgeS;
    uint256 private immutable chainAtStart;
    bytes32 private immutable separatorAtStart;

    /// @dev A fixed array: no hashing on the write path, and the storage slot of a token is its index.
    uint256[65536] private slots;

    /// @dev One slot, with 40 bits to spare. Threshold, addresses and weights are in the code of `blob`.
    struct SignerSet {
        address blob;
        uint48 epoch;
        uint8 count;
    }

    SignerSet private set;
    bytes32[] private ids;
    mapping(bytes32 id => uint256) private indexPlusOne;
    /// @notice Registers tokens and sets the signers; has no part in prices.
    address public owner;
    /// @notice To whom the ownership was offered; zero for nobody.
    address public pendingOwner;

    /// @notice A batch was taken: its digest, time, and how many of its items were news.
    event Pushed(bytes32 indexed digest, uint32 roundTime, uint256 written);
    /// @notice A token was added.
    event Registered(bytes32 indexed id, uint16 index, bool hasMarket, bool hasRedemption);
    /// @notice Batches of this epoch are taken now, and of no other.
    event SignersSet(uint48 indexed epoch, uint96 threshold, address[] signers, uint96[] weights);
    /// @notice `to` may accept the ownership.
    event OwnershipTransferStarted(address indexed from, address indexed to);
    /// @notice `to` is the owner now.
    event OwnershipTransferred(address indexed from, address indexed to);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    /// @param owner_ registers tokens and sets signers; a timelock or a multi-signature wallet
    /// @param maxPushAgeS_ 1 to 3600
    /// @param signers addresses of the operators' report keys
    /// @param weights their stake weights, in the same order
    /// @param threshold weight that a batch needs, more than half of the total
    constructor(
        address owner_,
        uint256 maxPushAgeS_,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold
    ) {
        if (owner_ == address(0) || maxPushAgeS_ == 0 || maxPushAgeS_ > 3600) revert BadSettings();
        owner = owner_;
        maxPushAgeS = maxPushAgeS_;
        chainAtStart = block.chainid;
        separatorAtStart = _separator();
        emit OwnershipTransferred(address(0), owner_);
        _setSigners(signers, weights, threshold);
    }

    // ------------------------------------------------------------------------------------------------------- write

    /// @notice Take a batch. An item that is not newer than what is stored is skipped; if all are, it reverts.
    /// @param batch epoch, roundTime and items, as operators signed them
    /// @param signatures at least the threshold's weight of them, ascending by signer
    function push(bytes calldata batch, bytes calldata signatures) external {
        uint256 length = batch.length;
        if (length <= HEADER || length % ITEM != HEADER || signatures.length % SIGNATURE != 0) {
            revert BadLength(length, signatures.length);
        }
        uint256 at = _start(batch);
        uint256 roundTime = uint32(_word(at) >> 176);
        uint256 written;
        unchecked {
            if (roundTime + maxPushAgeS < block.timestamp) revert TooOld(roundTime, block.timestamp);
            if (roundTime > block.timestamp + MAX_AHEAD_S) revert TooFarAhead(roundTime, block.timestamp);
            bytes32 digest_ = _digest(batch);
            _check(_word(at) >> 208, digest_, signatures);
            uint256 end = at + length;
            for (at += HEADER; at < end; at += ITEM) {
                uint256 item = _word(at); // 30 bytes of it, and 2 of what follows
                uint256 index = item >> 240;
                uint256 old = slots[index];
                if (old == 0) revert UnknownIndex(index);
                if (roundTime <= old & LOW_32) continue;
                uint256 fresh = ((item << 16) & ~LOW_32) | roundTime;
                uint256 state = (fresh >> 56) & 0x0f;
                if (state == 0 || state > 4) revert BadStatus(index, state);
                // both have the market price or neither has; the same of the redemption rate
                if ((fresh >> 168 == 0) != (old >> 168 == 0)) revert WrongPresence(index);
                if ((fresh & REDEMPTION == 0) != (old & REDEMPTION == 0)) revert WrongPresence(index);
                slots[index] = fresh;
                ++written;
            }
            if (written == 0) revert NothingNew();
            emit Pushed(digest_, uint32(roundTime), written);
        }
    }

    /// @dev Reverts unless the epoch is the current one and signers of enough weight signed the digest.
    function _check(uint256 epoch, bytes32 digest_, bytes calldata signatures) private view {
        (address blob, uint256 current, uint256 count_) = (set.blob, set.epoch, set.count);
        if (epoch != current) revert WrongEpoch(epoch, current);
        uint256 members = readSigners(blob, count_);
        uint256 weight;
        uint256 next; // lowest signer index that may come: ascending, so nobody counts twice
        unchecked {
            uint256 at = _start(signatures);
            uint256 end = at + signatures.length;
            for (; at < end; at += SIGNATURE) {
                uint256 index = _word(at) >> 248;
                if (index < next || index >= count_) revert BadSignature((at - _start(signatures)) / SIGNATURE);
                next = index + 1;
                uint256 signer;
                // Solidity's own ecrecover costs some 90 gas more. `vs` is v - 27 in its top bit, then s: below 2^255,
                // so in the low form but for a chance of 2^-128; a second form of a signature would be worth nothing
                // more, as roundTime stops a replay and the ascending index a double. No answer leaves signer at 0.
                assembly ("memory-safe") {
                    let input := mload(0x40)
                    let vs := calldataload(add(at, 33))
                    mstore(input, digest_)
                    mstore(add(input, 32), add(27, shr(255, vs)))
                    mstore(add(input, 64), calldataload(add(at, 1)))
                    mstore(add(input, 96), shr(1, shl(1, vs)))
                    mstore(0, 0)
                    pop(staticcall(gas(), ECRECOVER, input, 128, 0, 32))
                    signer := mload(0)
                }
                uint256 member = memberAt(members, index);
                if (signer == 0 || signer != member >> 96) {
                    revert BadSignature((at - _start(signatures)) / SIGNATURE);
                }
                weight += uint96(member);
            }
        }
        if (weight < thresholdOf(members)) revert BelowThreshold(weight, thresholdOf(members));
    }

    // -------------------------------------------------------------------------------------------------------- read

    /// @inheritdoc IPriceStore
    function latest(bytes32 id) external view returns (Report memory) {
        return _report(slots[indexOf(id)]);
    }

    /// @inheritdoc IPriceStore
    function latestAt(uint16 index) external view returns (Report memory) {
        return _report(slots[index]);
    }

    /// @notice The raw word, for views that decode it themselves. Low 32 bits 0: no data yet.
    function slotAt(uint16 index) external view returns (uint256) {
        return slots[index];
    }

    /// @notice Index of a feed; reverts if it is not registered.
    function indexOf(bytes32 id) public view returns (uint16) {
        uint256 found = indexPlusOne[id];
        if (found == 0) revert UnknownFeed(id);
        return uint16(found - 1);
    }

    /// @inheritdoc IPriceStore
    function idAt(uint16 index) external view returns (bytes32) {
        if (index >= ids.length) revert UnknownIndex(index);
        return ids[index];
    }

    /// @inheritdoc IPriceStore
    function count() external view returns (uint256) {
        return ids.length;
    }

    /// @inheritdoc IPriceStore
    function presence(uint16 index) external view returns (bool hasMarket, bool hasRedemption) {
        uint256 word = slots[index];
        if (word == 0) revert UnknownIndex(index);
        return (word >> 168 != 0, word & REDEMPTION != 0);
    }

    /// @notice Who may sign now.
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights)
    {
        uint256 count_ = set.count;
        uint256 members = readSigners(set.blob, count_);
        signers = new address[](count_);
        weights = new uint96[](count_);
        for (uint256 i; i < count_; ++i) {
            uint256 member = memberAt(members, i);
            signers[i] = address(uint160(member >> 96));
            weights[i] = uint96(member);
        }
        return (set.epoch, thresholdOf(members), signers, weights);
    }

    /// @notice EIP-712 digest of a batch, as operators sign it. Nothing but the header's length is checked.
    function digest(bytes calldata batch) external view returns (bytes32) {
        if (batch.length < HEADER) revert BadLength(batch.length, 0);
        return _digest(batch);
    }

    /// @notice EIP-712 domain separator; it follows the chain through a fork.
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == chainAtStart ? separatorAtStart : _separator();
    }

    // ------------------------------------------------------------------------------------------------------- owner

    /// @notice Add a token. Its index and which prices it has are fixed for good.
    /// @param id BASE/QUOTE[@chain][#variant], printable ASCII, left-aligned, at most 31 bytes
    function register(bytes32 id, bool hasMarket, bool hasRedemption) external onlyOwner returns (uint16 index) {
        if (!_isId(id) || indexPlusOne[id] != 0) revert BadId(id);
        if (!hasMarket && !hasRedemption) revert WrongPresence(ids.length);
        if (ids.length > type(uint16).max) revert UnknownIndex(ids.length);
        index = uint16(ids.length);
        ids.push(id);
        indexPlusOne[id] = uint256(index) + 1;
        slots[index] = (hasMarket ? HAS_MARKET : 0) | (hasRedemption ? HAS_REDEMPTION : 0);
        emit Registered(id, index, hasMarket, hasRedemption);
    }

    /// @notice Replace the signers. The epoch goes up, so what the old set signed is worth nothing any more.
    function setSigners(address[] calldata signers, uint96[] calldata weights, uint96 threshold) external onlyOwner {
        _setSigners(signers, weights, threshold);
    }

    /// @notice Offer the ownership; it passes when the other side accepts.
    function transferOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipTransferStarted(owner, to);
    }

    /// @notice Accept the ownership that was offered to the caller.
    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert NotOwner(msg.sender);
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
        delete pendingOwner;
    }

    /// @dev The threshold is more than half of the weight, so that any two batches have a signer in common. With less,
    ///      two halves could each sign another price for the same round, and the one that lands first would stand; now
    ///      somebody has signed both, which proves who it was.
    function _setSigners(address[] memory signers, uint96[] memory weights, uint96 threshold) private {
        uint256 count_ = signers.length;
        if (count_ == 0 || count_ > 255 || weights.length != count_) revert BadSettings();
        uint256[] memory members = new uint256[](count_);
        uint256 total;
        for (uint256 i; i < count_; ++i) {
            address signer = signers[i];
            if (signer == address(0) || weights[i] == 0) revert BadSigner(i);
            for (uint256 j; j < i; ++j) {
                if (signers[j] == signer) revert BadSigner(i);
            }
            total += weights[i];
            members[i] = (uint256(uint160(signer)) << 96) | weights[i];
        }
        if (threshold > total || uint256(threshold) * 2 <= total) revert BadThreshold(threshold, total);
        uint48 epoch = set.epoch + 1;
        address blob = writeSigners(threshold, members);
        if (blob == address(0)) revert BadSettings();
        set = SignerSet({blob: blob, epoch: epoch, count: uint8(count_)});
        emit SignersSet(epoch, threshold, signers, weights);
    }

    // ----------------------------------------------------------------------------------------------------- helpers

    /// @dev The batch has at least its header.
    function _digest(bytes calldata batch) private view returns (bytes32 digest_) {
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

    /// @dev Offset of bytes in the calldata.
    function _start(bytes calldata data) private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := data.offset
        }
    }

    /// @dev 32 bytes of calldata. The caller has checked the length.
    function _word(uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(at)
        }
    }

    function _separator() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, NAME, VERSION, block.chainid, address(this)));
    }

    function _report(uint256 word) private pure returns (Report memory report) {
        if (word & LOW_32 == 0) return report;
        report.market = uint88(word >> 168);
        report.redemption = uint88(word >> 80);
        report.spreadBps = uint16(word >> 64);
        report.status = uint8(word >> 56);
        report.marketAgeS = uint16(word >> 40);
        report.redemptionAgeH = uint8(word >> 32);
        report.roundTime = uint32(word);
    }

    /// @dev Printable ASCII without gaps, then zeros; the last byte is always zero.
    function _isId(bytes32 id) private pure returns (bool) {
        bool ended;
        for (uint256 i; i < 32; ++i) {
            bytes1 c = id[i];
            if (c == 0) ended = true;
            else if (ended || i == 31 || c < 0x21 || c > 0x7e) return false;
        }
        return id[0] != 0;
    }
}
