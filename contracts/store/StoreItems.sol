// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {StoreFeeds} from "./StoreFeeds.sol";

/// @title Items that are not plain: each of the two prices is written, held or kept by itself
abstract contract StoreItems is StoreFeeds {
    uint256 private constant MAX_AGE = type(uint16).max;
    uint256 private constant AGE_AT = 40;
    uint256 private constant STATUS_AT = 56;
    uint256 private constant SPREAD_AT = 64;
    uint256 private constant MARKET_AT = 168;
    uint256 private constant PRICES_APART = 88; // bits from the redemption up to the market
    uint256 private constant OPENED_AT = 32;
    uint256 private constant STATUS_ONLY = PAUSED; // in an item this bit marks prices that were not observed again
    uint256 private constant OUT_OF_RANGE = (11 << 4) | 2; // watch, with its reason class
    uint256 private constant STALE = (2 << 4) | 2; // what a status-only ok becomes: watch, with its reason class

    /// @notice A price waits: what is signed is beyond the step from the stored price. `price`, the nearest of all that was
    ///         signed since `since`, lands once `since` is stepWaitS ago.
    /// @param field 0 market, 1 redemption
    event Held(uint16 indexed index, uint8 indexed field, uint256 price, uint256 since);
    /// @notice The slot's word where it differs from the item: a price or the status was kept.
    event Kept(uint16 indexed index, uint256 word);

    /// @dev An item while it is processed.
    struct Item {
        uint256 index;
        uint256 old; // the slot
        uint256 fresh; // what was signed, as a slot
        uint256 word; // what will be written to the slot
        uint256 gap; // word of the open gap; 0 if none is open
        uint256 stepBps;
        uint256 waitS;
        bool strong; // signed by the step threshold's weight
        bool statusOnly;
        bool sameRound; // of the slot's own round
        bool landed; // a waiting price of the slot's own round landed
        bool far; // a price waits
    }

    /// @dev One price of an item. Times are Unix seconds.
    struct Price {
        uint256 at; // bit offset in the slot
        uint256 slot; // index of its word in `held`
        uint256 bit; // its held bit in the slot
        uint256 stored; // price in the slot
        uint256 trueAt; // when the stored price was true
        uint256 signed; // price in the item
        uint256 signedAt; // when the signed price was true
    }

    /// @dev The word to write for an item that is not plain; 0 to skip it. Signatures are not part of the signed data, so anybody
    ///      may land a batch with only some of them. Therefore an item of the slot's own round, signed by the step
    ///      threshold's weight, still lands the prices that wait.
    function _applyLimits(uint256 index, uint256 old, uint256 fresh, bool strong) internal returns (uint256) {
        if (old == 0) revert UnknownIndex(index);
        uint256 oldTime = old & LOW_32;
        if (fresh & LOW_32 < oldTime || old & PAUSED != 0) return 0;
        bool sameRound = fresh & LOW_32 == oldTime;
        if (sameRound && (!strong || old & (MARKET_HELD | REDEMPTION_HELD) == 0)) return 0;
        _checkItem(index, old, fresh);
        bool statusOnly = fresh & STATUS_ONLY != 0 || _state(fresh) == HALT;
        fresh &= ~STATUS_ONLY;
        if (oldTime == 0) return statusOnly ? 0 : fresh;
        uint256 limits = _limits(index);
        uint256 gap = _openGap(index, old, fresh & LOW_32, uint16(limits));
        uint256 status = _status(old, fresh, statusOnly, gap != 0);
        if (status == 0) return 0;
        Item memory item = Item({
            index: index,
            old: old,
            fresh: fresh,
            word: (fresh & ~(uint256(0xff) << STATUS_AT)) | (status << STATUS_AT),
            gap: gap,
            stepBps: uint16(limits >> 16),
            waitS: _wait(index),
            strong: strong,
            statusOnly: statusOnly,
            sameRound: sameRound,
            landed: false,
            far: false
        });
        return _settle(item);
    }

    function _checkItem(uint256 index, uint256 old, uint256 fresh) private pure {
        uint256 state = _state(fresh);
        if (state == 0 || state > HALT) revert BadStatus(index, state);
        if (fresh & (MARKET_HELD | REDEMPTION_HELD) != 0) revert BadSpread(index, uint16(fresh >> SPREAD_AT));
        // item and slot both have a market price or neither does; the same for the redemption rate
        if ((fresh & MARKET == 0) != (old & MARKET == 0)) revert WrongPresence(index);
        if ((fresh & REDEMPTION == 0) != (old & REDEMPTION == 0)) revert WrongPresence(index);
    }

    /// @dev The gap that is open at a roundTime, with its anchors and opening time; 0 if none is. A write that took no price
    ///      opened no gap: it left every price held. A gap that this round itself opened binds only later rounds.
    function _openGap(uint256 index, uint256 old, uint256 roundTime, uint256 minGapS) private view returns (uint256 gap) {
        uint256 oldTime = old & LOW_32;
        if (roundTime >= oldTime + minGapS) return 0;
        gap = gaps[index];
        if (gap & LOW_32 != oldTime) {
            bool moved = (old & MARKET != 0 && old & MARKET_HELD == 0) || (old & REDEMPTION != 0 && old & REDEMPTION_HELD == 0);
            gap = moved ? (old & (MARKET | REDEMPTION)) | (oldTime << OPENED_AT) : 0;
        }
        uint256 openedAt = uint32(gap >> OPENED_AT);
        if (roundTime == openedAt || roundTime >= openedAt + minGapS) gap = 0;
    }

    /// @dev The status byte to write; a status-only ok becomes watch. Inside a gap a better state waits for its end; out of a
    ///      halt the whole item waits: returns 0.
    function _status(uint256 old, uint256 fresh, bool statusOnly, bool inside) private pure returns (uint256 status) {
        status = statusOnly && _state(fresh) == 1 ? STALE : uint8(fresh >> STATUS_AT);
        if (!inside || status & 0x07 >= _state(old)) return status;
        return _state(old) == HALT ? 0 : uint8(old >> STATUS_AT);
    }

    /// @dev Process both prices, then what follows from them.
    function _settle(Item memory item) private returns (uint256 word) {
        _price(item, 0);
        _price(item, 1);
        if (item.sameRound && !item.landed) return 0;
        word = item.word;
        if (item.far && _state(word) == 1) word = (word & ~(uint256(0xff) << STATUS_AT)) | (OUT_OF_RANGE << STATUS_AT);
        if (item.gap != 0) gaps[item.index] = (item.gap & ~LOW_32) | (item.fresh & LOW_32);
        if (word != item.fresh) emit Kept(uint16(item.index), word);
    }

    /// @dev Take the signed price, or keep the stored one.
    function _price(Item memory item, uint256 field) private {
        Price memory p = _priceOf(item, field);
        if (p.stored == 0) return;
        bool keptOnly = item.statusOnly && (field == 0 || p.signed >= p.stored);
        if (item.sameRound) {
            if (keptOnly || uint32(_waiting(item, p) >> 32) == 0) return _keepSlotFields(item, p);
            item.landed = true;
            return _anchor(item, p.at, p.signed);
        }
        if (keptOnly) return _keep(item, p, _waiting(item, p) & ~LOW_32);
        uint256 from = item.gap == 0 ? p.stored : uint88(item.gap >> p.at);
        if (_isNear(from, p.signed, item.stepBps)) return;
        if (item.strong) return _anchor(item, p.at, p.signed);
        _holdBack(item, p);
    }

    function _priceOf(Item memory item, uint256 field) private view returns (Price memory p) {
        p.at = MARKET_AT - field * PRICES_APART;
        p.slot = field * FIELD + item.index;
        p.bit = MARKET_HELD >> field;
        p.stored = uint88(item.old >> p.at);
        p.signed = uint88(item.fresh >> p.at);
        p.signedAt = field == 0 ? _marketAt(item.fresh) : item.fresh & LOW_32;
        if (p.stored == 0) return p;
        uint256 waiting = _waiting(item, p);
        p.trueAt = waiting != 0 ? waiting & LOW_32 : field == 0 ? _marketAt(item.old) : item.old & LOW_32;
    }

    /// @dev The word of `held` while it counts, else 0.
    function _waiting(Item memory item, Price memory p) private view returns (uint256) {
        return item.old & p.bit == 0 ? 0 : held[p.slot];
    }

    /// @dev Beyond the step: the wait begins or continues, or it is over and its nearest price lands.
    function _holdBack(Item memory item, Price memory p) private {
        uint256 waiting = _waiting(item, p);
        bool above = p.signed > p.stored;
        uint256 since = uint32(waiting >> 32);
        if (since == 0 || above != (waiting >> 167 & 1 == 1)) return _beginWait(item, p);
        uint256 least = waiting >> 168;
        if (above ? p.signed <= least : p.signed >= least) {
            waiting = _heldWord(p.signed, above, p.signedAt, since);
            least = p.signed;
        }
        if (item.fresh & LOW_32 < since + item.waitS) return _keep(item, p, waiting & ~LOW_32);
        _anchor(item, p.at, least);
        if (_isNear(least, p.signed, item.stepBps)) return;
        (p.stored, p.trueAt) = (least, uint32(waiting >> 64));
        _beginWait(item, p);
    }

    /// @dev A wait begins: from this round on all signed prices lie beyond the step on this side.
    function _beginWait(Item memory item, Price memory p) private {
        _keep(item, p, _heldWord(p.signed, p.signed > p.stored, p.signedAt, item.fresh & LOW_32));
    }

    /// @dev price 88 | above 1 | 71 unused | priceAt 32 | since 32 | 32 left for trueAt.
    function _heldWord(uint256 price, bool above, uint256 priceAt, uint256 since) private pure returns (uint256) {
        return (price << 168) | (above ? 1 << 167 : 0) | (priceAt << 64) | (since << 32);
    }

    /// @dev The slot keeps `p.stored`, whose age grows; `waiting`: the word of `held` to store with it, without trueAt.
    function _keep(Item memory item, Price memory p, uint256 waiting) private {
        uint256 word = item.word;
        held[p.slot] = waiting | p.trueAt;
        word = (word & ~(uint256(type(uint88).max) << p.at)) | (p.stored << p.at) | p.bit;
        if (p.at == MARKET_AT) {
            uint256 age = (word & LOW_32) - p.trueAt;
            word &= ~((MAX_SPREAD << SPREAD_AT) | (MAX_AGE << AGE_AT));
            word |= _max(_spread(item.old), _spread(item.fresh)) << SPREAD_AT;
            word |= (age > MAX_AGE ? MAX_AGE : age) << AGE_AT;
        } else {
            word &= ~(uint256(0xff) << 32);
            word |= _max(uint8(item.old >> 32), uint8(item.fresh >> 32)) << 32;
        }
        item.word = word;
        _markWaiting(item, p, waiting);
    }

    /// @dev Mark the item and emit `Held` if a price waits.
    function _markWaiting(Item memory item, Price memory p, uint256 waiting) private {
        if (uint32(waiting >> 32) == 0) return;
        item.far = true;
        emit Held(uint16(item.index), p.at == MARKET_AT ? 0 : 1, waiting >> 168, uint32(waiting >> 32));
    }

    /// @dev For an item of the slot's own round: fields of a price that does not wait, or was not observed, stay as stored.
    function _keepSlotFields(Item memory item, Price memory p) private {
        uint256 mask = (uint256(type(uint88).max) << p.at) | p.bit;
        mask |= p.at == MARKET_AT ? (MAX_SPREAD << SPREAD_AT) | (MAX_AGE << AGE_AT) : uint256(0xff) << 32;
        item.word = (item.word & ~mask) | (item.old & mask);
        _markWaiting(item, p, _waiting(item, p));
    }

    /// @dev Inside a gap, a price that lands without being near becomes the anchor until the gap ends.
    function _anchor(Item memory item, uint256 at, uint256 price) private pure {
        if (item.gap == 0) return;
        item.gap = (item.gap & ~(uint256(type(uint88).max) << at)) | (price << at);
    }

    /// @dev Whether `b` is not more than `stepBps` away from `a`.
    function _isNear(uint256 a, uint256 b, uint256 stepBps) private pure returns (bool) {
        return (b > a ? b - a : a - b) * 10_000 <= a * stepBps;
    }

    /// @dev When the market price of a slot was true; 0 if that is before 1970.
    function _marketAt(uint256 word) private pure returns (uint256) {
        uint256 age = uint16(word >> AGE_AT);
        return word & LOW_32 > age ? (word & LOW_32) - age : 0;
    }

    function _state(uint256 word) private pure returns (uint256) {
        return (word >> STATUS_AT) & 0x07;
    }

    function _spread(uint256 word) private pure returns (uint256) {
        return (word >> SPREAD_AT) & MAX_SPREAD;
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
