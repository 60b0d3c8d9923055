// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IBatchSettlement} from "./IBatchSettlement.sol";

/// @title ChannelHashes
/// @notice The EIP-712 hashes of x402 `batch-settlement`.
library ChannelHashes {
    bytes32 internal constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,"
        "address token,uint40 withdrawDelay,bytes32 salt)"
    );

    bytes32 private constant _DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    bytes32 internal constant REFUND_TYPEHASH = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    bytes32 internal constant CLAIM_ENTRY_TYPEHASH = keccak256(
        "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );
    bytes32 internal constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)"
        "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );

    /// @notice The separator of the domain of this contract on this chain.
    /// @dev Computed at every call and passed to the other functions, because no constructor runs when a local chain
    /// places the code.
    function domainSeparator() internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    _DOMAIN_TYPEHASH,
                    keccak256("x402 Batch Settlement"),
                    keccak256("1"),
                    block.chainid,
                    address(this)
                )
            );
    }

    /// @notice See IBatchSettlement.getChannelId.
    function channelId(bytes32 domain, IBatchSettlement.ChannelConfig calldata config) internal pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config)));
    }

    /// @notice See IBatchSettlement.getVoucherDigest.
    function voucher(bytes32 domain, bytes32 id, uint128 maxClaimableAmount) internal pure returns (bytes32) {
        return
            MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(VOUCHER_TYPEHASH, id, maxClaimableAmount)));
    }

    /// @notice See IBatchSettlement.getRefundDigest.
    function refund(bytes32 domain, bytes32 id, uint256 nonce, uint128 amount) internal pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(REFUND_TYPEHASH, id, nonce, amount)));
    }

    /// @notice See IBatchSettlement.getClaimBatchDigest.
    /// @param ids The channels of `rows`, so that they are hashed once.
    function claimBatch(
        bytes32 domain,
        bytes32[] memory ids,
        IBatchSettlement.VoucherClaim[] calldata rows
    ) internal pure returns (bytes32) {
        bytes32[] memory entries = new bytes32[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            entries[i] = keccak256(
                abi.encode(CLAIM_ENTRY_TYPEHASH, ids[i], rows[i].voucher.maxClaimableAmount, rows[i].totalClaimed)
            );
        }
        bytes32 list = keccak256(abi.encodePacked(entries));
        return MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, list)));
    }
}
