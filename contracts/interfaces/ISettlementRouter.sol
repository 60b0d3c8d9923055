// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title ISettlementRouter
/// @notice Settles many signed EIP-3009 authorizations of one token in one transaction.
///
/// Trust boundary: the router has no storage, no owner and no upgrade, and it never holds tokens, allowances or ether.
/// Anyone may call it. A payer trusts it with nothing: each authorization names its payer, payee and value under the
/// payer's own signature, which the token checks. The router emits nothing for a success, because the token's own
/// `AuthorizationUsed` and `Transfer` prove it.
///
/// Assumptions about the token: it implements EIP-3009, and a call that returns without reverting has settled. A token
/// that breaks this can only lie about itself; read outcomes from its logs.
///
/// @dev Warning: the batch id is a label. Anyone may use any id any number of times, so it proves nothing.
/// @dev Warning: a token that calls back may settle another batch inside an item. The two batches share no state, but
/// their logs interleave in one transaction.
interface ISettlementRouter {
    /// @notice Emitted for an item whose call to the token reverted. Other items are not affected.
    /// @param index Position of the item in the batch, from 0.
    /// @param payer The authorization's `from`.
    /// @param nonce The authorization's nonce.
    /// @param reason The first `MAX_REASON_BYTES` bytes of the revert data. Empty data means that the item used up its
    /// gas allowance (or that code of the payer or the token reverted without data), never a bad signature. The reverse
    /// does not hold: if a payer's own code runs out of gas, USDC reports an invalid signature.
    event AuthorizationFailed(uint256 index, address indexed payer, bytes32 indexed nonce, bytes reason);

    /// @notice Emitted once per batch, after its items.
    /// @param caller Who called the router.
    /// @param batchId The label that the caller chose.
    /// @param attempted How many items were attempted: all of them, unless there was not enough gas.
    /// @param failed How many of those failed.
    event BatchSettled(address indexed caller, bytes32 indexed batchId, uint256 attempted, uint256 failed);

    /// @notice The token address has no code, so every call to it would seem to succeed.
    error TokenWithoutCode(address token);

    /// @notice The batch's first byte is not the version that this router reads.
    error UnsupportedVersion(uint256 version, uint256 supported);

    /// @notice The batch has no items.
    error EmptyBatch();

    /// @notice The batch ends in the middle of its header, its payees or an item.
    /// @param needed The least length that the batch should have.
    /// @param length The length that it has.
    error TruncatedBatch(uint256 needed, uint256 length);

    /// @notice The batch goes on after its last item.
    /// @param expected The length that the batch should have.
    /// @param length The length that it has.
    error TrailingBytes(uint256 expected, uint256 length);

    /// @notice A reserved bit of an item's head is set.
    error ReservedBitSet(uint256 index, uint256 head);

    /// @notice An item's payee index is beyond the table of payees.
    error PayeeOutOfRange(uint256 index, uint256 payee, uint256 payeeCount);

    /// @notice The signature of a wide item is longer than allowed, or is not 65 bytes long in the (v, r, s) form.
    error InvalidSignatureLength(uint256 index, uint256 length, uint256 allowed);

    /// @notice Settles a batch of authorizations of one token. An item that the token refuses fails alone.
    ///
    /// Before each item the router checks that it can forward the item's whole gas allowance (EIP-150 keeps back a
    /// 64th) and still finish its own work. It stops, without reverting, at the first item for which it cannot; that
    /// item and those after it are untouched. A malformed part of the batch reverts the whole call when the router
    /// reaches it.
    ///
    /// The batch is packed, big-endian, without padding:
    ///
    /// ```
    /// header   version u8 (1) | payeeCount u16 | itemCount u16
    /// payees   payeeCount × address (20 bytes)
    /// items    itemCount × (compact item | wide item)
    ///
    /// compact  head u16 | from address | value u64 | validAfter u32 | validBefore u32 | nonce b32 | r b32 | s b32
    ///          (134 bytes)
    /// wide     head u16 | gasAllowance u32 | from address | value u256 | validAfter u256 | validBefore u256 | nonce
    /// b32          | signatureLength u16 | signature (signatureLength bytes)
    ///          (156 bytes and the signature)
    ///
    /// head     bit 15      0 compact, 1 wide
    ///          bit 14      compact: v is 27 + this bit
    ///                      wide: 1 calls the (v, r, s) overload with signature = r ‖ s ‖ v (65 bytes),
    ///                            0 calls the overload with `bytes signature`
    ///          bits 13-12  reserved, 0
    ///          bits 11-0   index of the payee in the table
    /// ```
    ///
    /// @param token The EIP-3009 token of all items in the batch.
    /// @param batchId A label that the caller chooses.
    /// @param gasAllowance The most gas that each compact item may use, in the token and everything the token calls. A
    /// wide item carries its own allowance.
    /// @param batch The packed batch.
    /// @return attempted How many items were attempted, counted from the first.
    /// @return failures A bitmap of ceil(attempted / 8) bytes: item `i` failed if bit `i & 7` (from the least
    /// significant) of byte `i >> 3` is set. An `eth_call` of this function is the pre-flight of a whole batch.
    function settle(
        address token,
        bytes32 batchId,
        uint256 gasAllowance,
        bytes calldata batch
    ) external returns (uint256 attempted, bytes memory failures);
}
