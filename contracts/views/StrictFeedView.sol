// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IAggregatorV2V3} from "../interfaces/IAggregatorV2V3.sol";
import {Trouble, peekWithTrouble} from "./Trouble.sol";

/// @title StrictFeedView: a view for consumers that check neither status nor age
/// @notice While the price is halted or stale, or the L2's sequencer is down, `latestAnswer` is 0 and `latestRoundData`
///         reverts; both revert while the sequencer's feed does. Not for consumers that shut down for good on a revert
///         (Liquity v2).
contract StrictFeedView is IAggregatorV2V3 {
    /// @notice The view behind this one.
    BaseView public immutable source;
    /// @notice Seconds after which a price is stale.
    uint256 public immutable maxAgeS;
    /// @notice The L2's sequencer feed, answer 0 for up; zero on a chain without one.
    IAggregatorV2V3 public immutable sequencer;
    /// @notice Seconds after the sequencer came back for which it still counts as down.
    uint256 public immutable graceS;
    /// @inheritdoc IAggregatorV2V3
    uint8 public immutable decimals;
    uint256 private immutable unit;

    /// @notice The price must not be used now.
    error Unusable(Trouble trouble);
    /// @notice A maxAgeS of 0 or more than a week, or a grace of more than a day.
    error BadAge();

    /// @param source_ any view
    /// @param maxAgeS_ 1 second to 1 week; more than the source's heartbeat
    /// @param sequencer_ the L2's sequencer feed, or zero
    /// @param graceS_ 0 to 1 day
    constructor(BaseView source_, uint256 maxAgeS_, IAggregatorV2V3 sequencer_, uint256 graceS_) {
        if (maxAgeS_ == 0 || maxAgeS_ > 1 weeks || graceS_ > 1 days) revert BadAge();
        (source, maxAgeS, sequencer, graceS) = (source_, maxAgeS_, sequencer_, graceS_);
        decimals = source_.decimals();
        unit = 10 ** (18 - decimals);
    }

    /// @notice What is wrong with the price now: 0 nothing, 1 no data, 2 halt, 3 stale, 4 sequencer.
    function trouble() public view returns (Trouble found) {
        (,,, found) = _peekAnswer();
    }

    /// @inheritdoc IAggregatorV2V3
    function latestRoundData() public view returns (uint80, int256, uint256, uint256, uint80) {
        (uint256 answer, uint256 updatedAt, uint256 roundTime, Trouble found) = _peekAnswer();
        if (found != Trouble.None) revert Unusable(found);
        uint80 round = uint80((1 << 64) | roundTime);
        return (round, int256(answer), updatedAt, updatedAt, round);
    }

    /// @inheritdoc IAggregatorV2V3
    function latestAnswer() public view returns (int256) {
        (uint256 answer,,, Trouble found) = _peekAnswer();
        return found == Trouble.None ? int256(answer) : int256(0);
    }

    /// @inheritdoc IAggregatorV2V3
    /// @dev Reverts for any round but the latest, as the source does; for the latest as `latestRoundData`.
    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        if (!_isLatest(round)) revert Unusable(Trouble.NoData);
        return latestRoundData();
    }

    /// @inheritdoc IAggregatorV2V3
    function latestTimestamp() public view returns (uint256) {
        return source.latestTimestamp();
    }

    /// @inheritdoc IAggregatorV2V3
    function latestRound() public view returns (uint256) {
        return source.latestRound();
    }

    /// @inheritdoc IAggregatorV2V3
    function getAnswer(uint256 round) external view returns (int256) {
        return _isLatest(round) ? latestAnswer() : int256(0);
    }

    /// @inheritdoc IAggregatorV2V3
    function getTimestamp(uint256 round) external view returns (uint256) {
        return _isLatest(round) ? latestTimestamp() : 0;
    }

    /// @inheritdoc IAggregatorV2V3
    function description() external view returns (string memory) {
        return string.concat(source.description(), ", strict");
    }

    /// @inheritdoc IAggregatorV2V3
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @dev A price too small for `decimals` counts as missing.
    function _peekAnswer() private view returns (uint256 answer, uint256 updatedAt, uint256 roundTime, Trouble found) {
        (answer, updatedAt, roundTime, found) = peekWithTrouble(source, maxAgeS);
        answer /= unit;
        if (found != Trouble.None) return (answer, updatedAt, roundTime, found);
        if (answer == 0) found = Trouble.NoData;
        else if (address(sequencer) != address(0) && !_isUp()) found = Trouble.Sequencer;
    }

    /// @dev Counts from startedAt, when the status changed: on most rollups Chainlink's feed moves updatedAt with every repeated
    ///      "up". A startedAt of 0 means not known, which counts as down.
    function _isUp() private view returns (bool) {
        (, int256 answer, uint256 startedAt,,) = sequencer.latestRoundData();
        return answer == 0 && startedAt != 0 && block.timestamp > startedAt + graceS;
    }

    function _isLatest(uint256 round) private view returns (bool) {
        return round != 0 && round == latestRound();
    }
}
