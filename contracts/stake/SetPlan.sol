// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Connected} from "./Connected.sol";
import {FrozenSets} from "./FrozenSets.sol";
import {SetCandidates} from "./SetCandidates.sol";
import {SetGovernance} from "./SetGovernance.sol";
import {BPS, SetBefore, Weighed, WeightRules, changeLimit} from "./SetWeights.sol";
import {StakeWindows} from "./StakeWindows.sol";
import {WeightMath} from "./WeightMath.sol";
import {IKeyBook} from "../interfaces/IKeyBook.sol";
import {ISignerStore} from "../interfaces/ISignerStore.sol";
import {IStakedSet} from "../interfaces/IStakedSet.sol";
import {memberAt} from "../store/SignerSetCode.sol";

/// @title The rules of a set, and the set that would be made by them now
abstract contract SetPlan is FrozenSets, SetCandidates, SetGovernance {
    /// @dev For so many epochs after a freeze what counted at it may stand for a source that fails at the next one.
    uint256 internal constant KEPT_EPOCHS = 2;
    uint256 private constant MOST_MEMBERS = 31;
    uint256 private constant LEAST_STAKE = 1 gwei;
    uint256 private constant MOST_WAIT_S = 365 days;
    /// @dev 309 million ether: weights of all members, of four sources each, fit in 96 bits.
    uint256 private constant MOST_STAKE = type(uint88).max;

    /// @notice Fixed at deployment.
    /// @param epochS least seconds between two freezes
    /// @param joinDelayS least seconds from joining to the first freeze that counts an operator; an hour at least, as old as a moment can be
    /// @param evidenceS for how long after the last word of an epoch could be used it can be proven
    /// @param capBps largest share of one member
    /// @param minStake least stake of a member, in wei
    /// @param minMembers with fewer no set is made; enough that all can be at the cap
    /// @param maxMembers 31 at most
    /// @param thresholdBps T is the least above this part of the total; more than two thirds
    /// @param stepBps the same for the step threshold
    /// @param timelock may register, pause and resume feeds and migrate
    /// @param migrateDelayS more than a word can be proven for, which is what exits wait for
    struct Settings {
        uint256 epochS;
        uint256 joinDelayS;
        uint256 evidenceS;
        uint256 capBps;
        uint256 minStake;
        uint256 minMembers;
        uint256 maxMembers;
        uint256 thresholdBps;
        uint256 stepBps;
        address timelock;
        uint256 migrateDelayS;
    }

    /// @notice Why a candidate is in the next set, or is not.
    enum Place {
        Member,
        TooNew,
        TooLittleStake,
        OthersHaveMore
    }

    /// @notice A candidate at a freeze.
    /// @param stake that counts: the lowest since the last freeze, by source
    /// @param before weight in the set before
    /// @param weight in the next
    /// @param capture the moment of the freeze, the same in all rows: when the first operator was observed, or now
    struct Row {
        address operator;
        address key;
        Place place;
        uint256 stake;
        uint256 before;
        uint256 weight;
        uint48 capture;
    }

    /// @dev The set that follows from stakes: rows of all candidates, and rows of the members, ascending by key. T is above the total
    ///      if no set can be made.
    struct Next {
        Row[] rows;
        Row[] members;
        uint256 threshold;
        uint256 stepThreshold;
        uint256 total;
    }

    /// @dev What the next set is compared with. `since`: a reference that is in no store counts nobody who joined later.
    struct Reference {
        SetBefore sums;
        address[] operators;
        uint256[] weights;
        uint256 since;
    }

    /// @notice Least seconds between two freezes.
    uint256 public immutable epochS;
    /// @notice Least seconds from joining to the first freeze that counts an operator.
    uint256 public immutable joinDelayS;
    /// @notice For how many seconds a word can be proven after the last moment at which it could be used.
    uint256 public immutable evidenceS;
    /// @notice Largest share of one member.
    uint256 public immutable capBps;
    /// @notice With fewer no set is made.
    uint256 public immutable minMembers;
    /// @notice The most members.
    uint256 public immutable maxMembers;
    /// @notice T is the least weight above this part of the total.
    uint256 public immutable thresholdBps;
    /// @notice The step threshold is the least weight above this part of the total.
    uint256 public immutable stepBps;
    /// @inheritdoc IStakedSet
    uint256 public immutable answerS;
    /// @inheritdoc IStakedSet
    uint256 public immutable keepsS;
    uint256 private immutable observedS;
    uint256 internal immutable rotationDelayS;
    /// @dev Apart, so that this contract is not larger than a chain takes.
    WeightMath private immutable math = new WeightMath();

    /// @dev While the store is silent: what the next set is compared with instead of the set in force, which is `silentEpoch`.
    address internal silentRecord;
    uint48 internal silentEpoch;
    uint48 internal silentAt;

    /// @notice A setting does not fit the others or the store's.
    error SettingsDoNotFit();

    constructor(address store_, IKeyBook book_, StakeWindows.Source[] memory sources_, Settings memory s, address maker_)
        Connected(maker_)
        SetCandidates(book_, sources_, s.minStake, s.maxMembers)
        SetGovernance(ISignerStore(store_), s.timelock, s.migrateDelayS)
    {
        (epochS, joinDelayS, evidenceS, capBps) = (s.epochS, s.joinDelayS, s.evidenceS, s.capBps);
        (minMembers, maxMembers, thresholdBps, stepBps) = (s.minMembers, s.maxMembers, s.thresholdBps, s.stepBps);
        if (address(book_).code.length == 0 || s.timelock == address(0)) revert SettingsDoNotFit();
        if (s.minMembers == 0 || s.minMembers > s.maxMembers || s.maxMembers > MOST_MEMBERS) revert SettingsDoNotFit();
        // with fewer than all can be at the cap, the member with the least would decide what the others weigh
        if (s.capBps > BPS || s.minMembers * s.capBps < BPS) revert SettingsDoNotFit();
        if (s.thresholdBps * 3 <= BPS * 2 || s.stepBps < s.thresholdBps || s.stepBps > BPS) revert SettingsDoNotFit();
        if (s.minStake < LEAST_STAKE || s.minStake > MOST_STAKE || s.thresholdBps == BPS) revert SettingsDoNotFit();
        ISignerStore to = ISignerStore(store_);
        (uint256 delayS, uint256 longestS) = (to.rotationDelayS(), to.longestEpochS());
        rotationDelayS = delayS;
        if (s.epochS == 0 || longestS == 0 || s.epochS + delayS >= longestS) revert SettingsDoNotFit();
        if (s.evidenceS == 0 || s.evidenceS > MOST_WAIT_S) revert SettingsDoNotFit();
        observedS = windows.OBSERVED_S();
        // who comes back after a jail is in no freeze whose moment is one before it: `remove` would take it from that set too
        if (s.joinDelayS < observedS || s.joinDelayS > MOST_WAIT_S) revert SettingsDoNotFit();
        keepsS = observedS + KEPT_EPOCHS * s.epochS;
        answerS = observedS + delayS + longestS + to.overlapS() + to.maxPushAgeS() + s.evidenceS;
        if (s.migrateDelayS <= answerS) revert SettingsDoNotFit();
    }

    /// @notice The set that `rotate` would make now.
    /// @return rows all candidates, and why each is in it or is not
    /// @return threshold T; above the total if no set can be made
    /// @return stepThreshold weight with which a price may move by any step
    /// @return total of the weights
    function preview()
        external
        view
        returns (Row[] memory rows, uint256 threshold, uint256 stepThreshold, uint256 total)
    {
        (, Reference memory before) = _reference();
        address[] memory all = candidates();
        Next memory next = _next(before, all, windows.countedNow(all, _isFresh()));
        return (next.rows, next.threshold, next.stepThreshold, next.total);
    }

    /// @inheritdoc IStakedSet
    /// @dev A candidate that was observed may be frozen with that, unless it joined so lately that it is too old by then.
    function boundUntil(address operator) external view returns (uint48 bound) {
        Candidate storage one = candidateOf[operator];
        bound = one.boundUntil;
        uint256 seenAt = windows.seenAt(operator);
        if (seenAt == 0 || one.place == 0 || seenAt + observedS < one.joinedAt + joinDelayS) return bound;
        if (seenAt + answerS > bound) bound = uint48(seenAt + answerS);
    }

    /// @dev Whether the last freeze is so near that what was said at it can stand for a source that fails.
    function _isFresh() internal view virtual returns (bool);

    function _next(Reference memory before, address[] memory all, StakeWindows.Counted[] memory counted)
        internal
        view
        returns (Next memory next)
    {
        next.rows = new Row[](all.length);
        for (uint256 i; i < all.length; ++i) {
            Row memory row = next.rows[i];
            row.operator = all[i];
            row.key = book.keyOf(all[i]);
            (row.stake, row.capture) = (counted[i].stake, counted[i].capture);
            row.place = _placeOf(row);
            if (row.place == Place.Member) row.before = _weightBefore(before, all[i]);
        }
        Row[] memory members = _most(next.rows);
        Weighed memory weighed = _weighMembers(members, before.sums);
        (next.threshold, next.stepThreshold) = (weighed.threshold, weighed.stepThreshold);
        next.total = weighed.total;
        next.members = _sorted(members, true);
    }

    /// @dev Without what depends on others.
    function _placeOf(Row memory row) private view returns (Place) {
        if (block.timestamp < candidateOf[row.operator].joinedAt + joinDelayS) return Place.TooNew;
        return row.stake < minStake ? Place.TooLittleStake : Place.Member;
    }

    /// @dev The set that the next one is compared with: the one in force, as removals left it. While the store is silent, the
    ///      one that would be in force if T could be reached; still no epoch changes more than the one in force allows.
    function _reference() internal view returns (uint48 epoch, Reference memory before) {
        uint256 threshold;
        uint96[] memory weights;
        (epoch, threshold,, weights) = signerStore.signerSet();
        address record = _recordOf(epoch);
        if (record == address(0)) return (epoch, before); // signers of the store's deployment are no operators
        uint256 total;
        for (uint256 i; i < weights.length; ++i) total += weights[i];
        (before.sums.limit, before.since) = (changeLimit(threshold, total), type(uint256).max);
        bool silent = silentRecord != address(0) && silentEpoch == epoch;
        if (silent) (record, before.since) = (silentRecord, silentAt);
        (uint256 words, uint256 count) = _read(record);
        before.sums.threshold = silent ? uint96(_headAt(words)) : threshold;
        (before.operators, before.weights) = (new address[](count), new uint256[](count));
        for (uint256 i; i < count; ++i) {
            before.operators[i] = _operatorAt(words, count, i);
            before.weights[i] = silent ? uint96(memberAt(words, i)) : weights[i];
        }
        if (!silent) return (epoch, before);
        uint256 limit = changeLimit(before.sums.threshold, _headAt(words) >> 96);
        if (limit < before.sums.limit) before.sums.limit = limit;
    }

    function _weightBefore(Reference memory before, address operator) private view returns (uint256) {
        for (uint256 i; i < before.operators.length; ++i) {
            if (before.operators[i] != operator) continue;
            return candidateOf[operator].joinedAt > before.since ? 0 : before.weights[i];
        }
        return 0;
    }

    /// @dev Those with the most stake, descending; of equal stake the lower address.
    function _most(Row[] memory rows) private view returns (Row[] memory most) {
        most = _sorted(rows, false);
        uint256 count = most.length;
        if (count <= maxMembers) return most;
        for (uint256 i = maxMembers; i < count; ++i) most[i].place = Place.OthersHaveMore;
        _shorten(most, maxMembers);
    }

    /// @dev Who would weigh nothing, as there was next to nothing to share out, is no member.
    function _weighMembers(Row[] memory members, SetBefore memory before) private view returns (Weighed memory weighed) {
        uint256 count = members.length;
        uint256[] memory stakes = new uint256[](count);
        uint256[] memory weights = new uint256[](count);
        for (uint256 i; i < count; ++i) (stakes[i], weights[i]) = (members[i].stake, members[i].before);
        weighed = math.weightsOf(stakes, weights, before, WeightRules(capBps, thresholdBps, stepBps));
        for (uint256 i; i < count; ++i) {
            members[i].weight = weighed.weights[i];
            if (weighed.weights[i] == 0) members[i].place = Place.TooLittleStake;
        }
    }

    /// @dev Rows of members, ascending by key, or descending by stake.
    function _sorted(Row[] memory rows, bool byKey) private pure returns (Row[] memory sorted) {
        uint256 count;
        sorted = new Row[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            Row memory row = rows[i];
            if (row.place != Place.Member) continue;
            uint256 j = count++;
            for (; j > 0 && _isBefore(row, sorted[j - 1], byKey); --j) sorted[j] = sorted[j - 1];
            sorted[j] = row;
        }
        _shorten(sorted, count);
    }

    function _isBefore(Row memory a, Row memory b, bool byKey) private pure returns (bool) {
        if (byKey) return a.key < b.key;
        return a.stake == b.stake ? a.operator < b.operator : a.stake > b.stake;
    }

    function _shorten(Row[] memory rows, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(rows, length)
        }
    }
}
