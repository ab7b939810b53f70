// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// A stand-in for StakedSet: who is a candidate, which source opted whom in, a jail, and who was frozen when. It weighs nobody.

contract EigenSetStandIn {
    address public immutable store;
    mapping(address source => bool) public isSource;
    mapping(address operator => bool) public isCandidate;
    mapping(address operator => bool) public isJailed;
    mapping(uint256 epoch => mapping(address operator => uint48)) public captureOf;
    /// Whether `leaveFor` is refused, to see that nobody is kept in for that.
    bool public broken;

    error NotSource(address caller);
    error Jailed(address operator);
    error Broken();

    modifier onlySource() {
        if (!isSource[msg.sender]) revert NotSource(msg.sender);
        _;
    }

    constructor(address store_) {
        store = store_;
    }

    function freeze(uint256 epoch, address operator) external {
        captureOf[epoch][operator] = uint48(block.timestamp);
    }

    function addSource(address source) external {
        isSource[source] = true;
    }

    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function setJailed(address operator, bool jailed) external {
        isJailed[operator] = jailed;
    }

    function joinFor(address operator) external onlySource {
        if (isJailed[operator]) revert Jailed(operator);
        isCandidate[operator] = true;
    }

    function leaveFor(address operator) external onlySource {
        if (broken) revert Broken();
        isCandidate[operator] = false;
    }
}
