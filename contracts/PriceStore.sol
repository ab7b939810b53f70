// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IPriceStore} from "./interfaces/IPriceStore.sol";

/// @title PriceStore: market price and redemption rate of many tokens, signed by k of n operators
/// @notice Anyone may push: authority lies in the signatures. One slot a token, one digest a batch.
/// @dev Batch, big endian: epoch 6 | roundTime 4 | items of 30 bytes each.
///      Item: index 2 | market 11 | redemption 11 | spreadBps 2 | status 1 | marketAgeS 2 | redemptionAgeH 1.
///      Slot: the item's 28 bytes after the index, shifted left by 32 bits, with roundTime in the low 32 bits; so a
///      write is one shift. A registered token without data holds 1 in each price that it has and roundTime 0: the
///      write path then knows from the slot alone which fields must be present.
///      Signatures: signerIndex 1 | r 32 | vs 32 (EIP-2098), strictly ascending by signerIndex.
contract PriceStore is IPriceStore {
    uint256 private constant HEADER = 10;
    uint256 private constant ITEM = 30;
    uint256 private constant SIGNATURE = 65;
    uint256 private constant MAX_AHEAD_S = 30;
    uint256 private constant LOW_32 = type(uint32).max;
    uint256 private constant LOW_88 = type(uint88).max;
    uint256 private constant SAW_MARKET = 1 << 168;
    uint256 private constant SAW_REDEMPTION = 1 << 80;
    bytes32 private constant BATCH = keccak256("Batch(uint48 epoch,uint32 roundTime,bytes items)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("lrt-oracle");
    bytes32 private constant VERSION = keccak256("1");

    /// @notice Seconds after its roundTime for which a batch is taken.
    uint256 public immutable maxPushAgeS;
    uint256 private immutable chainAtStart;
    bytes32 private immutable separatorAtStart;

    /// @dev A fixed array: its slot needs no hashing on the write path.
    uint256[65536] private slots;

    struct SignerSet {
        address blob;
        uint48 epoch;
        uint48 threshold;
    }

    SignerSet private set;
    bytes32[] private ids;
    mapping(bytes32 id => uint256) private indexPlusOne;
    address public owner;
    address public pendingOwner;

    /// @notice A batch was taken: its digest, time, and how many of its items were news.
    event Pushed(bytes32 indexed digest, uint32 roundTime, uint256 written);
    event Registered(bytes32 indexed id, uint16 index, bool hasMarket, bool hasRedemption);
    event SignersSet(uint48 indexed epoch, uint48 threshold, address[] signers, uint96[] weights);
    event OwnershipTransferStarted(address indexed from, address indexed to);
    event OwnershipTransferred(address indexed from, address indexed to);

    error NotOwner(address caller);
    error BadSettings();
    error BadId(bytes32 id);
    error UnknownFeed(bytes32 id);
    error UnknownIndex(uint256 index);
    error BadLength(uint256 batch, uint256 signatures);
    error WrongEpoch(uint256 given, uint256 current);
    error TooOld(uint256 roundTime, uint256 blockTime);
    error TooFarAhead(uint256 roundTime, uint256 blockTime);
    error BadSignature(uint256 position);
    error BelowThreshold(uint256 weight, uint256 threshold);
    error BadStatus(uint256 index, uint256 status);
    error WrongPresence(uint256 index);
    error NothingNew();

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
        uint48 threshold
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
    function push(bytes calldata batch, bytes calldata signatures) external {
        uint256 length = batch.length;
        if (length < HEADER + ITEM || (length - HEADER) % ITEM != 0 || signatures.length % SIGNATURE != 0) {
            revert BadLength(length, signatures.length);
        }
        uint256 roundTime = uint32(bytes4(batch[6:10]));
        if (roundTime + maxPushAgeS < block.timestamp) revert TooOld(roundTime, block.timestamp);
        if (roundTime > block.timestamp + MAX_AHEAD_S) revert TooFarAhead(roundTime, block.timestamp);
        bytes32 digest_ = _check(batch, signatures);
        uint256 written;
        for (uint256 at = HEADER; at < length; at += ITEM) {
            uint256 item;
            assembly ("memory-safe") {
                item := shr(16, calldataload(add(batch.offset, at)))
            }
            uint256 index = item >> 224;
            uint256 old = slots[index];
            if (old == 0) revert UnknownIndex(index);
            if (roundTime <= old & LOW_32) continue;
            // the item's 28 bytes to the top, roundTime below them
            uint256 fresh = (item << 32) | roundTime;
            uint256 state = (fresh >> 56) & 0x0f;
            if (state == 0 || state > 4) revert BadStatus(index, state);
            bool market = fresh >> 168 != 0;
            bool redemption = (fresh >> 80) & LOW_88 != 0;
            if (market != (old >> 168 != 0) || redemption != ((old >> 80) & LOW_88 != 0)) {
                revert WrongPresence(index);
            }
            slots[index] = fresh;
            unchecked {
                ++written;
            }
        }
        if (written == 0) revert NothingNew();
        emit Pushed(digest_, uint32(roundTime), written);
    }

    /// @dev Checks epoch and signatures; returns the digest.
    function _check(bytes calldata batch, bytes calldata signatures) private view returns (bytes32 digest_) {
        SignerSet memory current = set;
        uint256 epoch = uint48(bytes6(batch[:6]));
        if (epoch != current.epoch) revert WrongEpoch(epoch, current.epoch);
        digest_ = digest(batch);
        bytes memory members = current.blob.code; // 0x00, then 32 bytes a signer: address 20 | weight 12
        uint256 count_ = (members.length - 1) / 32;
        uint256 weight;
        uint256 next; // lowest index that may come
        for (uint256 at; at < signatures.length; at += SIGNATURE) {
            uint256 index = uint8(signatures[at]);
            if (index < next || index >= count_) revert BadSignature(at / SIGNATURE);
            next = index + 1;
            uint256 member;
            bytes32 r;
            uint256 vs;
            assembly ("memory-safe") {
                member := mload(add(add(members, 33), shl(5, index)))
                r := calldataload(add(add(signatures.offset, at), 1))
                vs := calldataload(add(add(signatures.offset, at), 33))
            }
            address signer = ecrecover(digest_, uint8(27 + (vs >> 255)), r, bytes32(vs & (type(uint256).max >> 1)));
            if (signer == address(0) || signer != address(uint160(member >> 96))) revert BadSignature(at / SIGNATURE);
            weight += uint96(member);
        }
        if (weight < current.threshold) revert BelowThreshold(weight, current.threshold);
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
        return (word >> 168 != 0, (word >> 80) & LOW_88 != 0);
    }

    /// @notice Who may sign now.
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights)
    {
        bytes memory members = set.blob.code;
        uint256 count_ = (members.length - 1) / 32;
        signers = new address[](count_);
        weights = new uint96[](count_);
        for (uint256 i; i < count_; ++i) {
            uint256 member;
            assembly ("memory-safe") {
                member := mload(add(add(members, 33), shl(5, i)))
            }
            signers[i] = address(uint160(member >> 96));
            weights[i] = uint96(member);
        }
        return (set.epoch, set.threshold, signers, weights);
    }

    /// @notice EIP-712 digest of a batch, as operators sign it.
    function digest(bytes calldata batch) public view returns (bytes32) {
        bytes32 items = keccak256(batch[HEADER:]);
        bytes32 body = keccak256(
            abi.encode(BATCH, uint256(uint48(bytes6(batch[:6]))), uint256(uint32(bytes4(batch[6:10]))), items)
        );
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), body));
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
        slots[index] = (hasMarket ? SAW_MARKET : 0) | (hasRedemption ? SAW_REDEMPTION : 0);
        emit Registered(id, index, hasMarket, hasRedemption);
    }

    /// @notice Replace the signers. The epoch goes up, so what the old set signed is worth nothing any more.
    function setSigners(address[] calldata signers, uint96[] calldata weights, uint48 threshold) external onlyOwner {
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

    /// @dev More than half of the weight: two batches of one round then share an honest signer or prove a dishonest one.
    function _setSigners(address[] memory signers, uint96[] memory weights, uint48 threshold) private {
        uint256 count_ = signers.length;
        if (count_ == 0 || count_ > 255 || weights.length != count_) revert BadSettings();
        bytes memory members = new bytes(1 + 32 * count_);
        uint256 total;
        for (uint256 i; i < count_; ++i) {
            address signer = signers[i];
            if (signer == address(0) || weights[i] == 0) revert BadSettings();
            for (uint256 j; j < i; ++j) {
                if (signers[j] == signer) revert BadSettings();
            }
            total += weights[i];
            uint256 member = (uint256(uint160(signer)) << 96) | weights[i];
            assembly ("memory-safe") {
                mstore(add(add(members, 33), shl(5, i)), member)
            }
        }
        if (threshold > total || uint256(threshold) * 2 <= total) revert BadSettings();
        uint48 epoch = set.epoch + 1;
        set = SignerSet({blob: _write(members), epoch: epoch, threshold: threshold});
        emit SignersSet(epoch, threshold, signers, weights);
    }

    /// @dev Keeps bytes as the code of a contract: one cold account is cheaper to read than a slot for each signer.
    function _write(bytes memory data) private returns (address blob) {
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: returns what follows it
        bytes memory code = bytes.concat(hex"61", bytes2(uint16(data.length)), hex"80600a3d393df3", data);
        assembly ("memory-safe") {
            blob := create(0, add(code, 32), mload(code))
        }
        if (blob == address(0)) revert BadSettings();
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
