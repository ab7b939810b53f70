// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {StoreSlots} from "./StoreSlots.sol";

/// @title Roles: an owner with two-step transfer, a guardian that can only pause, a set owner that can only replace with a delay
abstract contract StoreRoles is StoreSlots {
    /// @notice Registers tokens, changes signers and guardian, resumes; has no say in prices.
    address public owner;
    /// @notice To whom the ownership was offered; zero if to nobody.
    address public pendingOwner;
    /// @notice May pause tokens, as the owner may; zero for none.
    address public guardian;
    /// @notice May replace signers after the delay and remove some at once, as the owner may; zero for none.
    address public setOwner;

    /// @notice `to` may accept the ownership.
    event OwnershipTransferStarted(address indexed from, address indexed to);
    /// @notice `to` is the owner now.
    event OwnershipTransferred(address indexed from, address indexed to);
    /// @notice `guardian` is the guardian now; the one before no longer is.
    event GuardianSet(address indexed guardian);
    /// @notice `setOwner` is the set owner now; the one before no longer is.
    event SetOwnerSet(address indexed setOwner);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian && msg.sender != owner) revert NotGuardian(msg.sender);
        _;
    }

    constructor(address owner_, address guardian_) {
        if (owner_ == address(0)) revert BadSettings();
        owner = owner_;
        guardian = guardian_;
        emit OwnershipTransferred(address(0), owner_);
        emit GuardianSet(guardian_);
    }

    /// @notice Offer the ownership; it passes when `to` accepts.
    function transferOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipTransferStarted(owner, to);
    }

    /// @notice Accept the ownership that was offered to the caller.
    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert NotOwner(msg.sender);
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
        delete pendingOwner;
    }

    /// @notice Replace the guardian; zero leaves only the owner to pause.
    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @notice Replace the set owner; zero leaves the signers to the owner alone.
    function setSetOwner(address setOwner_) external onlyOwner {
        setOwner = setOwner_;
        emit SetOwnerSet(setOwner_);
    }
}
