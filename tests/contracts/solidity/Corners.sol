// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Counterparts that behave as ours never do. For tests only.

/// A store that knows any id and answers views or not.
contract OddStore {
    uint256 public word;
    bool public silent;

    function set(uint256 word_, bool silent_) external {
        (word, silent) = (word_, silent_);
    }

    function indexOf(bytes32) external pure returns (uint16) {
        return 7;
    }

    function presence(uint16) external pure returns (bool, bool) {
        return (true, true);
    }

    fallback() external {
        require(!silent && msg.data.length == 2);
        bytes memory out = abi.encode(word);
        assembly {
            return(add(out, 32), 32)
        }
    }
}

/// A sequencer feed whose two times differ.
contract OddSequencer {
    uint256 public startedAt;
    uint256 public updatedAt;

    function set(uint256 startedAt_, uint256 updatedAt_) external {
        (startedAt, updatedAt) = (startedAt_, updatedAt_);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, 0, startedAt, updatedAt, 1);
    }
}

/// A store of words that a test writes, read as views read one: two bytes for the slot, three for what is held of a price.
contract WordStore {
    uint256 private slot;
    uint256[2] private held;

    function set(uint256 slot_, uint256 market_, uint256 redemption_) external {
        (slot, held[0], held[1]) = (slot_, market_, redemption_);
    }

    function indexOf(bytes32) external pure returns (uint16) {
        return 0x1234;
    }

    function presence(uint16) external pure returns (bool, bool) {
        return (true, true);
    }

    /// What is held counts only where its bit is set in the slot.
    fallback(bytes calldata asked) external returns (bytes memory) {
        require(uint16(bytes2(asked)) == 0x1234);
        if (asked.length == 2) return abi.encode(slot);
        uint256 which = uint8(asked[2]);
        require(asked.length == 3 && which < 2);
        return abi.encode(slot >> (79 - which) & 1 == 1 ? held[which] : 0);
    }
}
