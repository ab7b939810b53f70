// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IDeposits, IRewardsCoordinator} from "../../interfaces/IEigenLayer.sol";
import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {EigenService} from "./EigenService.sol";

/// @title Rewards that EigenLayer divides: directed to an operator, and by its split to those who delegated to it
/// @dev EigenLayer computes who gets what off chain, publishes a root, and is claimed from.
abstract contract EigenRewards is IStakeSource, EigenService {
    IDeposits private immutable deposits;

    /// @dev When what was paid in a token was paid until.
    mapping(address operator => mapping(address token => uint256)) private paidUntil;

    /// @notice Handed to EigenLayer's rewards, for the operator and its stakers of that time.
    event RewardSubmitted(address indexed operator, address indexed token, uint256 amount, uint256 start, uint256 duration);

    /// @notice Ether is not taken here, or its amount is another; or no strategy can be paid through.
    error BadReward();
    /// @notice A token's or the wrapper's call failed.
    error CallFailed(address to);

    constructor() {
        deposits = coordinator.strategyManager();
    }

    /// @inheritdoc IStakeSource
    /// @dev EigenLayer divides it among the operator, by its split, and those who delegated to it on the days since it registered or
    ///      was last paid in this token, as far back as EigenLayer goes, and publishes a root that they claim by. Days are
    ///      whole and past; if none has passed, it is the last one. Strategies weigh by their wei.
    function reward(address operator, address asset, uint256 amount) external payable onlyRewards nonReentrant {
        bool ether_ = asset == address(0);
        if (msg.value != (ether_ ? amount : 0) || (ether_ && weth == address(0))) revert BadReward();
        address token = ether_ ? weth : asset;
        if (ether_) _call(token, amount, abi.encodeWithSignature("deposit()"));
        _call(token, 0, abi.encodeWithSignature("approve(address,uint256)", address(coordinator), amount));
        (uint256 start, uint256 end) = _days(operator, token);
        paidUntil[operator][token] = end;
        IRewardsCoordinator.OperatorDirectedRewardsSubmission[] memory all =
            new IRewardsCoordinator.OperatorDirectedRewardsSubmission[](1);
        all[0].strategiesAndMultipliers = _multipliers();
        all[0].token = token;
        all[0].operatorRewards = new IRewardsCoordinator.OperatorReward[](1);
        all[0].operatorRewards[0] = IRewardsCoordinator.OperatorReward(operator, amount);
        (all[0].startTimestamp, all[0].duration) = (uint32(start), uint32(end - start));
        all[0].description = "lrt-oracle: rounds signed";
        coordinator.createOperatorDirectedOperatorSetRewardsSubmission(_set(), all);
        emit RewardSubmitted(operator, token, amount, start, end - start);
    }

    function _days(address operator, address token) private view returns (uint256 start, uint256 end) {
        uint256 day = coordinator.CALCULATION_INTERVAL_SECONDS();
        end = (block.timestamp - 1) / day * day;
        start = _later(_up(registeredAt[operator], day), paidUntil[operator][token]);
        start = _later(start, _up(block.timestamp - coordinator.MAX_RETROACTIVE_LENGTH(), day));
        start = _later(start, end - coordinator.MAX_REWARDS_DURATION() / day * day);
        start = _later(start, coordinator.GENESIS_REWARDS_TIMESTAMP());
        if (start >= end) start = end - day;
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

    function _up(uint256 time, uint256 day) private pure returns (uint256) {
        return (time + day - 1) / day * day;
    }

    function _later(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
