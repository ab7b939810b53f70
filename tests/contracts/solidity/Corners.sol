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
