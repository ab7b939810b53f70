// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IDeposits, IRewardsCoordinator} from "../../interfaces/IEigenLayer.sol";
import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {EigenService} from "./EigenService.sol";

/// @title Rewards that EigenLayer divides: directed to an operator, and by its split to those who delegated to it
/// @dev EigenLayer computes who gets what off chain, publishes a root, and is claimed from.
abstract contract EigenRewards is IStakeSource, EigenService {
    IDeposits private immutable deposits;

    /// @notice Handed to EigenLayer's rewards, for the operator and its stakers of that day.
    event RewardSubmitted(address indexed operator, address indexed token, uint256 amount, uint256 start, uint256 duration);

    /// @notice Ether is not taken here, or its amount is another; or no strategy can be paid through.
    error BadReward();
    /// @notice The operator is not in the epoch's frozen set, or was registered for no whole day around its freeze.
    error NoDay(uint48 epoch, address operator);
    /// @notice EigenLayer takes rewards of days that are over: of this one after that second.
    error DayNotOver(uint256 end);
    /// @notice EigenLayer takes no rewards of so long ago.
    error DayTooOld(uint256 start);
    /// @notice A token's or the wrapper's call failed.
    error CallFailed(address to);

    constructor() {
        deposits = coordinator.strategyManager();
    }

    /// @inheritdoc IStakeSource
    /// @dev EigenLayer divides it among the operator, by its split, and those who had delegated to it as the day of the freeze began,
    ///      and publishes a root that they claim by. Strategies weigh by their wei.
    function reward(uint48 epoch, address operator, address asset, uint256 amount)
        external
        payable
        onlyRewards
        nonReentrant
    {
        bool ether_ = asset == address(0);
        if (msg.value != (ether_ ? amount : 0) || (ether_ && weth == address(0))) revert BadReward();
        address token = ether_ ? weth : asset;
        if (ether_) _call(token, amount, abi.encodeWithSignature("deposit()"));
        _call(token, 0, abi.encodeWithSignature("approve(address,uint256)", address(coordinator), amount));
        (uint256 start, uint256 day) = _dayOf(epoch, operator);
        IRewardsCoordinator.OperatorDirectedRewardsSubmission[] memory all =
            new IRewardsCoordinator.OperatorDirectedRewardsSubmission[](1);
        all[0].strategiesAndMultipliers = _multipliers();
        all[0].token = token;
        all[0].operatorRewards = new IRewardsCoordinator.OperatorReward[](1);
        all[0].operatorRewards[0] = IRewardsCoordinator.OperatorReward(operator, amount);
        (all[0].startTimestamp, all[0].duration) = (uint32(start), uint32(day));
        all[0].description = "lrt-oracle: rounds signed";
        coordinator.createOperatorDirectedOperatorSetRewardsSubmission(_set(), all);
        emit RewardSubmitted(operator, token, amount, start, day);
    }

    /// @dev EigenLayer pays a day by what there was at its end, so it is the day before that of the freeze: what counts at a freeze was there
    ///      then, what comes later has no part in it. It knows no operator on the day on which it registers or leaves: of one that was
    ///      frozen on the day on which it came it is that day, of one that left on the day of the freeze it is a day less. No other day is
    ///      put in its place, or whoever claims would choose among them.
    function _dayOf(uint48 epoch, address operator) private view returns (uint256 start, uint256 day) {
        uint256 capture = set.captureOf(epoch, operator);
        if (capture == 0) revert NoDay(epoch, operator);
        day = coordinator.CALCULATION_INTERVAL_SECONDS();
        start = capture / day * day - day;
        Stay memory stay = stays[operator];
        bool left = stay.until >= capture && stay.until < start + 2 * day;
        if (left) start -= day;
        uint256 came = stay.since / day * day;
        if (stay.since <= capture && start < came) {
            if (left) revert NoDay(epoch, operator);
            start = came;
        }
        if (block.timestamp <= start + day) revert DayNotOver(start + day);
        if (start < _oldest()) revert DayTooOld(start);
    }

    function _oldest() private view returns (uint256) {
        uint256 genesis = coordinator.GENESIS_REWARDS_TIMESTAMP();
        uint256 retroactive = block.timestamp - coordinator.MAX_RETROACTIVE_LENGTH();
        return retroactive > genesis ? retroactive : genesis;
    }

    /// @dev What a share of a strategy earns beside others: its wei. One that cannot be read, or that EigenLayer does not take
    ///      deposits for any more, earns nothing and takes no other along.
    function _multipliers() private view returns (IRewardsCoordinator.StrategyAndMultiplier[] memory all) {
        all = new IRewardsCoordinator.StrategyAndMultiplier[](listed.length);
        uint256 count;
        for (uint256 i; i < listed.length; ++i) {
            address strategy = listed[i].strategy;
            if (strategy != NATIVE && !deposits.strategyIsWhitelistedForDeposit(strategy)) continue;
            uint256 wei_ = _worth(i, WHOLE);
            if (wei_ == 0 || wei_ > type(uint96).max) continue;
            all[count++] = IRewardsCoordinator.StrategyAndMultiplier(strategy, uint96(wei_));
        }
        if (count == 0) revert BadReward();
        assembly ("memory-safe") {
            mstore(all, count)
        }
    }

    /// @dev For tokens that answer nothing too.
    function _call(address to, uint256 value, bytes memory data) private {
        // solhint-disable-next-line avoid-low-level-calls
        (bool done, bytes memory answer) = to.call{value: value}(data);
        if (!done || to.code.length == 0 || (answer.length != 0 && !abi.decode(answer, (bool)))) revert CallFailed(to);
    }
}
