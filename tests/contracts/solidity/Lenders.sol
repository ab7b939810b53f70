// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Loans as other protocols' rules have them, reduced to what asks a price: one borrower, amounts without tokens, no interest.
// After the sources of Comet, the Euler vault kit, Silo v2 and Liquity v2, none of which a package ships, and over Pyth's
// own interface, structs and library, which a package does. For tests only.

import {IPyth} from "@pythnetwork/pyth-sdk-solidity/IPyth.sol";
import {PythStructs} from "@pythnetwork/pyth-sdk-solidity/PythStructs.sol";
import {PythUtils} from "@pythnetwork/pyth-sdk-solidity/PythUtils.sol";
import {IAggregatorV2V3} from "contracts/interfaces/IAggregatorV2V3.sol";
import {IPriceOracle} from "contracts/interfaces/IPriceOracle.sol";

/// Compound III: values are amount times price over the token's unit, rounded down, then times a factor of 1e18.
contract CometLoan {
    IAggregatorV2V3 public immutable feed;
    IAggregatorV2V3 public immutable baseFeed;
    uint256 public immutable borrowFactor;
    uint256 public immutable liquidateFactor;
    uint256 public collateral;
    uint256 public debt;

    error BadDecimals();
    error BadPrice();
    error NotCollateralized();
    error NotLiquidatable();

    constructor(IAggregatorV2V3 feed_, IAggregatorV2V3 baseFeed_, uint256 borrowFactor_, uint256 liquidateFactor_) {
        if (feed_.decimals() != 8 || baseFeed_.decimals() != 8) revert BadDecimals();
        (feed, baseFeed) = (feed_, baseFeed_);
        (borrowFactor, liquidateFactor) = (borrowFactor_, liquidateFactor_);
    }

    function supply(uint256 amount) external {
        collateral += amount;
    }

    function borrow(uint256 amount) external {
        debt += amount;
        if (_liquidity(borrowFactor) < 0) revert NotCollateralized();
    }

    function repay(uint256 amount) external {
        debt -= amount;
    }

    function absorb() external {
        if (_liquidity(liquidateFactor) >= 0) revert NotLiquidatable();
        (collateral, debt) = (0, 0);
    }

    function _liquidity(uint256 factor) private view returns (int256) {
        uint256 value = collateral * _price(feed) / 1e18 * factor / 1e18;
        return int256(value) - int256(debt * _price(baseFeed) / 1e6);
    }

    function _price(IAggregatorV2V3 source) private view returns (uint256) {
        (, int256 price,,,) = source.latestRoundData();
        if (price <= 0 || price > type(int128).max) revert BadPrice();
        return uint256(price);
    }
}

/// Euler's router: which adapter answers for which two tokens, in both directions.
contract EulerRoutes is IPriceOracle {
    mapping(address => mapping(address => IPriceOracle)) private adapters;

    error NotSupported(address base, address quote);

    function set(address base, address quote, IPriceOracle adapter) external {
        (adapters[base][quote], adapters[quote][base]) = (adapter, adapter);
    }

    function name() external pure returns (string memory) {
        return "routes";
    }

    function getQuote(uint256 amount, address base, address quote) external view returns (uint256) {
        return _adapter(base, quote).getQuote(amount, base, quote);
    }

    function getQuotes(uint256 amount, address base, address quote) external view returns (uint256, uint256) {
        return _adapter(base, quote).getQuotes(amount, base, quote);
    }

    function _adapter(address base, address quote) private view returns (IPriceOracle found) {
        found = adapters[base][quote];
        if (address(found) == address(0)) revert NotSupported(base, quote);
    }
}

/// Euler v2: the collateral's bid times its loan-to-value must be above the ask of what is owed, in the unit of account.
contract EulerLoan {
    IPriceOracle public immutable oracle;
    address public immutable collateralToken;
    address public immutable asset;
    address public immutable unit;
    uint256 public collateral;
    uint256 public debt;

    error AccountLiquidity();
    error Healthy();

    constructor(IPriceOracle oracle_, address collateralToken_, address asset_, address unit_) {
        (oracle, collateralToken, asset, unit) = (oracle_, collateralToken_, asset_, unit_);
    }

    function supply(uint256 amount) external {
        collateral += amount;
    }

    function borrow(uint256 amount, uint256 ltvBps) external {
        debt += amount;
        if (!_isHealthy(ltvBps)) revert AccountLiquidity();
    }

    function repay(uint256 amount) external {
        debt -= amount;
    }

    function liquidate(uint256 ltvBps) external {
        if (_isHealthy(ltvBps)) revert Healthy();
        (collateral, debt) = (0, 0);
    }

    function _isHealthy(uint256 ltvBps) private view returns (bool) {
        (uint256 bid,) = oracle.getQuotes(collateral, collateralToken, unit);
        uint256 owed = debt;
        if (asset != unit) (, owed) = oracle.getQuotes(debt, asset, unit);
        return bid * ltvBps / 10_000 > owed;
    }
}

interface ISiloOracleLike {
    function beforeQuote(address token) external;
    function quote(uint256 amount, address token) external view returns (uint256);
    function quoteToken() external view returns (address);
}

/// Silo v2: one oracle for the most that may be lent, another for solvency; the debt is in their quote token and has none.
/// Loan to value is rounded up.
contract SiloLoan {
    ISiloOracleLike public immutable maxLtvOracle;
    ISiloOracleLike public immutable solvencyOracle;
    address public immutable token;
    uint256 public immutable maxLtv;
    uint256 public immutable lt;
    uint256 public collateral;
    uint256 public debt;

    error QuoteTokensDiffer();
    error AboveMaxLtv();
    error Solvent();

    constructor(ISiloOracleLike maxLtvOracle_, ISiloOracleLike solvencyOracle_, address token_, uint256 maxLtv_, uint256 lt_) {
        if (maxLtvOracle_.quoteToken() != solvencyOracle_.quoteToken()) revert QuoteTokensDiffer();
        (maxLtvOracle, solvencyOracle, token, maxLtv, lt) = (maxLtvOracle_, solvencyOracle_, token_, maxLtv_, lt_);
    }

    function supply(uint256 amount) external {
        collateral += amount;
    }

    function borrow(uint256 amount) external {
        debt += amount;
        if (_ltv(maxLtvOracle) > maxLtv) revert AboveMaxLtv();
    }

    function repay(uint256 amount) external {
        debt -= amount;
    }

    function liquidate() external {
        if (_ltv(solvencyOracle) <= lt) revert Solvent();
        (collateral, debt) = (0, 0);
    }

    function _ltv(ISiloOracleLike oracle) private returns (uint256) {
        oracle.beforeQuote(token);
        uint256 value = oracle.quote(collateral, token);
        return (debt * 1e18 + value - 1) / value;
    }
}

/// A reader over Pyth's own interface, with Pyth's own conversion: what is left of the price below its confidence.
contract PythLoan {
    IPyth public immutable pyth;

    constructor(IPyth pyth_) {
        pyth = pyth_;
    }

    function low(bytes32 id, uint256 maxAgeS, uint8 decimals) external view returns (uint256) {
        PythStructs.Price memory p = pyth.getPriceNoOlderThan(id, maxAgeS);
        return PythUtils.convertToUint(p.price - int64(p.conf), p.expo, decimals);
    }

    function unsafe(bytes32 id) external view returns (PythStructs.Price memory) {
        return pyth.getPriceUnsafe(id);
    }

    function average(bytes32 id) external view returns (PythStructs.Price memory) {
        return pyth.getEmaPriceUnsafe(id);
    }
}

interface IRate {
    function getRate() external view returns (uint256);
}

/// Liquity v2's price of a staked token: ether in dollars times the lower of market and canonical rate, or the higher for
/// a redemption while both are within 2 %. A dead dollar feed or rate shuts the branch down at the last good price; a dead
/// market feed leaves the canonical rate.
contract LiquityBranch {
    IAggregatorV2V3 public immutable dollars;
    IAggregatorV2V3 public immutable market;
    IRate public immutable rate;
    uint256 public immutable threshold;
    uint256 public lastGoodPrice;
    bool public isShutDown;

    constructor(IAggregatorV2V3 dollars_, IAggregatorV2V3 market_, IRate rate_, uint256 threshold_) {
        assert(dollars_.decimals() == 8);
        (dollars, market, rate, threshold) = (dollars_, market_, rate_, threshold_);
    }

    function fetchPrice(bool redemption) external returns (uint256) {
        (uint256 usd, bool usdDown) = _answer(dollars);
        (uint256 ratio, bool ratioDown) = _answer(market);
        uint256 canonical;
        try rate.getRate() returns (uint256 found) {
            canonical = found;
        } catch {}
        if (usdDown || ratioDown || canonical == 0) isShutDown = true;
        if (usdDown || canonical == 0) return lastGoodPrice;
        uint256 low = ratioDown || canonical < ratio ? canonical : ratio;
        uint256 high = ratioDown || canonical > ratio ? canonical : ratio;
        bool near = high * 100 <= canonical * 102 && low * 100 >= canonical * 98;
        return lastGoodPrice = usd * (redemption && near ? high : low) / 1e18;
    }

    function _answer(IAggregatorV2V3 source) private view returns (uint256 wad, bool down) {
        try source.latestRoundData() returns (uint80 round, int256 answer, uint256, uint256 updatedAt, uint80) {
            down = round == 0 || updatedAt == 0 || block.timestamp - updatedAt >= threshold || answer <= 0;
            if (!down) wad = uint256(answer) * 10 ** (18 - source.decimals());
        } catch {
            down = true;
        }
    }
}
