// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

interface IRated {
    function getRate() external view returns (uint256);
}

/// Stand-in for the contract that values collateral: the token's own rate, and two ways to fail.
contract ValuesStandIn {
    enum Mode {
        Unlisted,
        Rate,
        Reverts,
        Burns
    }

    mapping(address token => Mode) public modeOf;

    function list(address token, Mode mode) external {
        modeOf[token] = mode;
    }

    function isCollateral(address token) external view returns (bool) {
        return modeOf[token] != Mode.Unlisted;
    }

    function valueOf(address token, uint256 amount) external view returns (uint256) {
        Mode mode = modeOf[token];
        require(mode == Mode.Rate || mode == Mode.Burns, "no rate");
        if (mode == Mode.Burns) for (;;) {}
        return amount * IRated(token).getRate() / 1e18;
    }

    /// As if no rate was ever recorded.
    function recordedValueOf(address, uint256) external pure returns (uint256) {
        return 0;
    }
}

/// Stand-in for the contract that owns the store: who was frozen for which epoch, and how long words can be proven.
contract SetStandIn {
    uint256 public answerS;
    uint256 public constant keepsS = 2 hours;
    mapping(uint256 epoch => mapping(address operator => uint48)) public captureOf;

    constructor(uint256 answerS_) {
        answerS = answerS_;
    }

    /// The operator is a member of a set that is frozen now.
    function freeze(uint256 epoch, address operator) external {
        captureOf[epoch][operator] = uint48(block.timestamp);
    }
}

/// A token that its owner can stop, of which one is one ether.
contract StoppingToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    bool public stopped;

    function stop(bool stopped_) external {
        stopped = stopped_;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function getRate() external pure returns (uint256) {
        return 1e18;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        require(!stopped, "stopped");
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// Stand-in for ether as a token.
contract WrappedStandIn {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

interface IFinish {
    function finish(bytes32 caseId) external returns (uint256);
}

/// A hook, of a delegator or of a burner, that is against us: has the penalty carried out once more, or burns all its gas.
contract HostileHook {
    IFinish private source;
    bytes32 private caseId;
    bool private burns;
    uint256 public calls;
    bool public entered;

    function aim(IFinish source_, bytes32 caseId_, bool burns_) external {
        (source, caseId, burns) = (source_, caseId_, burns_);
    }

    fallback() external {
        if (burns) for (;;) {}
        ++calls;
        try source.finish(caseId) {
            entered = true;
        } catch {}
    }
}

/// A version of a vault that its owner may move to, if Symbiotic took it: answers nothing and burns all gas.
contract VaultThatBurns {
    address public immutable FACTORY;

    constructor(address factory) {
        FACTORY = factory;
    }

    function migrate(uint64, bytes calldata) external {}

    fallback() external {
        for (;;) {}
    }
}
