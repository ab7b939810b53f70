// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A stable pool for tests only, written from the formula of the StableSwap paper: no trades, only the views that
/// Curve's pools have, with an amplification that moves with the block's time.
contract FormulaStable {
    uint256 constant UNIT = 1e18;
    address[] public coins;
    uint256[] public balances;
    uint256[] rates;
    uint256 public fee;
    uint256 public offpeg_fee_multiplier;
    uint256 start;
    uint256 immutable began = block.timestamp;

    constructor(address[] memory c, uint256[] memory b, uint256[] memory r, uint256 amp, uint256 f, uint256 m) {
        (coins, balances, rates, start, fee, offpeg_fee_multiplier) = (c, b, r, amp, f, m);
    }

    function A_precise() public view returns (uint256) {
        return start + (block.timestamp - began) / 60;
    }

    function A() external view returns (uint256) {
        return A_precise() / 100;
    }

    function stored_rates() external view returns (uint256[] memory) {
        return rates;
    }

    function get_virtual_price() external pure returns (uint256) {
        return UNIT;
    }

    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256) {
        (uint256 from, uint256 to) = (uint128(i), uint128(j));
        uint256[] memory x = new uint256[](coins.length);
        for (uint256 k; k < x.length; k++) x[k] = (balances[k] * rates[k]) / UNIT;
        (uint256 before, uint256 held, uint256 d) = (x[from], x[to], level(x));
        x[from] += (dx * rates[from]) / UNIT;
        x[to] = other(x, to, d);
        uint256 got = held - x[to] - 1;
        return ((got - (charge((before + x[from]) / 2, (held + x[to]) / 2) * got) / 1e10) * UNIT) / rates[to];
    }

    function charge(uint256 a, uint256 b) internal view returns (uint256) {
        uint256 m = offpeg_fee_multiplier;
        return m <= 1e10 ? fee : (m * fee) / (((m - 1e10) * 4 * a * b) / (a + b) ** 2 + 1e10);
    }

    /// The invariant, by Newton's method.
    function level(uint256[] memory x) internal view returns (uint256 d) {
        (uint256 n, uint256 sum) = (x.length, 0);
        for (uint256 k; k < n; k++) sum += x[k];
        uint256 ann = A_precise() * n;
        d = sum;
        for (uint256 turn; turn < 255; turn++) {
            (uint256 p, uint256 last) = (d, d);
            for (uint256 k; k < n; k++) p = (p * d) / (x[k] * n);
            d = (((ann * sum) / 100 + p * n) * d) / (((ann - 100) * d) / 100 + (n + 1) * p);
            if (d + 1 >= last && last + 1 >= d) return d;
        }
        revert("no level");
    }

    /// The balance of one coin that the invariant asks for, by Newton's method.
    function other(uint256[] memory x, uint256 at, uint256 d) internal view returns (uint256 y) {
        (uint256 n, uint256 sum, uint256 c) = (x.length, 0, d);
        uint256 ann = A_precise() * n;
        for (uint256 k; k < n; k++) {
            if (k == at) continue;
            sum += x[k];
            c = (c * d) / (x[k] * n);
        }
        c = (c * d * 100) / (ann * n);
        uint256 b = sum + (d * 100) / ann;
        y = d;
        for (uint256 turn; turn < 255; turn++) {
            uint256 last = y;
            y = (y * y + c) / (2 * y + b - d);
            if (y + 1 >= last && last + 1 >= y) return y;
        }
        revert("no balance");
    }
}
