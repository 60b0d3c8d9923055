import type { NetworkHelpers } from "@nomicfoundation/hardhat-network-helpers/types";
import type { HardhatViemHelpers } from "@nomicfoundation/hardhat-viem/types";
import { type Address, bytesToHex, getAddress, type Hex, type LocalAccount } from "viem";
import {
  BATCH_SETTLEMENT_ADDRESS,
  type ChannelConfig,
  channelIdOf,
  claimBatchTypedData,
  depositNonce,
  ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
  encodeDepositAuthorization,
  refundTypedData,
  type VoucherClaim,
  voucherTypedData,
} from "../../src/channels/index.ts";
import { mockBatchSettlementArtifact } from "../../src/contracts/MockBatchSettlement.ts";
import { mockDepositCollectorArtifact } from "../../src/contracts/MockDepositCollector.ts";
import { deployUsdc, FAR_FUTURE, fundedAccount, signTransfer } from "./usdc.ts";

/** The roles in a channel of these tests. Account 0, the default caller, has none of them. */
export const payer = fundedAccount(10);
export const payerAuthorizer = fundedAccount(11);
export const receiver = fundedAccount(12);
export const receiverAuthorizer = fundedAccount(13);

export const MINUTES_15 = 900;

export type ChannelFixture = Awaited<ReturnType<typeof deployChannels>>;

/**
 * USDC, and the doubles of the settlement contract and its collector at their own addresses. The payer has 1,000 units.
 */
export async function deployChannels(
  viem: HardhatViemHelpers,
  networkHelpers: Pick<NetworkHelpers, "setCode" | "time">,
) {
  await networkHelpers.setCode(BATCH_SETTLEMENT_ADDRESS, mockBatchSettlementArtifact.deployedBytecode);
  await networkHelpers.setCode(ERC3009_DEPOSIT_COLLECTOR_ADDRESS, mockDepositCollectorArtifact.deployedBytecode);
  const settlement = await viem.getContractAt("MockBatchSettlement", BATCH_SETTLEMENT_ADDRESS);
  const collector = await viem.getContractAt("MockDepositCollector", ERC3009_DEPOSIT_COLLECTOR_ADDRESS);
  const token = await deployUsdc(viem);
  const { usdc, chainId } = token;
  await token.mint(payer.address, 1_000n);
  const [stranger] = await viem.getWalletClients();
  if (stranger === undefined) throw new Error("accounts missing");

  /** A channel's terms; another salt makes another channel. */
  const configOf = (changes: Partial<ChannelConfig> = {}): ChannelConfig => ({
    payer: payer.address,
    payerAuthorizer: payerAuthorizer.address,
    receiver: receiver.address,
    receiverAuthorizer: receiverAuthorizer.address,
    token: getAddress(usdc.address),
    withdrawDelay: MINUTES_15,
    salt: `0x${"00".repeat(32)}`,
    ...changes,
  });
  const idOf = (config: ChannelConfig) => channelIdOf(chainId, config);

  /** The payer's authorization of a deposit, as the collector takes it. */
  const depositData = async (config: ChannelConfig, amount: bigint, signer: LocalAccount = payer): Promise<Hex> => {
    const salt = BigInt(bytesToHex(crypto.getRandomValues(new Uint8Array(32))));
    const { signature } = await signTransfer(
      signer,
      {
        chainId,
        token: usdc.address,
        from: config.payer,
        to: ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
        value: amount,
        validAfter: 0n,
        validBefore: FAR_FUTURE,
        nonce: depositNonce(idOf(config), salt),
      },
      "ReceiveWithAuthorization",
    );
    return encodeDepositAuthorization({ validAfter: 0n, validBefore: FAR_FUTURE, salt, signature });
  };
  const depositArgs = async (config: ChannelConfig, amount: bigint) =>
    [config, amount, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, await depositData(config, amount)] as const;
  const deposit = async (config: ChannelConfig, amount: bigint) =>
    settlement.write.deposit([...(await depositArgs(config, amount))]);

  /** One row that claims `totalClaimed` under a voucher of `ceiling`, signed by the payer authorizer. */
  const row = async (
    config: ChannelConfig,
    totalClaimed: bigint,
    ceiling = totalClaimed,
    signer: LocalAccount = payerAuthorizer,
  ): Promise<VoucherClaim> => ({
    voucher: { channel: config, maxClaimableAmount: ceiling },
    signature: await signer.signTypedData(voucherTypedData(chainId, idOf(config), ceiling)),
    totalClaimed,
  });
  const signClaims = (rows: readonly VoucherClaim[], signer: LocalAccount = receiverAuthorizer) =>
    signer.signTypedData(claimBatchTypedData(chainId, rows));
  const claim = async (rows: readonly VoucherClaim[]) =>
    settlement.write.claimWithSignature([rows, await signClaims(rows)]);
  const signRefund = (
    config: ChannelConfig,
    nonce: bigint,
    amount: bigint,
    signer: LocalAccount = receiverAuthorizer,
  ) => signer.signTypedData(refundTypedData(chainId, idOf(config), nonce, amount));

  /** [balance, totalClaimed] of a channel. */
  const stateOf = (config: ChannelConfig) => settlement.read.channels([idOf(config)]);
  const withdrawalOf = (config: ChannelConfig) => settlement.read.pendingWithdrawals([idOf(config)]);
  const balanceOf = (account: Address) => usdc.read.balanceOf([account]);

  return {
    ...token,
    settlement,
    collector,
    stranger: stranger.account.address,
    configOf,
    idOf,
    depositData,
    depositArgs,
    deposit,
    row,
    signClaims,
    claim,
    signRefund,
    stateOf,
    withdrawalOf,
    balanceOf,
    time: networkHelpers.time,
  };
}
