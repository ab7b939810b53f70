// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function swap(address to, bool zeroIn, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
}

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
}

/// Deploys, supplies and asks pools of Uniswap v3 and of its forks: it answers whatever callback they call it with.
contract PoolCaller {
    struct Parameters {
        address factory;
        address token0;
        address token1;
        uint24 fee;
        int24 tickSpacing;
    }

    error Asked(int256 amount0, int256 amount1);

    /// What a pool's constructor asks its deployer.
    Parameters public parameters;
    bool private asking;

    function deploy(bytes memory code, Parameters calldata given) external returns (address pool) {
        parameters = given;
        assembly {
            pool := create(0, add(code, 32), mload(code))
        }
        require(pool != address(0), "not deployed");
    }

    function run(address target, bytes calldata data) external {
        (bool ok, bytes memory why) = target.call(data);
        if (!ok) {
            assembly {
                revert(add(why, 32), mload(why))
            }
        }
    }

    /// Amounts that the pool itself would ask and give for a swap.
    function ask(address pool, bool zeroIn, int256 amount, uint160 limit) external returns (int256, int256) {
        asking = true;
        try IPool(pool).swap(address(this), zeroIn, amount, limit, "") {
            revert("no callback");
        } catch (bytes memory why) {
            require(bytes4(why) == Asked.selector, "the pool refused");
            assembly {
                why := add(why, 4)
            }
            return abi.decode(why, (int256, int256));
        }
    }

    fallback() external {
        (int256 amount0, int256 amount1) = abi.decode(msg.data[4:], (int256, int256));
        if (asking) revert Asked(amount0, amount1);
        if (amount0 > 0) IToken(IPool(msg.sender).token0()).transfer(msg.sender, uint256(amount0));
        if (amount1 > 0) IToken(IPool(msg.sender).token1()).transfer(msg.sender, uint256(amount1));
    }
}
