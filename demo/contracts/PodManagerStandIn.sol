// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

interface IDelegationShares {
    function increaseDelegatedShares(address staker, address strategy, uint256 before, uint256 added) external;
}

/// A stand-in for EigenLayer's EigenPodManager, which is in no package in its form of v1.4: shares of native restaking without
/// pods, validators or proofs. Whoever wants them has them. What the core asks and tells of shares is kept as the real one does;
/// nothing is ever paid out, and the beacon chain slashes nobody.
contract PodManagerStandIn {
    address public constant STRATEGY = 0xbeaC0eeEeeeeEEeEeEEEEeeEEeEeeeEeeEEBEaC0;

    address public immutable delegation;
    uint256 public burnableShares;
    mapping(address staker => uint256) private shares;

    error NotDelegation();
    error NotThisStrategy();

    modifier onlyDelegation(address strategy) {
        if (msg.sender != delegation) revert NotDelegation();
        if (strategy != STRATEGY) revert NotThisStrategy();
        _;
    }

    constructor(address delegation_) {
        delegation = delegation_;
    }

    /// In place of a pod whose validators' balances were proven: `amount` wei more of the caller's.
    function restake(uint256 amount) external {
        uint256 before = shares[msg.sender];
        shares[msg.sender] = before + amount;
        IDelegationShares(delegation).increaseDelegatedShares(msg.sender, STRATEGY, before, amount);
    }

    function stakerDepositShares(address staker, address strategy) external view returns (uint256) {
        return strategy == STRATEGY ? shares[staker] : 0;
    }

    function beaconChainSlashingFactor(address) external pure returns (uint64) {
        return 1e18;
    }

    function increaseBurnableShares(address strategy, uint256 added) external onlyDelegation(strategy) {
        burnableShares += added;
    }

    function removeDepositShares(address staker, address strategy, uint256 removed)
        external
        onlyDelegation(strategy)
        returns (uint256)
    {
        return shares[staker] -= removed;
    }

    function addShares(address staker, address strategy, uint256 added)
        external
        onlyDelegation(strategy)
        returns (uint256 before, uint256)
    {
        before = shares[staker];
        shares[staker] = before + added;
        return (before, added);
    }

    function withdrawSharesAsTokens(address, address strategy, address, uint256) external onlyDelegation(strategy) {}
}
