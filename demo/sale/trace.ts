import { isDeepStrictEqual } from "node:util";
import type { FacilitatorClient } from "@x402/core/server";
import type { PaymentPayload } from "@x402/core/types";
import {
  type Hex,
  isAddressEqual,
  isHex,
  keccak256,
  parseEventLogs,
  parseTransaction,
  size,
  type TransactionReceipt,
} from "viem";
import type { ChainClient } from "../../src/chain/client.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { decodeSettle } from "../../src/router/index.ts";
import { decodeHeader, describeMessage } from "./wire.ts";

const ROLES = {
  client: "client",
  server: "resource server",
  facilitator: "facilitator",
  chain: "chain",
} as const;

/** The steps of an x402 payment in order: the sender, the receiver and the message. */
const STEPS = [
  ["client", "server", "asks for the resource"],
  ["server", "client", "names the price"],
  ["client", "client", "signs an authorization (EIP-712, EIP-3009); it moves nothing yet"],
  ["client", "server", "asks again, with the payment"],
  ["server", "facilitator", "asks whether the payment is good"],
  ["facilitator", "server", "says so, after a look at the chain"],
  ["server", "facilitator", "has made its answer and asks for the money"],
  ["facilitator", "chain", "sends it, in one transaction with those that came at the same time"],
  ["chain", "facilitator", "has it in a block"],
  ["facilitator", "server", "reports the outcome of this payment, from its own logs"],
  ["server", "client", "hands out the resource, with a receipt"],
] as const satisfies readonly (readonly [keyof typeof ROLES, keyof typeof ROLES, string])[];

export type TraceStep = {
  readonly number: number;
  /** Milliseconds since the payment's first step. */
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly what: string;
  /** The first line of an HTTP message. */
  readonly head: string | undefined;
  /** What else is in the message, by field, with signatures shortened. */
  readonly message: readonly (readonly [field: string, value: string])[];
};

/** Listens in on one payment, between all four roles. */
export type Trace = {
  /** Wraps the client's transport. The first payment that it carries is traced. */
  readonly client: (transport: typeof fetch) => typeof fetch;
  /** Wraps the client by which the resource server calls the facilitator. */
  readonly facilitator: (client: FacilitatorClient) => FacilitatorClient;
  /** Wraps the client by which the facilitator reaches the chain. */
  readonly chain: (client: ChainClient) => ChainClient;
  /** The steps so far, in order. A payment that is settled has eleven. */
  readonly steps: () => readonly TraceStep[];
};

export function createTrace(): Trace {
  const steps = new Map<number, TraceStep>();
  /** Values that an earlier step showed, and the words that replace them. */
  const shown: [value: unknown, instead: string][] = [];
  const hashes = new Set<Hex>();
  let startedMs: number | undefined;
  let nonce: string | undefined;

  const note = (number: number, message: unknown, head?: string): void => {
    const step = STEPS[number - 1];
    if (step === undefined || steps.has(number)) return;
    startedMs ??= performance.now();
    const [from, to, what] = step;
    const lines = describeMessage(withoutRepetition(message, shown));
    const atMs = Math.round(performance.now() - startedMs);
    steps.set(number, { number, atMs, from: ROLES[from], to: ROLES[to], what, head, message: lines });
  };
  const isTraced = ({ payload }: PaymentPayload): boolean => nonce !== undefined && nonceOf(payload) === nonce;

  function noteSigned(request: Request, header: unknown): void {
    const { payload, accepted } = header as PaymentPayload;
    const { authorization, signature } = payload;
    nonce = nonceOf(payload);
    note(3, {
      domain: { ...accepted.extra, chainId: Number(accepted.network.split(":")[1]), verifyingContract: accepted.asset },
      TransferWithAuthorization: authorization,
      signature,
    });
    shown.push([authorization, "as signed in step 3"], [signature, "as in step 3"]);
    note(4, { "PAYMENT-SIGNATURE": header }, lineOf(request));
    shown.push([header, "as in step 4"]);
  }

  return {
    client: (transport) => async (input, init) => {
      const request = new Request(input, init);
      if (steps.has(STEPS.length)) return transport(request);
      const header = decodeHeader(request.headers.get("payment-signature"));
      if (header === undefined) note(1, {}, lineOf(request));
      else noteSigned(request, header);
      const response = await transport(request);
      const status = `${response.status} ${response.statusText}`;
      if (header === undefined) {
        const required = decodeHeader(response.headers.get("payment-required"));
        note(2, { "PAYMENT-REQUIRED": required }, status);
        rememberOffer(required);
      } else {
        const receipt = decodeHeader(response.headers.get("payment-response"));
        note(11, { "PAYMENT-RESPONSE": receipt, body: await response.clone().text() }, status);
      }
      return response;
    },
    facilitator: (client) => ({
      getSupported: () => client.getSupported(),
      verify: async (paymentPayload, paymentRequirements) => {
        if (!isTraced(paymentPayload)) return client.verify(paymentPayload, paymentRequirements);
        note(5, { paymentPayload, paymentRequirements }, "POST /verify");
        const verdict = await client.verify(paymentPayload, paymentRequirements);
        note(6, verdict);
        return verdict;
      },
      settle: async (paymentPayload, paymentRequirements) => {
        if (!isTraced(paymentPayload)) return client.settle(paymentPayload, paymentRequirements);
        note(7, { paymentPayload, paymentRequirements }, "POST /settle");
        const settlement = await client.settle(paymentPayload, paymentRequirements);
        note(10, settlement);
        shown.push([settlement, "as in step 10"]);
        return settlement;
      },
    }),
    chain: (client) => ({
      ...client,
      sendRawTransaction: (request) => {
        const raw = request.serializedTransaction;
        if (nonce !== undefined && raw.includes(nonce.slice(2))) {
          hashes.add(keccak256(raw));
          note(8, describeTransaction(raw));
        }
        return client.sendRawTransaction(request);
      },
      getTransactionReceipt: async (request) => {
        const receipt = await client.getTransactionReceipt(request);
        if (hashes.has(request.hash)) note(9, describeReceipt(receipt, nonce));
        return receipt;
      },
    }),
    steps: () => [...steps.values()].sort((a, b) => a.number - b.number),
  };

  function rememberOffer(required: unknown): void {
    if (typeof required !== "object" || required === null) return;
    for (const value of Object.values(required)) {
      if (typeof value === "object") shown.push([value, "as in step 2"]);
      if (Array.isArray(value)) for (const offer of value) shown.push([offer, "as offered in step 2"]);
    }
  }
}

function lineOf({ method, url }: Request): string {
  return `${method} ${url}`;
}

/** The message, with words in place of what was shown before. */
function withoutRepetition(value: unknown, shown: readonly (readonly [unknown, string])[]): unknown {
  const before = shown.find(([known]) => isDeepStrictEqual(known, value));
  if (before !== undefined) return before[1];
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutRepetition(inner, shown)]));
}

function nonceOf(payload: Record<string, unknown>): string | undefined {
  const { authorization } = payload;
  const nonce: unknown =
    typeof authorization === "object" && authorization !== null ? Reflect.get(authorization, "nonce") : undefined;
  return isHex(nonce) ? nonce.toLowerCase() : undefined;
}

function describeTransaction(raw: Hex) {
  const { to, data = "0x", gas, nonce: txNonce, maxFeePerGas, chainId = 0 } = parseTransaction(raw);
  const isBatch = typeof to === "string" && isAddressEqual(to, ROUTER_ADDRESS);
  const batch = isBatch ? decodeSettle(data, chainId) : undefined;
  return {
    to,
    calls:
      batch === undefined
        ? "transferWithAuthorization on the token: a lone payment is cheaper there"
        : `settle on the router, for ${batch.items.length} payments`,
    calldata: `${size(data)} bytes`,
    gas,
    txNonce,
    maxFeePerGas,
    hash: keccak256(raw),
  };
}

function describeReceipt(receipt: TransactionReceipt, nonce: string | undefined) {
  const logs = parseEventLogs({ abi: mockUSDCArtifact.abi, logs: receipt.logs });
  const at = logs.findIndex((log) => log.eventName === "AuthorizationUsed" && log.args.nonce.toLowerCase() === nonce);
  const [used, transfer] = [logs[at], logs[at + 1]];
  return {
    status: receipt.status,
    block: receipt.blockNumber,
    gasUsed: receipt.gasUsed,
    ...(used === undefined ? {} : { [`log ${used.logIndex} AuthorizationUsed`]: used.args }),
    ...(transfer?.eventName === "Transfer" ? { [`log ${transfer.logIndex} Transfer`]: transfer.args } : {}),
  };
}
