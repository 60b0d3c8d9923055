import { setTimeout as pause } from "node:timers/promises";
import type { PaymentPayload } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme, signVoucher } from "@x402/evm/batch-settlement/client";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import type { Hex, LocalAccount } from "viem";
import { decodeHeader } from "../../demo/sale/wire.ts";
import { networks } from "../../src/networks.ts";
import type { Sample } from "./load.ts";

/** A channel with its deposit, and its buyer, who has at most one request under way. */
export type BuyingChannel = {
  readonly url: string;
  /** Payments in order: each is valid once the one before it was accepted. */
  readonly payments: string[];
  /** Makes the next payment. */
  readonly sign: () => Promise<string>;
  /** Set once a payment was refused. Then the channel's state is unclear, and nothing more is bought. */
  isBroken: boolean;
};

const { caip2 } = networks.baseSepolia;

/** Buys once with the official client, which makes the deposit; each later purchase pays `price` atomic units by voucher. */
export async function openBuyingChannel(url: string, buyer: LocalAccount, price: bigint): Promise<BuyingChannel> {
  let first: PaymentPayload | undefined;
  const noting: typeof fetch = (input, init) => {
    const asked = new Request(input, init);
    first = (decodeHeader(asked.headers.get("payment-signature")) as PaymentPayload | undefined) ?? first;
    return fetch(asked);
  };
  // The packages' types allow any record as an EIP-712 message; viem's do not.
  const signer = toClientEvmSigner(buyer as Parameters<typeof toClientEvmSigner>[0]);
  const client = new x402Client().register(caip2, new BatchSettlementEvmScheme(signer));
  const response = await wrapFetchWithPayment(noting, client)(url);
  const text = await response.text();
  if (response.status !== 200 || first === undefined) {
    throw new Error(`no channel was opened: ${response.status} ${text}`);
  }
  const opening = first;
  const { channelConfig, voucher } = opening.payload as { channelConfig: unknown; voucher: { channelId: Hex } };
  let total = price;
  return {
    url,
    payments: [],
    sign: async () => {
      total += price;
      const signed = await signVoucher(signer, voucher.channelId, total.toString(), caip2);
      const payload = { type: "voucher", channelConfig, voucher: signed };
      return Buffer.from(JSON.stringify({ ...opening, payload })).toString("base64");
    },
    isBroken: false,
  };
}

/** Signs until a channel has `count` payments to send. Returns how many were signed. */
export async function signAhead(channel: BuyingChannel, count: number): Promise<number> {
  const before = channel.payments.length;
  while (channel.payments.length < count) channel.payments.push(await channel.sign());
  return channel.payments.length - before;
}

/** Buys again. A channel whose payment was refused is broken from then on. */
async function buy(channel: BuyingChannel, startedMs = performance.now()): Promise<Sample> {
  const payment = channel.payments.shift() ?? (await channel.sign());
  let reason: string | undefined;
  try {
    const response = await fetch(channel.url, { headers: { "payment-signature": payment } });
    await response.arrayBuffer();
    if (response.status !== 200) reason = `HTTP ${response.status}`;
  } catch (error) {
    reason = error instanceof Error ? error.name : "unknown";
  }
  channel.isBroken = reason !== undefined;
  return { ms: performance.now() - startedMs, success: reason === undefined, reason };
}

/** Makes every buyer buy `count` times, one purchase after another. */
export async function buyTimes(channels: readonly BuyingChannel[], count: number): Promise<Sample[]> {
  return buyWhile(channels, () => {
    let left = count;
    return () => left-- > 0;
  });
}

/** Makes every buyer buy again as soon as they have their answer. */
export async function buyFlatOut(channels: readonly BuyingChannel[], seconds: number): Promise<Sample[]> {
  const endMs = performance.now() + seconds * 1_000;
  return buyWhile(channels, () => () => performance.now() < endMs);
}

async function buyWhile(channels: readonly BuyingChannel[], again: () => () => boolean): Promise<Sample[]> {
  const samples: Sample[] = [];
  await Promise.all(
    channels.map(async (channel) => {
      const goOn = again();
      while (!channel.isBroken && goOn()) samples.push(await buy(channel));
    }),
  );
  return samples;
}

/** Buys at a steady rate, whether or not earlier purchases were answered, each by the buyer who was idle for longest. */
export async function buySteadily(
  channels: readonly BuyingChannel[],
  perSecond: number,
  seconds: number,
): Promise<Sample[]> {
  const samples: Promise<Sample>[] = [];
  const idle = channels.filter(({ isBroken }) => !isBroken);
  const startedMs = performance.now();
  for (let i = 0; i < perSecond * seconds; i += 1) {
    const waitMs = startedMs + (i * 1_000) / perSecond - performance.now();
    if (waitMs > 1) await pause(waitMs);
    const dueMs = performance.now();
    // If all are busy, the wait for one counts.
    while (idle.length === 0 && channels.some(({ isBroken }) => !isBroken)) await pause(1);
    const channel = idle.shift();
    if (channel === undefined) {
      samples.push(Promise.resolve({ ms: 0, success: false, reason: "no channel is left" }));
      continue;
    }
    samples.push(
      buy(channel, dueMs).then((sample) => {
        if (!channel.isBroken) idle.push(channel);
        return sample;
      }),
    );
  }
  return Promise.all(samples);
}
