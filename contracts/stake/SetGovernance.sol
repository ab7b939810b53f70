// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ISignerStore} from "../interfaces/ISignerStore.sol";

/// @title What a timelock may do with the store that the set owns: register, pause and resume feeds, and hand it to another owner
/// @notice Never who signs: no function of the store that names or removes signers, or names who may, is forwarded.
abstract contract SetGovernance {
    bytes4 private constant REGISTER = bytes4(keccak256("register(bytes32,bool,bool,uint8)"));
    bytes4 private constant PAUSE = bytes4(keccak256("pause(uint16[])"));
    bytes4 private constant RESUME = bytes4(keccak256("resume(uint16[])"));
    bytes4 private constant SET_GUARDIAN = bytes4(keccak256("setGuardian(address)"));

    ISignerStore internal immutable signerStore;
    /// @notice The only one that may call the functions here.
    address public immutable timelock;
    /// @notice Seconds from the announcement of another owner until the store is offered to it: longer than any word can be proven, which
    ///         is what an exit of stake waits for.
    uint256 public immutable migrateDelayS;
    /// @notice To whom the store will be offered; zero if to nobody.
    address public migratesTo;
    /// @notice When the store can be offered to it.
    uint48 public migratesAt;
    /// @notice The store was offered to another owner: it is not accepted again, as others may have named signers meanwhile.
    bool public hasMigrated;

    /// @notice The timelock called this function of the store.
    event Governed(bytes4 indexed selector);
    /// @notice From `at` on the store can be offered to `newOwner`; who does not want that leaves before. Zero: to nobody.
    event MigrationStarted(address indexed newOwner, uint48 at);
    /// @notice The store was offered to `newOwner`. When it accepts, nothing here decides who signs any more.
    event MigrationFinished(address indexed newOwner);

    /// @notice The caller is not the timelock.
    error NotTimelock(address caller);
    /// @notice The timelock may not call this function of the store.
    error NotGoverned(bytes4 selector);
    /// @notice No migration was started, or its delay is not over.
    error NoMigration(uint48 at);

    /// @notice The store was offered to another owner once.
    error AlreadyMigrated();

    modifier onlyTimelock() {
        if (msg.sender != timelock) revert NotTimelock(msg.sender);
        _;
    }

    constructor(ISignerStore store_, address timelock_, uint256 migrateDelayS_) {
        (signerStore, timelock, migrateDelayS) = (store_, timelock_, migrateDelayS_);
    }

    /// @notice Accept the ownership of the store that was offered to this contract; anybody may.
    function acceptStore() external {
        if (hasMigrated) revert AlreadyMigrated();
        signerStore.acceptOwnership();
    }

    /// @notice Only the timelock: call the store's `register`, `pause`, `resume` or `setGuardian`.
    /// @param data selector and arguments
    function govern(bytes calldata data) external onlyTimelock {
        bytes4 selector = data.length < 4 ? bytes4(0) : bytes4(data);
        bool may = selector == REGISTER || selector == PAUSE || selector == RESUME || selector == SET_GUARDIAN;
        if (!may) revert NotGoverned(selector);
        emit Governed(selector);
        (bool done, bytes memory answer) = address(signerStore).call(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    /// @notice Only the timelock: announce another owner of the store. One that was announced before is dropped; zero announces none.
    function startMigration(address newOwner) external onlyTimelock {
        (migratesTo, migratesAt) = (newOwner, uint48(block.timestamp + migrateDelayS));
        emit MigrationStarted(newOwner, migratesAt);
    }

    /// @notice Only the timelock, after the delay: offer the store to the owner that was announced.
    function finishMigration() external onlyTimelock {
        address to = migratesTo;
        if (to == address(0) || block.timestamp < migratesAt) revert NoMigration(migratesAt);
        delete migratesTo;
        hasMigrated = true;
        emit MigrationFinished(to);
        signerStore.transferOwnership(to);
    }
}
