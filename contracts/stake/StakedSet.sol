// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {SetPlan} from "./SetPlan.sol";
import {StakeWindows} from "./StakeWindows.sol";
import {IKeyBook} from "../interfaces/IKeyBook.sol";
import {IStakedSet} from "../interfaces/IStakedSet.sol";

/// @title StakedSet: the operators with the most stake sign
/// @notice Owns the store. Once an epoch anybody has stakes frozen and the next set made of them (`rotate`); anybody has an operator
///         that was proven guilty, or whose stake has gone, cut from the sets that it is in (`remove`). Nobody names signers.
contract StakedSet is SetPlan {
    /// @dev So long after an operator was seen with too little stake it is cut, if it still has too little.
    uint256 private constant LOOK_AGAIN_S = 1 hours;
    /// @dev A look that is older counts for nothing: else it and one moment would do.
    uint256 private constant LOOK_KEPT_S = 1 days;

    /// @notice When a removal first saw less than the least stake of the operator; 0: none did, or one saw more since.
    mapping(address operator => uint48) public emptiedAt;
    /// @notice When stakes were last frozen; 0 if never.
    uint48 public frozenAt;
    /// @notice The newest epoch that a set was made for; 0 if none was, or if the last freeze made none.
    uint48 public scheduledEpoch;
    /// @notice When that set takes over, if it is armed by then.
    uint48 public scheduledAt;

    /// @notice The operator has less than the least stake: a look from then on that finds the same has it cut from its sets.
    event SeenEmptied(address indexed operator, uint256 removableFrom);
    /// @notice So much stake has left that T is not reached: no set was made. T goes on falling with each freeze.
    event Silent(uint48 indexed epochBefore, uint256 threshold, uint256 total);
    /// @notice The operator's weight in the set of this epoch is 0 from now on.
    event RemovedFrom(address indexed operator, uint48 indexed epoch);
    /// @notice The store refused: the operator has no weight there, or the others' does not reach T, or the set begins within 30 s.
    event NotRemovedFrom(address indexed operator, uint48 indexed epoch);

    /// @notice Stakes can be frozen then, not before.
    error TooEarly(uint256 from);
    /// @notice Fewer operators than the least can be members.
    error TooFewMembers(uint256 members, uint256 least);
    /// @notice The operator was not proven guilty and has its stake, or was not seen without it for long enough, or is in no set with
    ///         weight that can be spared.
    error NothingToRemove(address operator);

    /// @param store_ whose signers this decides; it is owned by this contract, or is offered to it later
    /// @param book_ whose keys sign
    /// @param sources_ where stake lies, 1 to 4, and the gas that each is given to tell one operator's
    /// @param settings fixed from here on
    /// @param maker_ connects this with the penalties and the rewards
    constructor(address store_, IKeyBook book_, StakeWindows.Source[] memory sources_, Settings memory settings, address maker_)
        SetPlan(store_, book_, sources_, settings, maker_)
    {}

    // ------------------------------------------------------------------------------------------------------- change

    /// @notice Freeze stakes and make the next set of them; anybody may, once an epoch, and again as soon as it is certain that a set
    ///         was not armed in time. Operators that were observed within the hour count by that, for the moment of the first; sources of the
    ///         others are asked now, which takes gas for all of them (`GasTooLow`).
    /// @return epoch of the set that was made; 0 if too much stake has left
    function rotate() public returns (uint48 epoch) {
        if (address(set) == address(0)) revert BadConnection();
        (uint48 inForce, Reference memory before) = _reference();
        uint256 due = _nextRotateAt(inForce);
        if (block.timestamp < due) revert TooEarly(due);
        address[] memory all = candidates();
        Next memory next = _next(before, all, windows.freeze(all, _isFresh()));
        if (next.members.length < minMembers) revert TooFewMembers(next.members.length, minMembers);
        frozenAt = uint48(block.timestamp);
        return next.threshold > next.total ? _stayed(next, inForce) : _made(next, inForce + 1);
    }

    /// @notice `rotate`, and right before it `observe` of these operators: what others made sources say of them since they were observed
    ///         last lowers one epoch and not two. Where all of them are too many for one transaction the others are observed before it.
    /// @return epoch of the set that was made; 0 if too much stake has left
    function observeAndRotate(address[] calldata operators) external returns (uint48 epoch) {
        windows.observe(operators);
        return rotate();
    }

    /// @inheritdoc IStakedSet
    /// @dev From the previous, present and next set, at once. One set that cannot spare it does not keep it from another. Who is in
    ///      jail is cut whatever sources do; otherwise, of a source that does not answer it has what it had, and a first look that
    ///      finds less than the least is noted only (`SeenEmptied`), until one that finds more.
    function remove(address operator) external {
        uint256 jailedAt = candidateOf[operator].jailedAt;
        (bool emptied, bool noted) = block.timestamp < jailedUntil(operator) ? (false, false) : _lookTwice(operator);
        uint48 epoch = _epochInForce();
        bool done;
        for (uint48 i = epoch - 1; i <= epoch + 1; ++i) {
            if (_removeFrom(i, operator, emptied ? type(uint256).max : jailedAt)) done = true;
        }
        if (!done && !noted) revert NothingToRemove(operator);
    }

    // --------------------------------------------------------------------------------------------------------- read

    /// @inheritdoc IStakedSet
    function store() external view returns (address) {
        return address(signerStore);
    }

    /// @notice When `rotate` can be called next, as far as is known now: a set that is not armed by then can be replaced sooner than
    ///         one that is.
    function nextRotateAt() external view returns (uint256) {
        return _nextRotateAt(_epochInForce());
    }

    // ------------------------------------------------------------------------------------------------------ rotation

    function _isFresh() internal view override returns (bool) {
        return block.timestamp <= frozenAt + KEPT_EPOCHS * epochS;
    }

    function _nextRotateAt(uint48 epoch) private view returns (uint256 at) {
        at = frozenAt == 0 ? 0 : frozenAt + epochS;
        if (scheduledEpoch <= epoch) return at;
        // the next set has not taken over: if it is armed it will; if not, it can be replaced from its time on
        if (at < scheduledAt || !signerStore.armed()) at = scheduledAt;
    }

    function _epochInForce() private view returns (uint48 epoch) {
        (epoch,,,) = signerStore.signerSet();
    }

    /// @dev No set can be made. What would be in force is what the next one is compared with.
    function _stayed(Next memory next, uint48 inForce) private returns (uint48) {
        (address[] memory keys, uint256[] memory seen, uint96[] memory weights) = _columns(next.members);
        silentRecord = _write(next.threshold, next.total, keys, seen, weights);
        (silentEpoch, silentAt, scheduledEpoch) = (inForce, uint48(block.timestamp), 0);
        emit Silent(inForce, next.threshold, next.total);
        return 0;
    }

    function _made(Next memory next, uint48 epoch) private returns (uint48) {
        uint96 threshold = uint96(next.threshold);
        (address[] memory keys, uint256[] memory seen, uint96[] memory weights) = _columns(next.members);
        uint256 capture = block.timestamp;
        for (uint256 i; i < seen.length; ++i) {
            if (next.members[i].capture < capture) capture = next.members[i].capture;
        }
        uint48 provableUntil = uint48(capture + answerS);
        _record(epoch, capture, provableUntil, _write(threshold, next.total, keys, seen, weights));
        for (uint256 i; i < seen.length; ++i) candidateOf[next.members[i].operator].boundUntil = provableUntil;
        newestBound = provableUntil;
        (scheduledEpoch, scheduledAt) = (epoch, uint48(block.timestamp + rotationDelayS));
        emit SetFrozen(epoch, uint48(capture), provableUntil, threshold, next.total);
        signerStore.setSigners(keys, weights, threshold, uint96(next.stepThreshold));
        return epoch;
    }

    function _columns(Row[] memory members)
        private
        pure
        returns (address[] memory keys, uint256[] memory seen, uint96[] memory weights)
    {
        uint256 count = members.length;
        (keys, seen, weights) = (new address[](count), new uint256[](count), new uint96[](count));
        for (uint256 i; i < count; ++i) {
            Row memory row = members[i];
            (keys[i], weights[i]) = (row.key, uint96(row.weight));
            seen[i] = _seenWord(row.operator, row.capture);
        }
    }

    // ------------------------------------------------------------------------------------------------------- removal

    /// @dev Who carries an operator above the least could leave and come back in one transaction, and have it cut in between.
    function _lookTwice(address operator) private returns (bool emptied, bool noted) {
        uint256 first = emptiedAt[operator];
        if (windows.look(operator) >= minStake) {
            noted = first != 0;
            if (noted) emptiedAt[operator] = 0;
        } else if (first == 0 || block.timestamp > first + LOOK_KEPT_S) {
            (emptiedAt[operator], noted) = (uint48(block.timestamp), true);
            emit SeenEmptied(operator, block.timestamp + LOOK_AGAIN_S);
        } else {
            emptied = block.timestamp >= first + LOOK_AGAIN_S;
        }
    }

    /// @param since of sets for which the operator was seen later it stays a member
    function _removeFrom(uint48 epoch, address operator, uint256 since) private returns (bool) {
        address record = _recordOf(epoch);
        if (record == address(0)) return false;
        (uint256 words, uint256 count) = _read(record);
        for (uint256 i; i < count; ++i) {
            if (_operatorAt(words, count, i) != operator) continue;
            if (since < _captureAt(words, count, i)) return false;
            uint8[] memory indexes = new uint8[](1);
            indexes[0] = uint8(i);
            try signerStore.removeSigners(epoch, indexes) {
                emit RemovedFrom(operator, epoch);
                return true;
            } catch {
                emit NotRemovedFrom(operator, epoch);
                return false;
            }
        }
        return false;
    }

    function _connected() internal view override {
        if (address(set) != address(this)) revert BadConnection();
    }
}
