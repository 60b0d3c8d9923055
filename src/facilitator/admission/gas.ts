import { type Address, concatHex, type Hex, keccak256, numberToHex, sliceHex, zeroHash } from "viem";
import { planBatches, tokenKey } from "../../batch/index.ts";
import { DEFAULT_LIMITS } from "../../batch/limits.ts";
import { CLAIM_ROW_GAS, REFUND_GAS } from "../../channels/gas.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import { type DataFeeInputs, dataFee, sampleTransaction } from "../../fees/index.ts";
import { CANONICAL_CHANNEL_GAS, CIRCLE_USDC_GAS, claimGas, ROUTER_GAS } from "../../gas/index.ts";
import { type BatchCall, batchCallOf } from "../../settlement/dispatch/call.ts";
import type { Ask } from "./types.ts";

/** The number of payments in a full batch. */
const FULL_BATCH = 300;
const ECDSA_BYTES = 65;

/** What a request is expected to cost. */
export type Expected = { readonly gas: bigint; readonly dataFeeWei: (inputs: DataFeeInputs) => bigint };

/** One payment's part of a batch of `payments`. Every payer and payee is different and has a balance. */
type Share = { readonly gas: bigint; readonly payments: number; readonly call: BatchCall };

/** Predicts the gas of requests, with the model that batches are planned with and with Circle's USDC. */
export function createGasBook(options: { readonly batches: boolean; readonly maxDeploymentGas: bigint }): {
  /** @param isAlone Whether a payment gets its own transaction. */
  readonly expect: (ask: Ask, isAlone: boolean) => Expected;
} {
  let known: { readonly batched: Share; readonly lone: Share } | undefined;

  function shares() {
    known ??= { batched: sampleShare(options.batches ? FULL_BATCH : 1), lone: sampleShare(1) };
    return known;
  }

  function gasOf(ask: Ask, share: Share): bigint {
    const rows = ask.rows ?? 0;
    switch (ask.kind) {
      case "payment": {
        const wallet = (ask.signatureBytes ?? ECDSA_BYTES) > ECDSA_BYTES ? DEFAULT_LIMITS.codePayerAllowance : 0n;
        return share.gas + wallet + (ask.deploys === true ? options.maxDeploymentGas : 0n);
      }
      case "deposit":
        return BigInt(CANONICAL_CHANNEL_GAS.depositGas);
      case "claim":
        return claimGas(CANONICAL_CHANNEL_GAS, rows);
      case "sweep":
        return BigInt(CANONICAL_CHANNEL_GAS.sweepGas);
      case "refund":
        return REFUND_GAS + CLAIM_ROW_GAS * BigInt(rows);
    }
  }

  return {
    expect: (ask, isAlone) => {
      const { batched, lone } = shares();
      const share = ask.kind === "payment" && !isAlone ? batched : lone;
      const dataFeeWei = (inputs: DataFeeInputs): bigint => {
        const one = dataFeeOf(share, inputs);
        // A row of a claim has about as much data as a payment.
        return one + BigInt(ask.rows ?? 0) * one;
      };
      return { gas: gasOf(ask, share), dataFeeWei };
    },
  };
}

function dataFeeOf({ call, payments }: Share, inputs: DataFeeInputs): bigint {
  return divideUp(dataFee(sampleTransaction(call, 1), inputs), BigInt(payments));
}

function sampleShare(payments: number): Share {
  const token = sampleAddress("token");
  const sample = Array.from({ length: payments }, (_, index) => ({
    chainId: 1,
    token,
    from: sampleAddress(`payer ${index}`),
    to: sampleAddress(`payee ${index}`),
    value: 12_345n,
    validAfter: 0n,
    validBefore: 1_900_000_000n,
    nonce: sampleWord(`nonce ${index}`),
    // The lower half of a signature is below 2^255.
    signature: concatHex([sampleWord(`r ${index}`), "0x3b", sliceHex(sampleWord(`s ${index}`), 1), "0x1b"]),
  }));
  const accounts = sample.flatMap(({ from, to }) => [from.toLowerCase(), to.toLowerCase()]);
  const { batches } = planBatches({
    payments: sample,
    nowSeconds: 1_800_000_000n,
    routerAvailable: true,
    gasModel: { token: CIRCLE_USDC_GAS, router: ROUTER_GAS },
    balances: new Map([[tokenKey(1, token), new Map(accounts.map((account) => [account, 1_000_000n]))]]),
  });
  const [batch] = batches;
  if (batch === undefined) throw new Error("the sample batch was not planned");
  const { predictedGas, items } = batch;
  const gas = predictedGas.kind === "exact" ? predictedGas.gas : predictedGas.high;
  const count = items.length;
  return { gas: divideUp(gas, BigInt(count)), payments: count, call: batchCallOf(batch, ROUTER_ADDRESS, zeroHash) };
}

function sampleWord(text: string): Hex {
  return keccak256(concatHex([...Buffer.from(text)].map((byte) => numberToHex(byte, { size: 1 }))));
}

function sampleAddress(text: string): Address {
  return sliceHex(sampleWord(text), 12);
}

function divideUp(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
