import { type Address, concatHex, type Hex, keccak256, slice, stringToHex, zeroHash } from "viem";
import { encodeTransfer } from "../authorization/encode.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { ROUTER_ADDRESS } from "../deployment.ts";
import { type DataFeeInputs, dataFee, sampleTransaction } from "../fees/index.ts";
import { encodeSettle } from "../router/index.ts";
import { BATCH_SETTLEMENT_ADDRESS, MIN_WITHDRAW_DELAY_SECONDS } from "./addresses.ts";
import { claimCall, depositCall, sweepCall } from "./calls.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS, DEPOSIT_GAS, SWEEP_GAS } from "./gas.ts";
import { channelIdOf } from "./typedData.ts";
import type { ChannelConfig, VoucherClaim } from "./types.ts";

/** The cost in wei of the data of each kind of transaction on an OP-stack chain; zero elsewhere. */
export type DataCosts = {
  /** One transaction with this many payments. A single payment goes to the token itself. */
  readonly batch: (payments: number) => bigint;
  readonly deposit: () => bigint;
  readonly claim: (rows: number) => bigint;
  readonly sweep: () => bigint;
};

type Terms = { readonly payers: number; readonly payees: number; readonly amount: bigint };

const CHAIN_ID = 8453;
const TOKEN: Address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
/** Realistic gas limits, because their bytes are data too. */
const [TRANSFER_GAS, BATCH_GAS, ITEM_GAS] = [110_000n, 15_000_000n, 100_000n];
const DAY_SECONDS = 86_400n;

/**
 * Prices the data of the transactions that carry a traffic. Each is encoded as it is sent and measured as the chain
 * does. Its terms are as x402 clients write them, with noise in place of addresses, nonces and signatures.
 */
export function dataCostsOf(terms: Terms, inputs: DataFeeInputs | undefined): DataCosts {
  if (inputs === undefined) return { batch: () => 0n, deposit: () => 0n, claim: () => 0n, sweep: () => 0n };
  const priceOf = (to: Address, data: Hex, gas: bigint): bigint =>
    dataFee(sampleTransaction({ to, data, gas }, CHAIN_ID), inputs);
  return {
    batch: (payments) => {
      const authorizations = Array.from({ length: payments }, (_, index) => sampleAuthorization(terms, index));
      const [only] = authorizations;
      if (payments === 1 && only !== undefined) return priceOf(TOKEN, encodeTransfer(only, "vrs"), TRANSFER_GAS);
      const items = authorizations.map((authorization) => ({ form: "compact", authorization }) as const);
      const call = { token: TOKEN, batchId: noise("batch"), gasAllowance: ITEM_GAS, items };
      return priceOf(ROUTER_ADDRESS, encodeSettle(call), BATCH_GAS);
    },
    deposit: () => {
      const channelConfig = configOf(0);
      const { validBefore, signature } = sampleAuthorization(terms, 0);
      const authorization = { validAfter: 0n, validBefore, salt: BigInt(noise("deposit")), signature };
      const channelId = channelIdOf(CHAIN_ID, channelConfig);
      const { data } = depositCall({ channelConfig, channelId, amount: terms.amount, authorization });
      return priceOf(BATCH_SETTLEMENT_ADDRESS, data, DEPOSIT_GAS);
    },
    claim: (count) => {
      const rows = Array.from({ length: count }, (_, index) => rowOf(terms, index));
      const { data } = claimCall(rows, signatureOf("claim", 0), { channelId: zeroHash, totalClaimed: 0n });
      return priceOf(BATCH_SETTLEMENT_ADDRESS, data, CLAIM_GAS + CLAIM_ROW_GAS * BigInt(count));
    },
    sweep: () => priceOf(BATCH_SETTLEMENT_ADDRESS, sweepCall(addressOf("payee", 0), TOKEN).data, SWEEP_GAS),
  };
}

/** The sample payment with this index, a second later than the one before. */
function sampleAuthorization({ payers, payees, amount }: Terms, index: number): SignedAuthorization {
  const validAfter = 1_700_000_000n + BigInt(index);
  return {
    chainId: CHAIN_ID,
    token: TOKEN,
    from: addressOf("payer", index % payers),
    to: addressOf("payee", index % payees),
    value: amount,
    validAfter,
    validBefore: validAfter + DAY_SECONDS,
    nonce: noise("nonce", index),
    signature: signatureOf("payment", index),
  };
}

/**
 * A channel as the official packages open it: the payer's own key signs the vouchers, the delay is the shortest, the
 * salt zero.
 */
function configOf(payer: number): ChannelConfig {
  return {
    payer: addressOf("payer", payer),
    payerAuthorizer: addressOf("payer", payer),
    receiver: addressOf("payee", 0),
    receiverAuthorizer: addressOf("receiver authorizer", 0),
    token: TOKEN,
    withdrawDelay: MIN_WITHDRAW_DELAY_SECONDS,
    salt: zeroHash,
  };
}

function rowOf({ amount }: Terms, index: number): VoucherClaim {
  // Channels carry different totals.
  const total = amount * (100n + (BigInt(noise("total", index)) % 1_000n));
  return {
    voucher: { channel: configOf(index), maxClaimableAmount: total },
    signature: signatureOf("voucher", index),
    totalClaimed: total,
  };
}

/** 32 bytes that compress no better than a hash, different for each name and index. */
function noise(name: string, index = 0): Hex {
  return keccak256(stringToHex(`${name} ${index}`));
}

function addressOf(name: string, index: number): Address {
  return slice(noise(name, index), 12);
}

function signatureOf(name: string, index: number): Hex {
  return concatHex([noise(`${name} r`, index), noise(`${name} s`, index), index % 2 === 0 ? "0x1b" : "0x1c"]);
}
