// A buyer with the official client that pays through a channel if the seller offers one. It may be killed at any time:
// it writes what it signs to a file before it sends it, and a later run that finds a payment there sends the same one
// again instead of signing another. One process at a time may use the file. Run: PRIVATE_KEY=0x… node
// examples/channel-buyer.ts http://127.0.0.1:4021/weather, or with `refund` after the URL
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import type { PaymentPayload } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import { type BatchSettlementClientContext, BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { x402Client, x402HTTPClient } from "@x402/fetch";
import { BATCH_SETTLEMENT_ADDRESS } from "tributary";
import { type Address, createPublicClient, type Hex, http, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { RPC_URL = "http://127.0.0.1:8545", PRIVATE_KEY, STATE = "channel-buyer.json" } = process.env;
const [url = "http://127.0.0.1:4021/weather", command] = process.argv.slice(2);

/** What the buyer knows of its channels, and by URL the payments that it signed without getting an answer. */
type State = { channels: Record<string, BatchSettlementClientContext>; open: Record<string, PaymentPayload> };
const state: State = existsSync(STATE) ? JSON.parse(readFileSync(STATE, "utf8")) : { channels: {}, open: {} };

/** Writes the file completely or not at all; after it returns the file survives a crash. */
function save(): void {
  const file = openSync(`${STATE}.new`, "w", 0o600);
  writeSync(file, JSON.stringify(state));
  fsyncSync(file);
  closeSync(file);
  renameSync(`${STATE}.new`, STATE);
}

const chain = createPublicClient({ transport: http(RPC_URL) });
const account = privateKeyToAccount(PRIVATE_KEY as Hex);
// The packages' types allow any record as an ABI or an EIP-712 message; viem's do not.
const signer = toClientEvmSigner(account as Parameters<typeof toClientEvmSigner>[0], {
  readContract: (args) => chain.readContract(args as Parameters<typeof chain.readContract>[0]),
});
const storage = {
  get: async (id: string) => state.channels[id],
  set: async (id: string, channel: BatchSettlementClientContext) => {
    state.channels[id] = channel;
    save();
  },
  delete: async (id: string) => {
    delete state.channels[id];
    save();
  },
};

const channels = new BatchSettlementEvmScheme(signer, { storage });
const client = new x402Client((_version, accepts) => {
  return accepts.find(({ scheme }) => scheme === "batch-settlement") ?? accepts[0]!;
})
  .register("eip155:84532", channels)
  .register("eip155:84532", new ExactEvmScheme(signer));

const x402 = new x402HTTPClient(client);

async function buy(isLast = false): Promise<Response> {
  const earlier = state.open[url];
  const payment = earlier === undefined ? await sign() : await revive(earlier);
  if (payment instanceof Response) return payment;

  const response = await fetch(url, { headers: x402.encodePaymentSignatureHeader(payment) });
  const { recovered } = await x402.processPaymentResult(payment, (name) => response.headers.get(name), response.status);
  if (response.ok) forget();
  if (!recovered || isLast) return response;

  // The server showed the total that it has charged, and this buyer's voucher that allows it.
  forget();
  if (earlier !== undefined && chargedOf(payment) > chargedBefore(payment)) {
    throw new Error("The payment of an earlier run was charged, and its answer is lost. Run again to buy once more.");
  }
  return buy(true);
}

/**
 * Asks for the price and signs a payment, which is on disk before it is sent. Returns the answer itself if it is free.
 */
async function sign(): Promise<PaymentPayload | Response> {
  const priced = await fetch(url);
  if (priced.status !== 402) return priced;
  const asked = x402.getPaymentRequiredResponse((name) => priced.headers.get(name), undefined);
  const payment = await x402.createPaymentPayload(asked);
  state.open[url] = payment;
  save();
  return payment;
}

/** The payment of an earlier run, ready to be sent again, or a new one if that can no longer settle. */
async function revive(payment: PaymentPayload): Promise<PaymentPayload | Response> {
  const { channelConfig, deposit, voucher, authorization } = payment.payload as Payload;
  const { number: blockNumber, timestamp } = await chain.getBlock();
  if (voucher !== undefined && deposit !== undefined) {
    const [balance] = await chain.readContract({
      address: BATCH_SETTLEMENT_ADDRESS,
      abi: parseAbi(["function channels(bytes32) view returns (uint128 balance, uint128 totalClaimed)"]),
      functionName: "channels",
      args: [voucher.channelId],
      blockNumber,
    });
    if (balance >= BigInt(voucher.maxClaimableAmount)) {
      // The deposit was made, so the voucher is valid without it.
      state.channels[voucher.channelId] = { ...state.channels[voucher.channelId], balance: `${balance}` };
      return { ...payment, payload: { type: "voucher", channelConfig, voucher } };
    }
  }
  const { validBefore } = deposit?.authorization.erc3009Authorization ?? authorization ?? {};
  if (validBefore === undefined || timestamp < BigInt(validBefore)) return payment;
  if (authorization !== undefined) {
    const isUsed = await chain.readContract({
      address: payment.accepted.asset as Address,
      abi: parseAbi(["function authorizationState(address, bytes32) view returns (bool)"]),
      functionName: "authorizationState",
      args: [authorization.from, authorization.nonce],
      blockNumber,
    });
    if (isUsed) throw new Error(`The payment of an earlier run was made, with the nonce ${authorization.nonce}.`);
  }
  forget();
  return sign();
}

/** The part of a payment's payload that is read here: `authorization` in the scheme exact, the others in a channel. */
type Payload = {
  readonly authorization?: { readonly from: Address; readonly nonce: Hex; readonly validBefore: string };
  readonly channelConfig?: unknown;
  readonly voucher?: { readonly channelId: Hex; readonly maxClaimableAmount: string };
  readonly deposit?: { readonly authorization: { readonly erc3009Authorization: { readonly validBefore: string } } };
};

/** What had been charged in a payment's channel before its voucher was signed. */
function chargedBefore({ payload, accepted }: PaymentPayload): bigint {
  return BigInt((payload as Payload).voucher?.maxClaimableAmount ?? 0) - BigInt(accepted.amount);
}

/** What has been charged in a payment's channel, as far as this buyer knows. */
function chargedOf({ payload }: PaymentPayload): bigint {
  return BigInt(state.channels[(payload as Payload).voucher?.channelId ?? ""]?.chargedCumulativeAmount ?? 0);
}

function forget(): void {
  delete state.open[url];
  save();
}

if (command === "refund") {
  const { success, amount, transaction, errorReason } = await channels.refund(url);
  console.log(success ? `refunded ${amount} units of USDC: ${transaction}` : `no refund: ${errorReason}`);
} else {
  const response = await buy();
  console.log(response.status, await response.text());
  if (response.status === 402) {
    console.log(x402.getPaymentRequiredResponse((name) => response.headers.get(name), undefined).error);
  }
  for (const [id, { balance = "0", chargedCumulativeAmount = "0" }] of Object.entries(state.channels)) {
    console.log(`left in channel ${id}: ${BigInt(balance) - BigInt(chargedCumulativeAmount)} units of USDC`);
  }
}
