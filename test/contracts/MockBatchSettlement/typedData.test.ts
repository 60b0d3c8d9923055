import {
  claimBatchTypes,
  BATCH_SETTLEMENT_ADDRESS as OFFICIAL_ADDRESS,
  ERC3009_DEPOSIT_COLLECTOR_ADDRESS as OFFICIAL_COLLECTOR,
  BATCH_SETTLEMENT_DOMAIN as officialDomain,
  refundTypes,
  voucherTypes,
} from "@x402/evm";
import { computeChannelId } from "@x402/evm/batch-settlement/client";
import { expect } from "chai";
import fc from "fast-check";
import { artifacts, network } from "hardhat";
import { getAddress, type Hex, hashTypedData, keccak256, maxUint128, maxUint256, size, stringToHex } from "viem";
import {
  BATCH_SETTLEMENT_ADDRESS,
  type ChannelConfig,
  channelIdOf,
  claimBatchTypedData,
  ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
  refundTypedData,
  voucherTypedData,
} from "../../../src/channels/index.ts";
import { mockBatchSettlementArtifact } from "../../../src/contracts/MockBatchSettlement.ts";
import { runs } from "../../helpers/randomness.ts";

/** A chain that calls itself Base Sepolia, with the double at the canonical address. */
const CHAIN_ID = 84532;
const { viem, networkHelpers } = await network.create({ network: "default", override: { chainId: CHAIN_ID } });
await networkHelpers.setCode(BATCH_SETTLEMENT_ADDRESS, mockBatchSettlementArtifact.deployedBytecode);
const settlement = await viem.getContractAt("MockBatchSettlement", BATCH_SETTLEMENT_ADDRESS);
const domain = { ...officialDomain, chainId: CHAIN_ID, verifyingContract: OFFICIAL_ADDRESS } as const;

const hex = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);
const address = hex(20).map((text) => getAddress(text));
const config: fc.Arbitrary<ChannelConfig> = fc.record({
  payer: address,
  payerAuthorizer: address,
  receiver: address,
  receiverAuthorizer: address,
  token: address,
  withdrawDelay: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
  salt: hex(32),
});
const uint128 = fc.bigInt({ min: 0n, max: maxUint128 });

describe("MockBatchSettlement: EIP-712", () => {
  it("has the addresses that the official package has", () => {
    expect([BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS]).to.deep.equal([
      OFFICIAL_ADDRESS,
      OFFICIAL_COLLECTOR,
    ]);
  });

  it("names channels as the official package does", async () => {
    await fc.assert(
      fc.asyncProperty(config, async (terms) => {
        const official = computeChannelId(terms, `eip155:${CHAIN_ID}`);
        expect(channelIdOf(CHAIN_ID, terms)).to.equal(official);
        expect(await settlement.read.getChannelId([terms])).to.equal(official);
      }),
      runs(15, 500),
    );
  });

  it("hashes vouchers and refunds as the official package's types say", async () => {
    await fc.assert(
      fc.asyncProperty(hex(32), uint128, fc.bigInt({ min: 0n, max: maxUint256 }), async (channelId, amount, nonce) => {
        const voucher = { channelId, maxClaimableAmount: amount };
        const hash = hashTypedData({ domain, types: voucherTypes, primaryType: "Voucher", message: voucher });
        expect(hashTypedData(voucherTypedData(CHAIN_ID, channelId, amount))).to.equal(hash);
        expect(await settlement.read.getVoucherDigest([channelId, amount])).to.equal(hash);

        const message = { channelId, nonce, amount };
        const refund = hashTypedData({ domain, types: refundTypes, primaryType: "Refund", message });
        expect(hashTypedData(refundTypedData(CHAIN_ID, channelId, nonce, amount))).to.equal(refund);
        expect(await settlement.read.getRefundDigest([channelId, nonce, amount])).to.equal(refund);
      }),
      runs(15, 500),
    );
  });

  it("hashes claims as the official package's types say, empty ones included", async () => {
    const row = fc.record({
      voucher: fc.record({ channel: config, maxClaimableAmount: uint128 }),
      signature: hex(65),
      totalClaimed: uint128,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 5 }), async (rows) => {
        const claims = rows.map(({ voucher, totalClaimed }) => ({
          channelId: computeChannelId(voucher.channel, CHAIN_ID),
          maxClaimableAmount: voucher.maxClaimableAmount,
          totalClaimed,
        }));
        const hash = hashTypedData({ domain, types: claimBatchTypes, primaryType: "ClaimBatch", message: { claims } });
        expect(hashTypedData(claimBatchTypedData(CHAIN_ID, rows))).to.equal(hash);
        expect(await settlement.read.getClaimBatchDigest([rows])).to.equal(hash);
      }),
      runs(15, 500),
    );
  });

  it("describes its domain, and the constants of the scheme", async () => {
    expect((await settlement.read.eip712Domain()).slice(0, 5)).to.deep.equal([
      "0x0f",
      "x402 Batch Settlement",
      "1",
      BigInt(CHAIN_ID),
      OFFICIAL_ADDRESS,
    ]);
    const typeHashes = {
      CHANNEL_CONFIG_TYPEHASH:
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)",
      VOUCHER_TYPEHASH: "Voucher(bytes32 channelId,uint128 maxClaimableAmount)",
      REFUND_TYPEHASH: "Refund(bytes32 channelId,uint256 nonce,uint128 amount)",
      CLAIM_ENTRY_TYPEHASH: "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)",
      CLAIM_BATCH_TYPEHASH:
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)",
    } as const;
    for (const [getter, type] of Object.entries(typeHashes)) {
      const read = settlement.read[getter as keyof typeof typeHashes];
      expect(await read(), getter).to.equal(keccak256(stringToHex(type)));
    }
    expect(await settlement.read.MIN_WITHDRAW_DELAY()).to.equal(900);
    expect(await settlement.read.MAX_WITHDRAW_DELAY()).to.equal(2_592_000);
  });

  it("has code that fits a contract and works wherever it is placed", async () => {
    for (const name of ["MockBatchSettlement", "MockDepositCollector"] as const) {
      const artifact = await artifacts.readArtifact(name);
      expect(size(artifact.deployedBytecode as Hex)).to.be.at.most(24_576);
      expect(artifact.deployedLinkReferences).to.deep.equal({});
      expect(artifact.immutableReferences ?? {}).to.deep.equal({});
    }
  });
});
