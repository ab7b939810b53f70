// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Sources of stake that hold whatever a test says, and some that misbehave. For tests only: the real ones stand on restaking protocols.

import {IKeyBook} from "../../../contracts/interfaces/IKeyBook.sol";

interface ISetForTests {
    function rotate() external returns (uint48);
    function join() external;
    function observe(address[] calldata operators) external;
    function joinFor(address operator) external;
    function leaveFor(address operator) external;
    function jail(address operator, uint48 until) external;
}

/// Says of each operator what it was told to say, in the manner that it was told to.
contract ToldStake {
    enum Manner {
        Answers,
        Reverts,
        Burns,
        Bomb,
        Short,
        Enters,
        Long
    }

    /// `until`: of moments before it another stake is told.
    struct How {
        Manner manner;
        uint48 until;
    }

    mapping(address operator => uint256) public stake;
    mapping(address operator => uint256) public earlierStake;
    mapping(address operator => How) public how;
    ISetForTests public set;

    function enterInto(ISetForTests set_) external {
        set = set_;
    }

    function tell(address operator, uint256 value) external {
        stake[operator] = value;
    }

    /// What it says of moments before this one.
    function tellOfBefore(address operator, uint48 until, uint256 value) external {
        (how[operator].until, earlierStake[operator]) = (until, value);
    }

    function behave(address operator, Manner manner_) external {
        how[operator].manner = manner_;
    }

    function joinFor(address operator) external {
        set.joinFor(operator);
    }

    function leaveFor(address operator) external {
        set.leaveFor(operator);
    }

    function setKeyFor(IKeyBook book, address operator, IKeyBook.Consent calldata consent) external {
        book.setKeyFor(operator, consent);
    }

    function stakeSince(address operator, uint48 moment) external returns (uint256) {
        return moment < how[operator].until ? earlierStake[operator] : stakeOf(operator);
    }

    function stakeOf(address operator) public returns (uint256) {
        Manner manner = how[operator].manner;
        if (manner == Manner.Reverts) revert();
        if (manner == Manner.Burns) {
            while (true) {}
        }
        if (manner == Manner.Enters) set.joinFor(address(this));
        uint256 value = stake[operator];
        assembly {
            mstore(0, value)
            if eq(manner, 3) { return(0, 100000) }
            if eq(manner, 4) { return(0, 31) }
            if eq(manner, 6) { return(0, 64) }
            return(0, 32)
        }
    }
}

/// Puts stake down for the length of one call.
contract Borrower {
    function rotateWith(ToldStake source, address operator, uint256 value, ISetForTests set) external returns (uint48 epoch) {
        uint256 before = source.stake(operator);
        source.tell(operator, value);
        epoch = set.rotate();
        source.tell(operator, before);
    }

    function observeWith(ToldStake source, address operator, uint256 value, ISetForTests windows) external {
        uint256 before = source.stake(operator);
        source.tell(operator, value);
        address[] memory one = new address[](1);
        one[0] = operator;
        windows.observe(one);
        source.tell(operator, before);
    }
}

/// A caller that gives an inner call no more gas than it was told to.
contract Stingy {
    function call(address to, bytes calldata data, uint256 gas_) external returns (bool done, bytes memory answer) {
        (done, answer) = to.call{gas: gas_}(data);
    }
}

/// A rate that says what it is told to, in some manners.
contract ToldRate {
    uint256 public rate = 1e18;
    uint256 public manner;

    function tell(uint256 rate_, uint256 manner_) external {
        (rate, manner) = (rate_, manner_);
    }

    function getRate() external view returns (uint256) {
        if (manner == 1) revert();
        if (manner == 2) {
            while (true) {}
        }
        uint256 value = rate;
        uint256 size = manner == 3 ? 30_000 : 32;
        assembly {
            mstore(0, value)
            return(0, size)
        }
    }
}
