// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IKeyBook} from "../interfaces/IKeyBook.sol";
import {IPenalties} from "../interfaces/IPenalties.sol";
import {IStakedSet} from "../interfaces/IStakedSet.sol";
import {IStakeSource} from "../interfaces/IStakeSource.sol";
import {Signed, contradict, domainOf, epochOf, roundTimeOf, signerOf} from "./Equivocation.sol";
import {ProvenWeights} from "./ProvenWeights.sol";

/// @title Penalties: two words of one operator for one round, and what they cost it
/// @notice Anybody proves; the operator is jailed and cut from its sets, and a part of its stake is put aside in every source in the
///         same transaction. The part follows from who else lied. An arbiter can give it back until the dispute ends and can do
///         nothing else; after it anybody has it taken. Nobody owns this contract, and it holds nothing.
/// @dev Sources call code that is not ours. Each gets `SOURCE_GAS` and no more, and a caller that brings less is refused: what
///      fails has failed by itself. So a call needs gas for the worst case beside what it uses, which is below the 2^24 that a
///      transaction may have (EIP-7825): four sources and a removal are 15 million.
///
///      A step's dispute ends at most `disputeS` after the last second at which a word of the case's epoch can be proven, as
///      neither a proof nor a top-up is taken later. Stake answers for longer than that in every source (`needsS`).
contract Penalties is IPenalties, ProvenWeights {
    uint256 private constant MOST_FINDER_BPS = 500;
    uint256 private constant MOST_SOURCES = 4;
    uint256 private constant SOURCE_GAS = 3_000_000;
    uint256 private constant REMOVAL_GAS = 3_000_000;
    /// @dev What is left for the call itself, and for noting what came of it.
    uint256 private constant SPARE_GAS = 100_000;
    uint8 private constant RECORDED = 1;
    uint8 private constant OPENED = 2;

    /// @param disputeS seconds from a step to the end of its dispute
    /// @param executionS seconds that anybody has after it to have the stake taken
    /// @param minFraction what a lie costs if nobody else lied
    /// @param jailS for how long no freeze takes a proven operator; one that loses all, never again
    /// @param finderBps of what is taken, for who proved it: at most 500
    struct Settings {
        uint256 disputeS;
        uint256 executionS;
        uint256 minFraction;
        uint256 jailS;
        uint256 finderBps;
    }

    /// @notice A store whose batches and certificates the frozen sets sign, under the set's epoch numbers.
    struct Domain {
        uint256 chainId;
        address store;
    }

    /// @dev What two words prove. `epoch` and `weight`: of the latest frozen set in which one of their keys had weight.
    struct Lie {
        address operator;
        uint256 epoch;
        uint96 weight;
        uint256 roundTime;
        bytes32 evidence;
        address keyA;
        address keyB;
    }

    /// @dev A bit for each source. `outcome`: as the step was decided.
    struct Step {
        uint64 fraction;
        uint8 seized;
        uint8 settled;
        Outcome outcome;
    }

    /// @dev `cases`: those that were not given back. `forEver`: those of them that take all. `jailedUntil`: by the others.
    struct Standing {
        uint48 jailedUntil;
        uint32 cases;
        uint32 forEver;
    }

    /// @notice Who signs.
    IStakedSet public immutable set;
    /// @notice Who a key speaks for.
    IKeyBook public immutable book;
    /// @notice May give back until a dispute ends, and nothing else; zero for nobody.
    address public immutable arbiter;
    /// @notice Seconds from a step to the end of its dispute.
    uint256 public immutable disputeS;
    /// @notice Seconds that anybody has after a dispute to have the stake taken.
    uint256 public immutable executionS;
    /// @notice For how long no freeze takes a proven operator that does not lose all.
    uint256 public immutable jailS;
    /// @notice The finder's part of what is taken.
    uint256 public immutable finderBps;
    /// @notice For how many seconds after it was seen the stake of every source must be within reach.
    uint256 public immutable needsS;

    /// @notice Where stake lies, in the set's order.
    IStakeSource[] public sources;
    /// @notice EIP-712 domains whose words are evidence; the first is that of the set's store.
    bytes32[] public domains;
    /// @notice A step of a case, by `stepIdOf`.
    mapping(bytes32 stepId => Step) public steps;
    mapping(address operator => Standing) private standings;
    mapping(bytes32 caseId => Case) private cases;
    mapping(bytes32 evidence => uint8) private marks;
    bool private transient locked;

    /// @notice A source's stake is out of reach before a penalty can be carried out.
    error OutOfReach(address source, uint256 reachS, uint256 needsS);
    /// @notice The key speaks for nobody.
    error UnknownKey(address key);
    /// @notice The words are of two operators.
    error TwoOperators(address a, address b);
    /// @notice In no epoch that the words name had the operator's key weight.
    error NoWeight(address operator);
    /// @notice Words of the epoch could be proven, and its cases topped up, until then.
    error TooLate(uint256 provableUntil);
    /// @notice This evidence is recorded.
    error UsedEvidence(bytes32 evidence);
    /// @notice No more is due than was put aside.
    error NothingDue(uint256 fraction);
    /// @notice The case, or this step and source of it, is not in the state for this; or a reentrant call.
    error NotNow();
    /// @notice Only the arbiter.
    error NotArbiter(address caller);
    /// @notice The call needs that much gas at this point, so that nobody makes a source fail.
    error TooLittleGas(uint256 needed);

    modifier nonReentrant() {
        if (locked) revert NotNow();
        locked = true;
        _;
        locked = false;
    }

    /// @param sources_ in the set's order; deployed, and knowing how long their stake stays within reach
    /// @param domains_ the set's store first, then those that follow it, e.g. on other chains
    constructor(
        IStakedSet set_,
        IKeyBook book_,
        IStakeSource[] memory sources_,
        address arbiter_,
        Settings memory settings,
        Domain[] memory domains_
    ) ProvenWeights(settings.minFraction) {
        if (settings.disputeS == 0 || settings.disputeS > 365 days) revert BadSettings();
        if (settings.executionS == 0 || settings.executionS > 365 days) revert BadSettings();
        if (settings.jailS == 0 || settings.jailS > 36_500 days || settings.finderBps > MOST_FINDER_BPS) revert BadSettings();
        if (sources_.length == 0 || sources_.length > MOST_SOURCES || address(book_) == address(0)) revert BadSettings();
        if (domains_.length == 0 || domains_[0].store != set_.store()) revert BadSettings();
        (set, book, arbiter) = (set_, book_, arbiter_);
        (disputeS, executionS) = (settings.disputeS, settings.executionS);
        (jailS, finderBps) = (settings.jailS, settings.finderBps);
        // a source that fails at a freeze may have weight in it for stake of the freeze before
        uint256 needed = set_.keepsS() + set_.answerS() + settings.disputeS + settings.executionS;
        needsS = needed;
        for (uint256 i; i < sources_.length; ++i) {
            uint256 reachS = sources_[i].reachS();
            if (reachS < needed) revert OutOfReach(address(sources_[i]), reachS, needed);
            sources.push(sources_[i]);
        }
        for (uint256 i; i < domains_.length; ++i) domains.push(domainOf(domains_[i].chainId, domains_[i].store));
    }

    // ----------------------------------------------------------------------------------------------------- evidence

    /// @inheritdoc IPenalties
    function prove(Signed calldata a, Signed calldata b, uint16 index)
        external
        nonReentrant
        returns (bytes32 evidence, bytes32 caseId)
    {
        return _prove(domains[0], a, b, index);
    }

    /// @inheritdoc IPenalties
    function proveIn(uint256 domain, Signed calldata a, Signed calldata b, uint16 index)
        external
        nonReentrant
        returns (bytes32 evidence, bytes32 caseId)
    {
        return _prove(domains[domain], a, b, index);
    }

    function _prove(bytes32 domain, Signed calldata a, Signed calldata b, uint16 index)
        private
        returns (bytes32 evidence, bytes32 caseId)
    {
        Lie memory lie = _lieOf(domain, a, b);
        contradict(a.batch, b.batch, index);
        lie.roundTime = roundTimeOf(a.batch);
        (evidence, caseId) = (lie.evidence, _record(lie, index));
        book.retire(lie.keyA);
        if (lie.keyB != lie.keyA) book.retire(lie.keyB);
    }

    function _lieOf(bytes32 domain, Signed calldata a, Signed calldata b) private view returns (Lie memory lie) {
        (address keyA, bytes32 digestA) = signerOf(domain, a);
        (address keyB, bytes32 digestB) = signerOf(domain, b);
        lie.operator = _operatorOf(keyA, keyB);
        (lie.keyA, lie.keyB) = (keyA, keyB);
        (bytes32 low, bytes32 high) = digestA < digestB ? (digestA, digestB) : (digestB, digestA);
        lie.evidence = keccak256(abi.encode(lie.operator, low, high));
        _weigh(lie, keyA, epochOf(a.batch));
        _weigh(lie, keyB, epochOf(b.batch));
    }

    /// @dev Whoever a key spoke for when it signed: a key belongs to one operator for good.
    function _operatorOf(address keyA, address keyB) private view returns (address operator) {
        operator = book.operatorOf(keyA);
        if (operator == address(0)) revert UnknownKey(keyA);
        if (keyA == keyB) return operator;
        address other = book.operatorOf(keyB);
        if (other == address(0)) revert UnknownKey(keyB);
        if (other != operator) revert TwoOperators(operator, other);
    }

    /// @dev The case's epoch is the later of those in which the word's key had weight. A word for any other epoch is worth nothing
    ///      to a store, but it contradicts one that is worth something.
    function _weigh(Lie memory lie, address key, uint256 epoch) private view {
        (address member, uint96 weight) = set.memberOf(epoch, key);
        if (member != lie.operator || weight == 0) return;
        if (lie.weight == 0 || epoch > lie.epoch) (lie.epoch, lie.weight) = (epoch, weight);
    }

    /// @dev Evidence that only was recorded can still open a case after a give-back, if its round is later.
    function _record(Lie memory lie, uint16 index) private returns (bytes32 caseId) {
        if (lie.weight == 0) revert NoWeight(lie.operator);
        IStakedSet.Frozen memory frozen = set.frozenOf(lie.epoch);
        if (block.timestamp > frozen.provableUntil) revert TooLate(frozen.provableUntil);
        Record storage record = records[lie.epoch][lie.operator];
        bool opens = record.cases == 0 || (record.returnedAt != 0 && lie.roundTime > record.returnedAt);
        uint8 mark = marks[lie.evidence];
        if (mark == OPENED || (mark == RECORDED && !opens)) revert UsedEvidence(lie.evidence);
        marks[lie.evidence] = opens ? OPENED : RECORDED;
        if (opens) _count(lie.operator, lie.epoch, lie.weight);
        caseId = _caseIdOf(lie.operator, lie.epoch, record.cases);
        emit Proven(lie.evidence, lie.operator, caseId, uint48(lie.epoch), index, msg.sender);
        if (opens) _open(caseId, lie, frozen);
    }

    function _open(bytes32 caseId, Lie memory lie, IStakedSet.Frozen memory frozen) private {
        Case storage opened = cases[caseId];
        (opened.operator, opened.epoch) = (lie.operator, uint48(lie.epoch));
        (opened.weight, opened.finder) = (lie.weight, msg.sender);
        ++standings[lie.operator].cases;
        uint256 due = _due(lie.operator, lie.epoch, lie.weight, frozen);
        _jail(lie.operator, due);
        (bool removed,) = _tell(address(set), REMOVAL_GAS, abi.encodeCall(IStakedSet.remove, (lie.operator)));
        if (!removed) emit NotRemoved(lie.operator);
        _seize(caseId, opened, due, due);
    }

    /// @dev A case comes to a larger fraction. Never shorter than what another case has brought.
    function _jail(address operator, uint256 fraction) private {
        Standing storage standing = standings[operator];
        if (fraction == WHOLE) ++standing.forEver;
        else standing.jailedUntil = uint48(block.timestamp + jailS);
        _tellJail(operator, standing);
    }

    function _tellJail(address operator, Standing storage standing) private {
        set.jail(operator, standing.forEver == 0 ? standing.jailedUntil : type(uint48).max);
    }

    // ------------------------------------------------------------------------------------------------------- top-up

    /// @inheritdoc IPenalties
    function fractionDue(bytes32 caseId) external view returns (uint256) {
        Case storage known = cases[caseId];
        if (known.outcome == Outcome.None) return 0;
        return _due(known.operator, known.epoch, known.weight, set.frozenOf(known.epoch));
    }

    /// @inheritdoc IPenalties
    /// @dev A dispute that is over stays over: its steps are taken before a case is topped up.
    function topUp(bytes32 caseId) external nonReentrant {
        Case storage known = cases[caseId];
        bool inDispute = known.outcome == Outcome.Disputed && block.timestamp < known.disputeUntil;
        bool over = known.outcome == Outcome.Taken && known.settled == known.steps;
        if (!inDispute && !over) revert NotNow();
        IStakedSet.Frozen memory frozen = set.frozenOf(known.epoch);
        if (block.timestamp > frozen.provableUntil) revert TooLate(frozen.provableUntil);
        uint256 done = known.fraction;
        uint256 due = _due(known.operator, known.epoch, known.weight, frozen);
        if (due <= done) revert NothingDue(due);
        _jail(known.operator, due);
        _seize(caseId, known, due, (due - done) * WHOLE / (WHOLE - done));
    }

    // -------------------------------------------------------------------------------------------------------- steps

    /// @param part of what is left in each source, so that all steps together come to `due`
    function _seize(bytes32 caseId, Case storage known, uint256 due, uint256 part) private {
        uint16 step = known.steps;
        uint48 until = uint48(block.timestamp + disputeS);
        (known.steps, known.fraction, known.disputeUntil) = (step + 1, uint64(due), until);
        known.outcome = Outcome.Disputed;
        bytes32 stepId = stepIdOf(caseId, step);
        (steps[stepId].fraction, steps[stepId].outcome) = (uint64(part), Outcome.Disputed);
        bytes memory call_ = abi.encodeCall(IStakeSource.seize, (known.operator, part, _captureOf(known), stepId));
        (uint8 seized, uint256 value) = _tellAll(caseId, step, type(uint8).max, call_);
        steps[stepId].seized = seized;
        emit Seized(caseId, step, due, value, until);
    }

    /// @inheritdoc IPenalties
    /// @dev The operator stays out of all sets until it joins again, with another key: the proof retired those that lied.
    function giveBack(bytes32 caseId) external nonReentrant {
        if (msg.sender != arbiter) revert NotArbiter(msg.sender);
        Case storage known = cases[caseId];
        if (known.outcome != Outcome.Disputed || block.timestamp >= known.disputeUntil) revert NotNow();
        known.outcome = Outcome.Returned;
        address operator = known.operator;
        _uncount(operator, known.epoch);
        Standing storage standing = standings[operator];
        bool lasts = known.fraction == WHOLE;
        if (lasts) --standing.forEver;
        if (--standing.cases == 0) standing.jailedUntil = uint48(block.timestamp);
        if (lasts || standing.cases == 0) _tellJail(operator, standing);
        _settle(caseId, known);
    }

    /// @inheritdoc IPenalties
    function carryOut(bytes32 caseId) external nonReentrant {
        Case storage known = cases[caseId];
        if (known.outcome == Outcome.Disputed && block.timestamp >= known.disputeUntil) known.outcome = Outcome.Taken;
        if (known.outcome == Outcome.Disputed || known.settled == known.steps) revert NotNow();
        _settle(caseId, known);
    }

    /// @dev Steps in their order, while there is gas for the worst that one can need.
    function _settle(bytes32 caseId, Case storage known) private {
        (uint16 step, uint16 end, Outcome outcome, address finder) =
            (known.settled, known.steps, known.outcome, known.finder);
        uint256 worst = sources.length * _gasFor(SOURCE_GAS) + SPARE_GAS;
        uint256 value;
        do {
            value += _settleStep(caseId, step, outcome, finder);
            ++step;
        } while (step < end && gasleft() > worst);
        known.settled = step;
        emit Settled(caseId, outcome, value);
    }

    function _settleStep(bytes32 caseId, uint16 step, Outcome outcome, address finder) private returns (uint256) {
        bytes32 stepId = stepIdOf(caseId, step);
        Step storage known = steps[stepId];
        known.outcome = outcome;
        bytes memory call_ = outcome == Outcome.Taken
            ? abi.encodeCall(IStakeSource.take, (stepId, finder, finderBps))
            : abi.encodeCall(IStakeSource.restore, (stepId));
        (uint8 settled, uint256 value) = _tellAll(caseId, step, known.seized, call_);
        known.settled = settled;
        return outcome == Outcome.Taken ? value : 0;
    }

    /// @inheritdoc IPenalties
    function retry(bytes32 caseId, uint16 step, uint256 source) external nonReentrant {
        Case storage known = cases[caseId];
        bytes32 stepId = stepIdOf(caseId, step);
        Step storage tried = steps[stepId];
        IStakeSource where = sources[source];
        uint8 bit = uint8(1 << source);
        if (step >= known.steps || tried.settled & bit != 0) revert NotNow();
        if (tried.seized & bit == 0) {
            if (known.outcome == Outcome.Returned) revert NotNow();
            IStakedSet.Frozen memory frozen = set.frozenOf(known.epoch);
            bool inDispute = known.outcome == Outcome.Disputed && block.timestamp < known.disputeUntil;
            if (!inDispute && block.timestamp > frozen.provableUntil) revert TooLate(frozen.provableUntil);
            tried.seized |= bit;
            uint256 value = where.seize(known.operator, tried.fraction, _captureOf(known), stepId);
            emit Seized(caseId, step, known.fraction, value, known.disputeUntil);
        } else if (tried.outcome == Outcome.Taken) {
            tried.settled |= bit;
            emit Settled(caseId, Outcome.Taken, where.take(stepId, known.finder, finderBps));
        } else if (tried.outcome == Outcome.Returned) {
            tried.settled |= bit;
            where.restore(stepId);
            emit Settled(caseId, Outcome.Returned, 0);
        } else {
            revert NotNow();
        }
    }

    function _captureOf(Case storage known) private view returns (uint48) {
        return set.captureOf(known.epoch, known.operator);
    }

    /// @dev The same call to every source in `which`; who took it, and the sum of what they answered.
    function _tellAll(bytes32 caseId, uint16 step, uint8 which, bytes memory call_)
        private
        returns (uint8 taken, uint256 sum)
    {
        uint256 count = sources.length;
        for (uint256 i; i < count; ++i) {
            uint8 bit = uint8(1 << i);
            if (which & bit == 0) continue;
            address source = address(sources[i]);
            (bool done, uint256 value) = _tell(source, SOURCE_GAS, call_);
            if (done) taken |= bit;
            else emit SourceFailed(caseId, step, source);
            // what a source answers is only told on: no answer may stop the others
            if (done && value <= type(uint128).max) sum += value;
        }
    }

    /// @dev A call with exactly this gas, of whose answer one word is read, however long it is.
    function _tell(address to, uint256 gas_, bytes memory call_) private returns (bool done, uint256 value) {
        uint256 needed = _gasFor(gas_);
        if (gasleft() < needed) revert TooLittleGas(needed);
        assembly ("memory-safe") {
            mstore(0, 0)
            done := call(gas_, to, 0, add(call_, 32), mload(call_), 0, 32)
            value := mload(0)
        }
    }

    /// @dev A callee gets 63 of 64 parts of what is left at most (EIP-150).
    function _gasFor(uint256 gas_) private pure returns (uint256) {
        return gas_ + gas_ / 63 + SPARE_GAS;
    }

    // --------------------------------------------------------------------------------------------------------- read

    /// @inheritdoc IPenalties
    function isProven(bytes32 evidence) external view returns (bool) {
        return marks[evidence] != 0;
    }

    /// @inheritdoc IPenalties
    function caseOf(bytes32 caseId) external view returns (Case memory) {
        return cases[caseId];
    }

    /// @inheritdoc IPenalties
    function caseIn(address operator, uint256 epoch) external view returns (bytes32) {
        uint16 number = records[epoch][operator].cases;
        return number == 0 ? bytes32(0) : _caseIdOf(operator, epoch, number);
    }

    /// @notice What the sources know a step of a case by.
    function stepIdOf(bytes32 caseId, uint16 step) public pure returns (bytes32) {
        return keccak256(abi.encode(caseId, step));
    }

    function _caseIdOf(address operator, uint256 epoch, uint16 number) private pure returns (bytes32) {
        return keccak256(abi.encode(operator, epoch, number));
    }
}
