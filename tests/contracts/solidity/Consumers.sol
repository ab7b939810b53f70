// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// What other protocols do with a feed, as far as it is known from their sources, and nothing else of them. For tests only.

import {IAggregatorV2V3} from "contracts/interfaces/IAggregatorV2V3.sol";
import {IPriceOracle} from "contracts/interfaces/IPriceOracle.sol";
import {IPythRead} from "contracts/interfaces/IPythRead.sol";

interface IChronicleLike {
    function decimals() external view returns (uint8);
    function readWithAge() external view returns (uint256 value, uint256 age);
    function getRate() external view returns (uint256);
}

interface IPush {
    function push(bytes calldata batch, bytes calldata signatures) external;
}

/// Several calls in one transaction, as whoever chooses among signed reports would make them.
contract Many {
    function all(IPush store, bytes[] calldata batches, bytes[] calldata signatures) external {
        for (uint256 i; i < batches.length; ++i) store.push(batches[i], signatures[i]);
    }
}

/// Cold gas of one static call.
contract Probe {
    function cost(address to, bytes calldata data) external view returns (uint256 used) {
        bytes memory input = data;
        assembly {
            let before := gas()
            let ok := staticcall(gas(), to, add(input, 32), mload(input), 0, 0)
            used := sub(before, gas())
            if iszero(ok) { revert(0, 0) }
        }
    }
}

/// Comet: eight decimals at construction, and no price that is not positive.
contract CometReader {
    IAggregatorV2V3 public immutable feed;

    error BadDecimals();
    error BadPrice();

    constructor(IAggregatorV2V3 feed_) {
        if (feed_.decimals() != 8) revert BadDecimals();
        feed = feed_;
    }

    function getPrice() external view returns (uint256) {
        (, int256 price,,,) = feed.latestRoundData();
        if (price <= 0) revert BadPrice();
        return uint256(price);
    }
}

/// Liquity v2: a revert, a stale or a zero answer shuts the branch down for good, but not a caller who starves it of gas.
contract LiquityReader {
    IAggregatorV2V3 public immutable feed;
    uint256 public immutable threshold;
    uint256 public lastGoodPrice;
    bool public isShutDown;

    error NotEnoughGas();

    constructor(IAggregatorV2V3 feed_, uint256 threshold_) {
        require(feed_.decimals() == 8);
        (feed, threshold) = (feed_, threshold_);
    }

    function fetchPrice() external returns (uint256) {
        uint256 before = gasleft();
        bool good;
        int256 price;
        try feed.latestRoundData() returns (uint80 round, int256 answer, uint256, uint256 updatedAt, uint80) {
            price = answer;
            good = round != 0 && updatedAt != 0 && block.timestamp - updatedAt < threshold && answer > 0;
        } catch {
            if (gasleft() <= before / 64) revert NotEnoughGas();
        }
        if (good && !isShutDown) lastGoodPrice = uint256(price) * 1e10;
        else isShutDown = true;
        return lastGoodPrice;
    }
}

/// Euler's ChronicleOracle and RateProviderOracle: a Chronicle feed is asked for its decimals once, a rate has 18.
contract ChronicleReader {
    IChronicleLike public immutable feed;
    uint256 public immutable maxStaleness;
    uint256 private immutable unit;

    error TooStale(uint256 staleness);

    constructor(IChronicleLike feed_, uint256 maxStaleness_) {
        (feed, maxStaleness, unit) = (feed_, maxStaleness_, 10 ** feed_.decimals());
    }

    function value(uint256 amount) external view returns (uint256) {
        (uint256 price, uint256 age) = feed.readWithAge();
        uint256 staleness = block.timestamp - age;
        if (staleness > maxStaleness) revert TooStale(staleness);
        return amount * price / unit;
    }

    function valueByRate(uint256 amount) external view returns (uint256) {
        return amount * feed.getRate() / 1e18;
    }
}

/// Morpho's ChainlinkOracleV2 with one feed: no age, and an answer of 0 is a price.
contract MorphoOracle {
    IAggregatorV2V3 public immutable feed;
    uint256 private immutable scale;

    constructor(IAggregatorV2V3 feed_, uint256 collateralDecimals, uint256 loanDecimals) {
        (feed, scale) = (feed_, 10 ** (36 + loanDecimals - collateralDecimals - feed_.decimals()));
    }

    function price() external view returns (uint256) {
        (, int256 answer,,,) = feed.latestRoundData();
        require(answer >= 0, "negative answer");
        return scale * uint256(answer);
    }
}

/// Euler: the collateral at its bid, the debt at its ask.
contract EulerReader {
    IPriceOracle public immutable oracle;

    constructor(IPriceOracle oracle_) {
        oracle = oracle_;
    }

    function isHealthy(uint256 collateral, address base, uint256 debt, address quote, uint256 ltvBps)
        external
        view
        returns (bool)
    {
        (uint256 bid,) = oracle.getQuotes(collateral, base, quote);
        return bid * ltvBps / 10_000 >= debt;
    }
}

interface ISiloLike {
    function beforeQuote(address token) external;
    function quote(uint256 amount, address token) external view returns (uint256);
    function quoteToken() external view returns (address);
}

/// Silo v2: asks the token at configuration, calls before each quote.
contract SiloReader {
    ISiloLike public immutable oracle;

    constructor(ISiloLike oracle_, address quoteToken) {
        require(oracle_.quoteToken() == quoteToken);
        oracle = oracle_;
    }

    function value(uint256 amount, address token) external returns (uint256) {
        oracle.beforeQuote(token);
        return oracle.quote(amount, token);
    }
}

interface IDia {
    function getValue(string calldata key) external view returns (uint128, uint128);
}

/// A reader of DIA that checks the age by itself.
contract DiaReader {
    IDia public immutable oracle;

    constructor(IDia oracle_) {
        oracle = oracle_;
    }

    function price(string calldata key, uint256 maxAgeS) external view returns (uint256 value) {
        uint256 time;
        (value, time) = oracle.getValue(key);
        require(value != 0 && time + maxAgeS >= block.timestamp);
    }
}

/// Euler's way with Pyth: bounds on exponent, on confidence, on the time.
contract PythReader {
    IPythRead public immutable pyth;

    constructor(IPythRead pyth_) {
        pyth = pyth_;
    }

    function price(bytes32 id, uint256 maxConfBps) external view returns (uint256) {
        IPythRead.Price memory p = pyth.getPriceNoOlderThan(id, 60);
        require(p.price > 0 && p.expo <= 0 && p.expo >= -18);
        require(uint256(p.conf) * 10_000 <= uint256(uint64(p.price)) * maxConfBps);
        return uint256(uint64(p.price));
    }
}

/// An L2's sequencer feed that a test moves.
contract Sequencer {
    int256 public answer;
    uint256 public changedAt;

    function set(int256 answer_, uint256 changedAt_) external {
        (answer, changedAt) = (answer_, changedAt_);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, answer, changedAt, changedAt, 1);
    }
}

/// A plain token.
contract Token {
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(string memory symbol_, uint8 decimals_) {
        (symbol, decimals) = (symbol_, decimals_);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function approve(address to, uint256 amount) external returns (bool) {
        allowance[msg.sender][to] = amount;
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

/// A token that misbehaves as told: 0 not at all, 1 takes a fee, 2 answers false.
contract OddToken {
    uint256 public how;
    mapping(address => uint256) public balanceOf;

    function set(uint256 how_) external {
        how = how_;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) public returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (how == 2) return false;
        balanceOf[from] -= amount;
        balanceOf[to] += how == 1 ? amount - 1 : amount;
        return true;
    }
}
