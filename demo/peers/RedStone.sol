// SPDX-License-Identifier: MIT
pragma solidity ^0.8.14;

import {
    MultiFeedAdapterWithoutRounds
} from "@redstone-finance/on-chain-relayer/contracts/price-feeds/without-rounds/MultiFeedAdapterWithoutRounds.sol";

/// RedStone's adapter as its package has it, with the two answers that it leaves to whoever deploys it: how many must
/// sign, and who may. As in the subclasses that it ships, signers are in the code and compared one after the other. What
/// is imported stays in its package, under its own licence (BUSL-1.1): it is compiled to be measured, and kept nowhere.
contract RedStone is MultiFeedAdapterWithoutRounds {
    uint8 private immutable threshold;
    address private immutable s0;
    address private immutable s1;
    address private immutable s2;
    address private immutable s3;
    address private immutable s4;
    address private immutable s5;
    address private immutable s6;
    address private immutable s7;
    address private immutable s8;
    address private immutable s9;
    address private immutable s10;
    address private immutable s11;
    address private immutable s12;

    constructor(uint8 threshold_, address[13] memory s) {
        threshold = threshold_;
        (s0, s1, s2, s3, s4, s5, s6) = (s[0], s[1], s[2], s[3], s[4], s[5], s[6]);
        (s7, s8, s9, s10, s11, s12) = (s[7], s[8], s[9], s[10], s[11], s[12]);
    }

    function getUniqueSignersThreshold() public view override returns (uint8) {
        return threshold;
    }

    function getAuthorisedSignerIndex(address signer) public view override returns (uint8) {
        if (signer == s0) return 0;
        if (signer == s1) return 1;
        if (signer == s2) return 2;
        if (signer == s3) return 3;
        if (signer == s4) return 4;
        if (signer == s5) return 5;
        if (signer == s6) return 6;
        if (signer == s7) return 7;
        if (signer == s8) return 8;
        if (signer == s9) return 9;
        if (signer == s10) return 10;
        if (signer == s11) return 11;
        if (signer == s12) return 12;
        revert SignerNotAuthorised(signer);
    }
}
