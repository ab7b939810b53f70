// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title What a steward calls of Aave v3's addresses provider
interface IAaveAddresses {
    /// @notice The pool, behind a proxy that stays.
    function getPool() external view returns (address);
    /// @notice The pool's configurator, behind a proxy that stays.
    function getPoolConfigurator() external view returns (address);
}

/// @title What a steward reads of Aave v3's pool
interface IAavePool {
    /// @notice A reserve's settings in one word. From the low bits: ltv 16 | liquidation threshold 16 | liquidation bonus 16 |
    ///         decimals 8 | active 1 | frozen 1 | more. 0: the asset is not listed.
    function getConfiguration(address asset) external view returns (uint256 data);
}

/// @title What a steward calls of Aave v3's configurator; both want its role RISK_ADMIN
interface IAaveConfigurator {
    /// @notice Set what may be borrowed against an asset, and when and with which bonus it is liquidated; in bps.
    function configureReserveAsCollateral(address asset, uint256 ltv, uint256 threshold, uint256 bonus) external;
    /// @notice Freeze: no new supply and no new loan of this asset; withdrawal, repayment and liquidation go on.
    function setReserveFreeze(address asset, bool frozen) external;
}
