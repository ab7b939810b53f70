// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// What stands around DelegatedStake in its tests, where the real thing is not wanted: for tests only.

interface IRated {
    function getRate() external view returns (uint256);
}

/// Stand-in for StakedSet: keeps until when words of an operator can be proven, and nothing else of it.
contract BoundStandIn {
    uint256 public immutable answerS;
    mapping(address operator => uint48) public boundUntil;

    constructor(uint256 answerS_) {
        answerS = answerS_;
    }

    function freeze(address[] calldata operators) external {
        for (uint256 i; i < operators.length; ++i) boundUntil[operators[i]] = uint48(block.timestamp + answerS);
    }
}

/// Stand-in for CollateralValues: the rate of the token's own contract without a cap, or no answer at all.
contract RateStandIn {
    bool public silent;
    mapping(address token => bool) public isCollateral;

    constructor(address token) {
        isCollateral[token] = true;
    }

    function silence(bool silent_) external {
        silent = silent_;
    }

    function valueOf(address token, uint256 amount) external view returns (uint256) {
        require(isCollateral[token] && !silent);
        return amount * IRated(token).getRate() / 1e18;
    }

    function recordedValueOf(address, uint256) external pure returns (uint256) {
        return 0;
    }
}

/// Makes the calls that it is told to make.
abstract contract Obeys {
    address internal target;
    bytes internal call_;
    bytes public refusal;

    function run(address to, bytes calldata data) external {
        (bool done, bytes memory answer) = to.call(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    /// The call that was prepared; it must be refused, and with what is kept.
    function _callOut() internal {
        (bool taken, bytes memory answer) = target.call(call_);
        require(!taken);
        refusal = answer;
    }
}

/// A token that misbehaves as told: 0 not at all, 1 takes a fee, 2 does nothing and answers false, 3 reverts, 4 answers nothing,
/// 5 does nothing and answers a byte too little, 6 calls out first and goes on only if that call was refused.
contract CallingToken is Obeys {
    uint256 public how;
    mapping(address => uint256) public balanceOf;

    function set(uint256 how_, address target_, bytes calldata data) external {
        (how, target, call_) = (how_, target_, data);
    }

    function getRate() external pure returns (uint256) {
        return 1e18;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        if (how == 3) revert();
        if (how == 6) _callOut();
        if (how != 2 && how != 5) {
            balanceOf[from] -= amount;
            balanceOf[to] += how == 1 ? amount - 1 : amount;
        }
        uint256 answer_ = how == 2 ? 0 : 1;
        uint256 length = how == 4 ? 0 : how == 5 ? 31 : 32;
        assembly {
            mstore(0, answer_)
            return(0, length)
        }
    }
}

/// A restaker or operator that is a contract: does what it is told, and when it is paid ether does something else, or refuses.
contract CallingPurse is Obeys {
    bool public refuses;

    function set(bool refuses_, address target_, bytes calldata data) external {
        (refuses, target, call_) = (refuses_, target_, data);
    }

    receive() external payable {
        require(!refuses);
        if (call_.length != 0) _callOut();
    }
}
