// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

/// What a contract pays to read another one that nobody has touched in the transaction. For benchmarks only.
contract ColdRead {
    /// Gas of one static call with everything cold; the answer is thrown away, a revert is passed on as one.
    function cost(address to, bytes calldata data) external view returns (uint256 used) {
        bytes memory input = data;
        assembly ("memory-safe") {
            let before := gas()
            let ok := staticcall(gas(), to, add(input, 32), mload(input), 0, 0)
            used := sub(before, gas())
            if iszero(ok) { revert(0, 0) }
        }
    }
}
