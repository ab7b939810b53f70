// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

/// Someone who is paid, and calls whatever it prepared as soon as ether arrives. For tests only.
contract BusyPayee {
    address private target;
    bytes private prepared;
    bool public wasCalled;
    bool public wasDone;

    function prepare(address target_, bytes calldata data) external {
        (target, prepared) = (target_, data);
    }

    function run(address to, bytes calldata data) external {
        (bool done, bytes memory answer) = to.call(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable {
        if (prepared.length == 0) return;
        wasCalled = true;
        (wasDone,) = target.call(prepared);
    }
}
