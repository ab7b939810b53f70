// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ISources} from "../interfaces/ISources.sol";
import {IStakeSource} from "../interfaces/IStakeSource.sol";

/// @title StakeWindows: what sources said of operators' stake
/// @notice Made by a set for itself. Of each source and operator it keeps the lowest answer since the last freeze, and the newest one,
///         which a freeze takes for its own as long as it is not old: so operators can be asked in parts before it.
/// @dev Sources call into code that is not ours, so they are called by STATICCALL only: nothing here can be entered again from one.
///      A source gets the gas that was fixed for it and no more, and a caller that brings less is refused: nobody makes one fail.
contract StakeWindows is ISources {
    uint256 private constant MOST_SOURCES = 4;
    uint256 private constant LEAST_GAS = 50_000;
    /// @dev Of all sources for one operator. An operator that takes another's place has both asked in one transaction (2^24 gas).
    uint256 private constant MOST_GAS = 7_000_000;
    uint256 private constant SPARE_GAS = 10_000;
    /// @dev 309 million ether: weights of all members, of four sources each, fit in 96 bits.
    uint256 private constant MOST_STAKE = type(uint88).max;
    uint256 private constant NO_ANSWER = type(uint256).max;
    uint256 private constant FAILED = 1 << 176;
    uint256 private constant UNHEARD = 1 << 177;
    uint256 private constant BELOW_SEEN = (1 << 216) - 1;

    /// @notice For how many seconds a freeze takes what was observed for what sources say at it.
    uint256 public constant OBSERVED_S = 1 hours;

    /// @param at the source
    /// @param gas that it is given to tell one operator's stake
    struct Source {
        address at;
        uint96 gas;
    }

    /// @notice What a source said of an operator since a freeze.
    /// @param lowest since that freeze, which is the first that it counts of
    /// @param counted at that freeze
    /// @param closes number of the freeze that closes the window; an operator that joins begins in an open one
    /// @param failed the source said nothing at that freeze, and the next one that it says nothing at counts 0
    /// @param seenAt when the operator was observed last, of all sources the same; 0: not in this window
    /// @param heard the source answered then
    /// @param seen what it answered
    struct Window {
        uint88 lowest;
        uint88 counted;
        uint32 closes;
        bool failed;
        uint40 seenAt;
        bool heard;
        uint88 seen;
    }

    /// @notice What an operator has at a freeze.
    /// @param stake that counts, by all sources
    /// @param capture when they said it: of all sources the same moment
    struct Counted {
        uint256 stake;
        uint48 capture;
    }

    /// @notice The set that these are the windows of.
    address public immutable set;
    /// @inheritdoc ISources
    mapping(address source => bool) public isSource;
    /// @notice How often stakes were frozen, with or without a set that came of it.
    uint32 public freezes;
    /// @notice The moment that operators are observed for since the last freeze, all the same one: the first observation's. 0 if none
    ///         was; over after `OBSERVED_S`, and the next observation begins another.
    uint48 public moment;
    /// @dev seenAt 40 | closes 32 | flags 8 | counted 88 | lowest 88
    mapping(address source => mapping(address operator => uint256)) private windows;
    /// @dev The answer at `seenAt`; stale where the flags say that there was none.
    mapping(address source => mapping(address operator => uint256)) private seen;
    Source[] private sourceList;

    /// @notice An operator's stake in a source is lower than everything that was seen since the last freeze.
    event StakeFell(address indexed source, address indexed operator, uint256 value);

    /// @notice None, more than 4, one twice, one without code, less gas for one than 50,000, or more for all than 7,000,000.
    error BadSources();
    /// @notice With so little gas a source might fail for that alone. Before a freeze, `observe` operators in parts.
    error GasTooLow();
    /// @notice The caller is not the set.
    error NotAllowed(address caller);

    modifier onlySet() {
        if (msg.sender != set) revert NotAllowed(msg.sender);
        _;
    }

    /// @param sources_ where stake lies, and what each may use
    constructor(Source[] memory sources_) {
        if (sources_.length == 0 || sources_.length > MOST_SOURCES) revert BadSources();
        uint256 all;
        for (uint256 i; i < sources_.length; ++i) {
            Source memory one = sources_[i];
            if (one.at.code.length == 0 || isSource[one.at] || one.gas < LEAST_GAS) revert BadSources();
            isSource[one.at] = true;
            all += one.gas;
            sourceList.push(one);
        }
        if (all > MOST_GAS) revert BadSources();
        set = msg.sender;
    }

    // ------------------------------------------------------------------------------------------------------- observe

    /// @notice Anybody: ask all sources what operators have now, and had at the moment of the first observation since the last freeze. The
    ///         lowest that anybody saw since then is the most that counts at the next one, and for an hour a freeze takes the newest
    ///         answers for its own. A source that fails replaces no answer of that moment. Who is no candidate, and was none
    ///         at the last freeze, is passed over.
    function observe(address[] calldata operators) external {
        Source[] memory from = sourceList;
        uint48 at = _moment();
        moment = at;
        for (uint256 i; i < operators.length; ++i) {
            if (_isOpen(windows[from[0].at][operators[i]])) _see(from, operators[i], at);
        }
    }

    /// @notice Only the set: what one operator has now, which no freeze takes for its own.
    /// @return stake by all sources; of one that does not answer the lowest that is known
    function look(address operator) external onlySet returns (uint256 stake) {
        Source[] memory from = sourceList;
        for (uint256 i; i < from.length; ++i) {
            stake += _lowered(from[i].at, operator, _ask(from[i], operator, uint48(block.timestamp)));
        }
    }

    /// @notice Only the set: an operator is a candidate from now on. Who was one in this window already gains nothing by going and
    ///         coming back.
    /// @return stake by all sources that answer
    function open(address operator) external onlySet returns (uint256 stake) {
        Source[] memory from = sourceList;
        for (uint256 i; i < from.length; ++i) {
            uint256 answer = _ask(from[i], operator, uint48(block.timestamp));
            if (answer == NO_ANSWER) answer = 0;
            stake += answer;
            if (_isOpen(windows[from[i].at][operator])) _lowered(from[i].at, operator, answer);
            else windows[from[i].at][operator] = ((uint256(freezes) + 1) << 184) | answer;
        }
    }

    // -------------------------------------------------------------------------------------------------------- freeze

    /// @notice Only the set: stakes of all candidates are frozen, of one moment. What sources say of it now, or said when the operator
    ///         was observed, is the first that counts in the next window.
    /// @param isFresh whether the last freeze is so near that what counted at it can stand for a source that fails
    function freeze(address[] calldata operators, bool isFresh) external onlySet returns (Counted[] memory counted) {
        Source[] memory from = sourceList;
        uint256 closes = uint256(++freezes) + 1;
        uint48 capture = _moment();
        delete moment;
        counted = new Counted[](operators.length);
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            counted[i].capture = capture;
            for (uint256 j; j < from.length; ++j) {
                address at = from[j].at;
                uint256 word = windows[at][operator];
                uint256 answer = _answerOf(from[j], operator, word, capture);
                uint256 value = _countedOf(word, answer, isFresh);
                counted[i].stake += value;
                windows[at][operator] =
                    (closes << 184) | (value << 88) | (answer == NO_ANSWER ? FAILED | value : answer);
            }
        }
    }

    /// @notice What `freeze` would find now.
    function countedNow(address[] calldata operators, bool isFresh) external view returns (Counted[] memory counted) {
        Source[] memory from = sourceList;
        uint48 capture = _moment();
        counted = new Counted[](operators.length);
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            counted[i].capture = capture;
            for (uint256 j; j < from.length; ++j) {
                uint256 word = windows[from[j].at][operator];
                counted[i].stake += _countedOf(word, _answerOf(from[j], operator, word, capture), isFresh);
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- read

    /// @notice All sources of stake.
    function sources() external view returns (address[] memory all) {
        all = new address[](sourceList.length);
        for (uint256 i; i < all.length; ++i) all[i] = sourceList[i].at;
    }

    /// @notice Gas that a source is given to tell one operator's stake; 0 if it is none of them.
    function gasOf(address source) external view returns (uint256) {
        for (uint256 i; i < sourceList.length; ++i) {
            if (sourceList[i].at == source) return sourceList[i].gas;
        }
        return 0;
    }

    /// @notice What a source said of an operator.
    function windowOf(address source, address operator) external view returns (Window memory) {
        uint256 word = windows[source][operator];
        bool heard = word > BELOW_SEEN && word & UNHEARD == 0;
        return Window({
            lowest: uint88(word),
            counted: uint88(word >> 88),
            closes: uint32(word >> 184),
            failed: word & FAILED != 0,
            seenAt: uint40(word >> 216),
            heard: heard,
            seen: heard ? uint88(seen[source][operator]) : 0
        });
    }

    /// @notice The moment that the operator was observed for, if a freeze would take that now; 0 if it would ask.
    function seenAt(address operator) external view returns (uint256) {
        uint256 word = windows[sourceList[0].at][operator];
        return _isOpen(word) && _isSeen(word, _moment()) ? word >> 216 : 0;
    }

    /// @notice The lowest that was seen of each operator since the last freeze, by all sources together.
    function lowestOf(address[] calldata operators) external view returns (uint256[] memory stakes) {
        Source[] memory from = sourceList;
        stakes = new uint256[](operators.length);
        for (uint256 i; i < operators.length; ++i) {
            for (uint256 j; j < from.length; ++j) stakes[i] += uint88(windows[from[j].at][operators[i]]);
        }
    }

    // ------------------------------------------------------------------------------------------------------ internal

    /// @dev What a freeze captures: of all operators and sources the same moment. Who could move stake from one operator to another in
    ///      between would have it counted twice, and a capture reaches it once.
    function _moment() private view returns (uint48) {
        uint48 at = moment;
        return at != 0 && block.timestamp <= at + OBSERVED_S ? at : uint48(block.timestamp);
    }

    /// @dev An observation replaces another of the same moment only if every source that answered then answers now: who finds a
    ///      moment in which a source fails changes nothing for an operator that was observed, and whoever observes again mends it.
    function _see(Source[] memory from, address operator, uint48 at) private {
        uint256[] memory answers = new uint256[](from.length);
        bool replaces = true;
        for (uint256 i; i < from.length; ++i) {
            answers[i] = _ask(from[i], operator, at);
            uint256 word = windows[from[i].at][operator];
            if (answers[i] == NO_ANSWER && _isSeen(word, at) && word & UNHEARD == 0) replaces = false;
        }
        for (uint256 i; i < from.length; ++i) {
            address source = from[i].at;
            _lowered(source, operator, answers[i]);
            if (!replaces) continue;
            uint256 word = (windows[source][operator] & BELOW_SEEN & ~UNHEARD) | (uint256(at) << 216);
            if (answers[i] == NO_ANSWER) word |= UNHEARD;
            else seen[source][operator] = answers[i];
            windows[source][operator] = word;
        }
    }

    /// @dev The lowest that was seen since the last freeze.
    /// @return value the answer, or the lowest that is known if there is none
    function _lowered(address source, address operator, uint256 answer) private returns (uint256 value) {
        uint256 word = windows[source][operator];
        if (answer == NO_ANSWER) return uint88(word);
        if (answer < uint88(word)) {
            windows[source][operator] = (word & ~MOST_STAKE) | answer;
            emit StakeFell(source, operator, answer);
        }
        return answer;
    }

    /// @dev What a freeze takes for the source's answer.
    function _answerOf(Source memory source, address operator, uint256 word, uint48 at) private view returns (uint256) {
        if (!_isSeen(word, at)) return _ask(source, operator, at);
        return word & UNHEARD != 0 ? NO_ANSWER : seen[source.at][operator];
    }

    /// @dev What counts if the window is closed with this answer.
    function _countedOf(uint256 word, uint256 answer, bool isFresh) private pure returns (uint256) {
        uint256 lowest = uint88(word);
        if (answer == NO_ANSWER) answer = word & FAILED != 0 || !isFresh ? 0 : uint88(word >> 88);
        return answer < lowest ? answer : lowest;
    }

    /// @dev Whether the operator was observed for this moment. A window that a freeze opened is of none.
    function _isSeen(uint256 word, uint48 at) private pure returns (bool) {
        return word >> 216 == at;
    }

    function _isOpen(uint256 word) private view returns (bool) {
        return uint32(word >> 184) == freezes + 1;
    }

    /// @dev Not more than 32 bytes of the answer are copied, whatever is returned.
    /// @return value of the stake, `NO_ANSWER` if the source reverts or needs more gas than it is given
    function _ask(Source memory source, address operator, uint48 at) private view returns (uint256 value) {
        bytes memory data = abi.encodeCall(IStakeSource.stakeSince, (operator, at));
        (address to, uint256 given) = (source.at, source.gas);
        // a call is given 63 of 64 parts of the gas at most: with less, the caller would decide who fails
        if (gasleft() < given + given / 63 + SPARE_GAS) revert GasTooLow();
        bool answered;
        assembly ("memory-safe") {
            answered := staticcall(given, to, add(data, 32), mload(data), 0, 32)
            answered := and(answered, eq(returndatasize(), 32))
            value := mload(0)
        }
        if (!answered) return NO_ANSWER;
        return value < MOST_STAKE ? value : MOST_STAKE;
    }
}
