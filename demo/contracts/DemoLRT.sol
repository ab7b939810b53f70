// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ERC20Base} from "./ERC20Base.sol";

/// A liquid restaking token whose ether per token is reported by its owner, as most such tokens do it.
contract DemoLRT is ERC20Base {
    address public immutable owner;
    uint256 private _rate;

    event RateUpdated(uint256 previous, uint256 rate);

    error NotOwner();
    error ZeroRate();

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    /// @param rate ether per token, 1e18
    constructor(uint256 rate) ERC20Base("Demo Liquid Restaking Token", "demoLRT") {
        owner = msg.sender;
        _setRate(rate);
    }

    receive() external payable {
        _deposit();
    }

    /// Mint tokens for the ether sent at the current rate, rounded down.
    function deposit() external payable returns (uint256 amount) {
        return _deposit();
    }

    /// Burn `amount` tokens for their ether at the current rate, rounded down.
    function redeem(uint256 amount) external returns (uint256 assets) {
        _burn(msg.sender, amount);
        assets = (amount * _rate) / 1e18;
        (bool paid,) = msg.sender.call{value: assets}("");
        require(paid, "ether not paid");
    }

    /// Ether per token, 1e18: what a Balancer pool asks of a rate provider.
    function getRate() external view returns (uint256) {
        return _rate;
    }

    function setRate(uint256 rate) external onlyOwner {
        _setRate(rate);
    }

    function _deposit() private returns (uint256 amount) {
        amount = (msg.value * 1e18) / _rate;
        _mint(msg.sender, amount);
    }

    function _setRate(uint256 rate) private {
        if (rate == 0) revert ZeroRate();
        emit RateUpdated(_rate, rate);
        _rate = rate;
    }
}
