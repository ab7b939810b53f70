// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title What the owner of a PriceStore needs of it to decide who signs
interface ISignerStore {
    function owner() external view returns (address);
    function rotationDelayS() external view returns (uint256);
    function overlapS() external view returns (uint256);
    function maxPushAgeS() external view returns (uint256);
    function longestEpochS() external view returns (uint256);
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights);
    function armed() external view returns (bool);
    function setSigners(address[] calldata signers, uint96[] calldata weights, uint96 threshold, uint96 stepThreshold)
        external;
    function removeSigners(uint48 epoch, uint8[] calldata indexes) external;
    function transferOwnership(address to) external;
    function acceptOwnership() external;
}
