// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Connected} from "./Connected.sol";
import {ISources} from "../interfaces/ISources.sol";
import {IStakeSource} from "../interfaces/IStakeSource.sol";

/// @title What sources say of operators' stake: asked with bounded gas, kept at its lowest since the last freeze
/// @dev Sources call into code that is not ours, so they are called by STATICCALL only: nothing here can be entered again from one.
abstract contract StakeReader is ISources, Connected {
    uint256 private constant MOST_SOURCES = 4;
    uint256 private constant LEAST_GAS = 50_000;
    uint256 private constant SPARE_GAS = 10_000;
    /// @dev 309 million ether: weights of all members, of four sources each, fit in 96 bits.
    uint256 internal constant MOST_STAKE = type(uint88).max;
    uint256 private constant NO_ANSWER = type(uint256).max;
    uint256 private constant FAILED = 1 << 176;

    /// @notice What a source said of an operator since a freeze.
    /// @param lowest since that freeze, which is the first that it counts of
    /// @param counted at that freeze
    /// @param closes number of the freeze that closes the window; an operator that joins begins in an open one
    /// @param failed the source said nothing at that freeze, and the next one that it says nothing at counts 0
    struct Window {
        uint88 lowest;
        uint88 counted;
        uint32 closes;
        bool failed;
    }

    /// @notice Gas that a source is given to tell one operator's stake.
    uint256 public immutable sourceGas;
    /// @inheritdoc ISources
    mapping(address source => bool) public isSource;
    /// @notice How often stakes were frozen, with or without a set that came of it.
    uint32 public freezes;
    /// @dev closes 32 | failed 8 | counted 88 | lowest 88
    mapping(address source => mapping(address operator => uint256)) private windows;
    address[] private sourceList;

    /// @notice An operator's stake in a source is lower than everything that was seen since the last freeze.
    event StakeFell(address indexed source, address indexed operator, uint256 value);

    /// @notice None, more than 4, one twice, one without code, or less gas for each than 50,000.
    error BadSources();
    /// @notice The caller gave so little gas that a source might have failed for that alone.
    error GasTooLow();

    constructor(address[] memory sources_, uint256 sourceGas_) {
        if (sources_.length == 0 || sources_.length > MOST_SOURCES || sourceGas_ < LEAST_GAS) revert BadSources();
        for (uint256 i; i < sources_.length; ++i) {
            address source = sources_[i];
            if (source.code.length == 0 || isSource[source]) revert BadSources();
            isSource[source] = true;
        }
        (sourceList, sourceGas) = (sources_, sourceGas_);
    }

    /// @notice All sources of stake.
    function sources() public view returns (address[] memory) {
        return sourceList;
    }

    /// @notice What a source said of an operator.
    function windowOf(address source, address operator) external view returns (Window memory) {
        uint256 word = windows[source][operator];
        return Window(uint88(word), uint88(word >> 88), uint32(word >> 184), word & FAILED != 0);
    }

    /// @dev Not more than 32 bytes of the answer are copied, whatever is returned.
    /// @return value of the stake, `NO_ANSWER` if the source reverts or needs more gas than it is given
    function _ask(address source, address operator) private view returns (uint256 value) {
        bytes memory data = abi.encodeCall(IStakeSource.stakeOf, (operator));
        uint256 given = sourceGas;
        // a call is given 63 of 64 parts of the gas at most: with less, the caller would decide who fails
        if (gasleft() < given + given / 63 + SPARE_GAS) revert GasTooLow();
        bool answered;
        assembly ("memory-safe") {
            answered := staticcall(given, source, add(data, 32), mload(data), 0, 32)
            answered := and(answered, eq(returndatasize(), 32))
            value := mload(0)
        }
        if (!answered) return NO_ANSWER;
        return value < MOST_STAKE ? value : MOST_STAKE;
    }

    /// @dev Whether the last freeze is so near that what was said at it can stand for a source that fails.
    function _isFresh() internal view virtual returns (bool);

    /// @dev What counts if the window is closed with this answer.
    function _counted(uint256 window, uint256 answer) private view returns (uint256) {
        uint256 lowest = uint88(window);
        if (answer == NO_ANSWER) answer = window & FAILED != 0 || !_isFresh() ? 0 : uint88(window >> 88);
        return answer < lowest ? answer : lowest;
    }

    /// @dev What an operator's stake counts at a freeze now, and the sources' answers, for `_closeWindows`.
    function _stakeNow(address[] memory from, address operator)
        internal
        view
        returns (uint256 stake, uint256[] memory answers)
    {
        answers = new uint256[](from.length);
        for (uint256 i; i < from.length; ++i) {
            answers[i] = _ask(from[i], operator);
            stake += _counted(windows[from[i]][operator], answers[i]);
        }
    }

    /// @dev A freeze is made: what was said now is the first that counts in the next one's window.
    /// @param closes number of the next freeze
    function _closeWindows(address[] memory from, address operator, uint256[] memory answers, uint256 closes) internal {
        for (uint256 i; i < from.length; ++i) {
            uint256 answer = answers[i];
            uint256 counted = _counted(windows[from[i]][operator], answer);
            uint256 word = (closes << 184) | (counted << 88);
            windows[from[i]][operator] = word | (answer == NO_ANSWER ? FAILED | counted : answer);
        }
    }

    /// @dev An operator is a candidate from now on. Who was one in this window already gains nothing by going and coming back.
    /// @return stake by all sources that answer
    function _openWindows(address operator) internal returns (uint256 stake) {
        address[] memory from = sourceList;
        uint256 closes = freezes + 1;
        for (uint256 i; i < from.length; ++i) {
            uint256 answer = _ask(from[i], operator);
            if (answer == NO_ANSWER) answer = 0;
            stake += answer;
            if (windows[from[i]][operator] >> 184 == closes) _lower(from[i], operator, answer);
            else windows[from[i]][operator] = (closes << 184) | answer;
        }
    }

    /// @dev The sources say what an operator has now. Of a source that does not answer it is the lowest that is known.
    function _look(address operator) internal returns (uint256 stake) {
        address[] memory from = sourceList;
        for (uint256 i; i < from.length; ++i) {
            uint256 answer = _ask(from[i], operator);
            if (answer == NO_ANSWER) answer = uint88(windows[from[i]][operator]);
            stake += answer;
            _lower(from[i], operator, answer);
        }
    }

    /// @dev The lowest that was seen of an operator since the last freeze.
    function _lowest(address[] memory from, address operator) internal view returns (uint256 stake) {
        for (uint256 i; i < from.length; ++i) stake += uint88(windows[from[i]][operator]);
    }

    function _lower(address source, address operator, uint256 answer) private {
        uint256 window = windows[source][operator];
        if (answer >= uint88(window)) return;
        windows[source][operator] = (window & ~MOST_STAKE) | answer;
        emit StakeFell(source, operator, answer);
    }
}
