// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {StoreSlots} from "./StoreSlots.sol";

/// @title Who may do what: an owner in two steps, a guardian who can only stop, a set owner who can only replace in time
abstract contract StoreRoles is StoreSlots {
    /// @notice Registers tokens, changes signers and guardian, resumes; has no part in prices.
    address public owner;
    /// @notice To whom the ownership was offered; zero for nobody.
    address public pendingOwner;
    /// @notice May pause tokens, as the owner may; zero for nobody.
    address public guardian;
    /// @notice May replace signers after the delay and remove some at once, as the owner may; zero for nobody.
    address public setOwner;

    /// @notice `to` may accept the ownership.
    event OwnershipTransferStarted(address indexed from, address indexed to);
    /// @notice `to` is the owner now.
    event OwnershipTransferred(address indexed from, address indexed to);
    /// @notice `guardian` may pause now, and nobody before it.
    event GuardianSet(address indexed guardian);
    /// @notice `setOwner` may replace and remove signers now, and nobody before it but the owner.
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

    /// @notice Offer the ownership; it passes when the other side accepts.
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

    /// @notice Replace the set owner; zero leaves signers to the owner alone.
    function setSetOwner(address setOwner_) external onlyOwner {
        setOwner = setOwner_;
        emit SetOwnerSet(setOwner_);
    }
}
