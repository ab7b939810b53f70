// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Connected} from "./Connected.sol";
import {StakeWindows} from "./StakeWindows.sol";
import {IKeyBook} from "../interfaces/IKeyBook.sol";
import {ISources} from "../interfaces/ISources.sol";
import {IStakedSet} from "../interfaces/IStakedSet.sol";

/// @title Who may become a signer: a bounded list of operators that opted in, and whom a proof keeps out
abstract contract SetCandidates is IStakedSet, ISources, Connected {
    uint256 private constant SPARE_PLACES = 8;

    /// @param place in the list, from 1; 0: not a candidate
    /// @param jailedAt when it was last jailed; sets that were frozen later have it rightly
    /// @param guiltyUntil end of its jail by the penalties
    /// @param absentUntil end of its jail by the rewards
    /// @param boundUntil last second at which a word of the operator can be proven, by the sets that it was frozen in
    struct Candidate {
        uint8 place;
        uint48 joinedAt;
        uint48 jailedAt;
        uint48 guiltyUntil;
        uint48 absentUntil;
        uint48 boundUntil;
    }

    /// @notice What sources said of operators: made with the set, and written by it and by who observes.
    StakeWindows public immutable windows;
    /// @notice Whose keys sign.
    IKeyBook public immutable book;
    /// @notice Least stake of a member, in wei.
    uint256 public immutable minStake;
    /// @notice Most operators that can be candidates: some more than there are members.
    uint256 public immutable maxCandidates;
    /// @notice What is known of an operator.
    mapping(address operator => Candidate) public candidateOf;
    /// @dev `boundUntil` of the members of the newest set, and of nobody else.
    uint48 internal newestBound;
    address[] private list;

    /// @notice The operator may be a member from the first freeze that is late enough on.
    event Joined(address indexed operator, uint256 stake);
    /// @notice No freeze takes the operator from now on; sets that it is in keep it.
    event Left(address indexed operator);
    /// @notice The operator is no candidate and cannot join until then; a time that has passed: it can join again.
    event Jailed(address indexed operator, uint48 until);

    /// @notice The operator is a candidate already.
    error AlreadyJoined(address operator);
    /// @notice The operator is no candidate.
    error NotCandidate(address operator);
    /// @notice The operator cannot join until then.
    error InJail(address operator, uint48 until);
    /// @notice The operator has no report key.
    error NoKey(address operator);
    /// @notice The operator's stake, by all sources that answer, is less than the least.
    error TooLittleStake(uint256 stake, uint256 least);
    /// @notice All places are taken by operators of as much stake.
    error NoPlace(uint256 stake, uint256 least);

    modifier onlySource() {
        if (!isSource(msg.sender)) revert NotAllowed(msg.sender);
        _;
    }

    constructor(IKeyBook book_, StakeWindows.Source[] memory sources_, uint256 minStake_, uint256 maxMembers) {
        windows = new StakeWindows(sources_);
        (book, minStake, maxCandidates) = (book_, minStake_, maxMembers + SPARE_PLACES);
    }

    /// @notice The caller is an operator that wants to sign: with a key in the book, and enough stake. If all places are taken, it
    ///         takes that of the operator with the least stake that is no member of the newest set, if that is less than its own.
    function join() external {
        if (isCandidate(msg.sender)) revert AlreadyJoined(msg.sender);
        _join(msg.sender);
    }

    /// @notice The caller is an operator that no longer wants to sign, from the next freeze on.
    function leave() external {
        if (!isCandidate(msg.sender)) revert NotCandidate(msg.sender);
        _drop(msg.sender);
    }

    /// @inheritdoc IStakedSet
    /// @dev Nothing happens if the operator is a candidate.
    function joinFor(address operator) external onlySource {
        if (!isCandidate(operator)) _join(operator);
    }

    /// @inheritdoc IStakedSet
    /// @dev Nothing happens if the operator is no candidate, so that leaving a source is never refused here.
    function leaveFor(address operator) external onlySource {
        if (isCandidate(operator)) _drop(operator);
    }

    /// @inheritdoc IStakedSet
    /// @dev Of several calls the last counts, also where it ends sooner: the penalties know of all cases. Afterwards the operator
    ///      must join again.
    function jail(address operator, uint48 until) external onlyPenalties {
        candidateOf[operator].guiltyUntil = until;
        _jail(operator, until);
    }

    /// @inheritdoc IStakedSet
    function jailAbsent(address operator, uint48 until) external onlyRewards {
        if (until > candidateOf[operator].absentUntil) candidateOf[operator].absentUntil = until;
        _jail(operator, until);
    }

    /// @inheritdoc ISources
    function isSource(address source) public view returns (bool) {
        return windows.isSource(source);
    }

    /// @notice All sources of stake.
    function sources() external view returns (address[] memory) {
        return windows.sources();
    }

    /// @inheritdoc IStakedSet
    function isCandidate(address operator) public view returns (bool) {
        return candidateOf[operator].place != 0;
    }

    /// @notice Until when the operator cannot join.
    function jailedUntil(address operator) public view returns (uint48) {
        Candidate storage one = candidateOf[operator];
        return one.guiltyUntil > one.absentUntil ? one.guiltyUntil : one.absentUntil;
    }

    /// @notice All candidates, in no order.
    function candidates() public view returns (address[] memory) {
        return list;
    }

    function _join(address operator) private {
        Candidate storage one = candidateOf[operator];
        uint48 until = jailedUntil(operator);
        if (block.timestamp < until) revert InJail(operator, until);
        if (book.keyOf(operator) == address(0)) revert NoKey(operator);
        uint256 stake = windows.open(operator);
        if (stake < minStake) revert TooLittleStake(stake, minStake);
        if (list.length == maxCandidates) _makeRoom(stake);
        list.push(operator);
        (one.place, one.joinedAt) = (uint8(list.length), uint48(block.timestamp));
        emit Joined(operator, stake);
    }

    function _jail(address operator, uint48 until) private {
        emit Jailed(operator, until);
        if (until <= block.timestamp) return;
        candidateOf[operator].jailedAt = uint48(block.timestamp);
        if (isCandidate(operator)) _drop(operator);
    }

    /// @dev By what is recorded, which is cheap. Who is to go is looked at, as it may have more by now. No member goes: where
    ///      stake can be shown for one operator after another, it would push out all of them.
    function _makeRoom(uint256 stake) private {
        address[] memory all = list;
        uint256[] memory lowest = windows.lowestOf(all);
        address last;
        uint256 least = type(uint256).max;
        for (uint256 i; i < all.length; ++i) {
            bool isMember = newestBound != 0 && candidateOf[all[i]].boundUntil == newestBound;
            if (lowest[i] < least && !isMember) (last, least) = (all[i], lowest[i]);
        }
        least = windows.look(last);
        if (stake <= least) revert NoPlace(stake, least);
        _drop(last);
    }

    function _drop(address operator) private {
        uint8 place = candidateOf[operator].place;
        address moved = list[list.length - 1];
        list[place - 1] = moved;
        candidateOf[moved].place = place;
        list.pop();
        candidateOf[operator].place = 0;
        emit Left(operator);
    }
}
