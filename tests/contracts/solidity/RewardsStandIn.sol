// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

interface IClaim {
    function rollOver(uint48 epoch) external;
}

/// Frozen sets as a test writes them down, and who was jailed: of the staked set only what rewards read and call.
contract FrozenSetStandIn {
    struct Frozen {
        uint48 capture;
        uint48 provableUntil;
        uint96 threshold;
        uint96 total;
    }

    address public immutable store;
    mapping(uint256 => Frozen) public frozenOf;
    mapping(uint256 => address[]) private keys;
    mapping(uint256 => address[]) private operators;
    mapping(uint256 => uint96[]) private weights;
    mapping(address => uint48) public jailedUntil;
    mapping(uint256 => mapping(address => uint48)) private seenAt;

    constructor(address store_) {
        store = store_;
    }

    function freeze(
        uint256 epoch,
        address[] calldata keys_,
        address[] calldata operators_,
        uint96[] calldata weights_,
        uint96 threshold,
        uint48 provableUntil
    ) external {
        keys[epoch] = keys_;
        operators[epoch] = operators_;
        weights[epoch] = weights_;
        uint96 total;
        for (uint256 i; i < weights_.length; ++i) total += weights_[i];
        frozenOf[epoch] = Frozen(uint48(block.timestamp), provableUntil, threshold, total);
    }

    function see(uint256 epoch, address operator, uint48 at) external {
        seenAt[epoch][operator] = at;
    }

    function captureOf(uint256 epoch, address operator) external view returns (uint48) {
        uint48 at = seenAt[epoch][operator];
        return at == 0 ? frozenOf[epoch].capture : at;
    }

    function membersOf(uint256 epoch) external view returns (address[] memory, address[] memory, uint96[] memory) {
        return (keys[epoch], operators[epoch], weights[epoch]);
    }

    function jailAbsent(address operator, uint48 until) external {
        if (until > jailedUntil[operator]) jailedUntil[operator] = until;
    }
}

/// A source that notes what it is given; or reverts (1), or calls back (2).
contract SourceStandIn {
    uint256 public how;
    mapping(address => mapping(address => uint256)) public given;
    mapping(address => uint256) public stakeOf;

    function setStake(address operator, uint256 stake) external {
        stakeOf[operator] = stake;
    }

    function set(uint256 how_) external {
        how = how_;
    }

    function reward(uint48, address operator, address asset, uint256 amount) external payable {
        require(how != 1, "no");
        require(asset != address(0) || msg.value == amount, "ether");
        if (how == 2) IClaim(msg.sender).rollOver(1);
        given[operator][asset] += amount;
    }
}

/// A token whose moves answer nothing, as some do.
contract QuietToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
