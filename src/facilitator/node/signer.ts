import type { FacilitatorEvmSigner } from "@x402/evm";
import { type Abi, type Address, concatHex, encodeFunctionData, type Hex, keccak256, toHex } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { alarm, type Clock, systemClock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { transactionOf } from "../../journal/ports/evidence.ts";
import type { PaymentJournal, PaymentRow } from "../../journal/ports/payments.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import { readContract } from "./reads.ts";

/** The engine did not take a call, would not spend its gas, or did not send it in time. */
export class CallNotSentError extends TributaryError {
  override readonly name = "CallNotSentError";
}

/** What a signer for official schemes sends through. */
export type EngineSignerOptions = {
  /** The engine that sends the writes, from its keys. */
  readonly engine: SettlementEngine;
  /** The engine's journal. */
  readonly journal: PaymentJournal;
  /** How long a call may wait to be sent, and after that to be mined, in milliseconds. 55 s each by default. */
  readonly timeoutMs?: number;
  /** The most gas that one write may take, 1,000,000 by default. A scheme may call code that a stranger wrote. */
  readonly maxGas?: bigint;
  readonly clock?: Clock;
};

/** How often the journal is asked for the hash of a call. */
const POLL_MS = 50;

/**
 * A signer for official schemes that write for themselves (Permit2, `upto`, `batch-settlement`). Each write becomes a call in
 * the engine's queue, after a pre-flight with exactly its gas; the engine journals it, owns its txNonce and replaces it. So the
 * transaction whose hash was returned may be replaced; waiting for the receipt follows the replacement.
 */
export function createEngineSigner(client: ChainClient, options: EngineSignerOptions): FacilitatorEvmSigner {
  const { engine, journal, timeoutMs = 55_000, maxGas = 1_000_000n, clock = systemClock } = options;
  const addresses = engine.accounts().map(({ address }) => address);
  const calls = new Map<Hex, number>();

  async function send(to: Address, data: Hex, gas: bigint | undefined): Promise<Hex> {
    const [account] = addresses;
    const limit = gas ?? ((await client.estimateGas({ ...(account && { account }), to, data })) * 12n) / 10n;
    if (limit > maxGas) {
      throw new CallNotSentError(`A call would take ${limit} gas, more than the ${maxGas} allowed.`);
    }
    const random = toHex(crypto.getRandomValues(new Uint8Array(16)));
    const deadlineMs = clock.now() + timeoutMs;
    const admission = await engine.acceptCall({
      key: `signer:${keccak256(concatHex([to, data]))}:${random}`,
      to,
      data,
      gas: limit,
      deadlineSeconds: BigInt(Math.ceil(deadlineMs / 1000)),
    });
    if (admission.status === "refused") throw new CallNotSentError(`The engine refused a call: ${admission.message}`);
    for (;;) {
      const row = await journal.payment(admission.row.id);
      const hash = row === undefined ? undefined : transactionOf(row);
      if (hash !== undefined && row?.state !== "queued") {
        calls.set(hash, admission.row.id);
        return hash;
      }
      const isOver = row === undefined || row.state === "expired" || row.state === "cancelled";
      if (isOver || (clock.now() > deadlineMs && (await engine.cancel(admission.row.id)))) {
        throw new CallNotSentError("A call was not sent in time, and is taken back.");
      }
      await clock.sleep(POLL_MS);
    }
  }

  async function outcomeWithin(id: number, ms: number): Promise<PaymentRow> {
    const timeout = alarm(clock, ms);
    return engine.outcome(id, { signal: timeout.signal }).finally(timeout.clear);
  }

  return {
    getAddresses: () => addresses,
    readContract: (args) => readContract(client, args),
    // The packages' types allow any record as an EIP-712 message.
    verifyTypedData: (args) => client.verifyTypedData(args as Parameters<ChainClient["verifyTypedData"]>[0]),
    getCode: ({ address }) => client.getCode({ address }),
    writeContract: ({ address, abi, functionName, args, gas, dataSuffix }) => {
      const data = encodeFunctionData({ abi: abi as Abi, functionName, args });
      return send(address, dataSuffix === undefined ? data : concatHex([data, dataSuffix]), gas);
    },
    sendTransaction: ({ to, data }) => send(to, data, undefined),
    waitForTransactionReceipt: async ({ hash, timeout = timeoutMs }) => {
      const id = calls.get(hash);
      const row = id === undefined ? undefined : await outcomeWithin(id, timeout);
      const mined = row === undefined ? undefined : transactionOf(row);
      const { status, logs } = await client.waitForTransactionReceipt({ hash: mined ?? hash, timeout });
      calls.delete(hash);
      return { status, logs };
    },
  };
}
