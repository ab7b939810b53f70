// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ERC20Base} from "./ERC20Base.sol";
import {DivETH} from "./DivETH.sol";

/// divETH with static balances: one wdivETH is one share, so a rebase changes its price and never its balances.
/// Pools hold this token, since a rebasing balance breaks a pool's own accounting.
contract WdivETH is ERC20Base {
    DivETH public immutable divETH;

    constructor(DivETH divETH_) ERC20Base("Wrapped Diva Ether", "wdivETH") {
        divETH = divETH_;
    }

    /// Stake the ether sent and keep it wrapped.
    receive() external payable {
        _mint(msg.sender, divETH.deposit{value: msg.value}());
    }

    /// Take `shares` of divETH (an allowance over their ether is needed) and give as many wdivETH.
    function wrap(uint256 shares) external {
        divETH.transferSharesFrom(msg.sender, address(this), shares);
        _mint(msg.sender, shares);
    }

    /// Burn wdivETH and give back as many shares of divETH.
    function unwrap(uint256 shares) external {
        _burn(msg.sender, shares);
        divETH.transferShares(msg.sender, shares);
    }

    /// Ether per wdivETH, 1e18: what a Balancer pool asks of a rate provider.
    function getRate() external view returns (uint256) {
        return divETH.convertToAssets(1e18);
    }
}
