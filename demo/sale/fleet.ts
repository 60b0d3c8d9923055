import type { x402Client } from "@x402/core/client";
import type { SettleResponse } from "@x402/core/types";
import { type Address, type Hex, isHex, keccak256, type LocalAccount, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { SalePackages } from "./packages.ts";
import { decodeHeader } from "./wire.ts";

/** One request of a buyer, from the first call to the last byte of the answer. */
export type Purchase = {
  readonly buyer: Address;
  readonly latencyMs: number;
  /** The status of the answer; undefined if there was none. */
  readonly status: number | undefined;
  /** The nonce of the authorization that the buyer signed, if there was one. */
  readonly nonce: Hex | undefined;
  /** The voucher that the buyer signed instead, if they pay by channel. */
  readonly voucher: SignedVoucher | undefined;
  readonly receipt: Pick<SettleResponse, "success" | "transaction"> | undefined;
  /** What the server or the connection said, if the server did not sell. */
  readonly problem: string | undefined;
};

export type SignedVoucher = {
  readonly channelId: Hex;
  /** The total that the voucher allows to be claimed from the channel, in atomic units. */
  readonly maxClaimable: bigint;
  /** Whether a deposit came with the voucher. */
  readonly hasDeposit: boolean;
};

/** The demo's buyers. They are the same every time. */
export function createBuyers(count: number): LocalAccount[] {
  return Array.from({ length: count }, (_, i) => privateKeyToAccount(keccak256(stringToHex(`tributary buyer ${i}`))));
}

/**
 * Makes every buyer buy with the official client. All buy at the same time, each one request after another: buyer
 * `i % buyers` makes request `i`.
 * @param clientOf Makes a buyer's client, which the buyer keeps.
 * @param fetchOf The transport of the buyer at a position.
 */
export async function buyAll(
  packages: Pick<SalePackages, "wrapFetchWithPayment">,
  options: {
    readonly buyers: readonly LocalAccount[];
    readonly requests: number;
    readonly url: string;
    readonly clientOf: (buyer: LocalAccount) => x402Client;
    readonly fetchOf: (buyer: number) => typeof fetch;
    readonly onPurchase: (purchase: Purchase, buyer: number) => void;
  },
): Promise<Purchase[]> {
  const { buyers, requests, url, clientOf, fetchOf, onPurchase } = options;
  const purchases: Purchase[] = [];
  const shopping = buyers.map(async (signer, position) => {
    const client = clientOf(signer);
    for (let request = position; request < requests; request += buyers.length) {
      const purchase = await buy(packages, { signer, client, url, transport: fetchOf(position) });
      purchases.push(purchase);
      onPurchase(purchase, position);
    }
  });
  await Promise.all(shopping);
  return purchases;
}

async function buy(
  { wrapFetchWithPayment }: Pick<SalePackages, "wrapFetchWithPayment">,
  how: {
    readonly signer: LocalAccount;
    readonly client: x402Client;
    readonly url: string;
    readonly transport: typeof fetch;
  },
): Promise<Purchase> {
  const { signer, client, url, transport } = how;
  let signed: Pick<Purchase, "nonce" | "voucher"> = { nonce: undefined, voucher: undefined };
  const noting: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    const header = request.headers.get("payment-signature");
    if (header !== null) signed = readSigned(header);
    return transport(request);
  };
  const pay = wrapFetchWithPayment(noting, client);
  const startedMs = performance.now();
  try {
    const response = await pay(url);
    const text = await response.text();
    const latencyMs = performance.now() - startedMs;
    const receipt = readReceipt(response.headers.get("payment-response"));
    // A 402 of x402 v2 has an empty body. Its header has the reason for refusing the payment, next to the price.
    const refusal = property(decodeHeader(response.headers.get("payment-required")), "error");
    const reason = receipt?.errorReason ?? (typeof refusal === "string" ? refusal : text.slice(0, 200));
    const problem = response.ok ? undefined : `${response.status} ${reason}`;
    return { buyer: signer.address, latencyMs, status: response.status, ...signed, receipt, problem };
  } catch (error) {
    const latencyMs = performance.now() - startedMs;
    const problem = error instanceof Error ? error.message : String(error);
    return { buyer: signer.address, latencyMs, status: undefined, ...signed, receipt: undefined, problem };
  }
}

function readSigned(header: string): Pick<Purchase, "nonce" | "voucher"> {
  const payload = property(decodeHeader(header), "payload");
  const nonce = property(property(payload, "authorization"), "nonce");
  const voucher = property(payload, "voucher");
  const [channelId, max] = [property(voucher, "channelId"), property(voucher, "maxClaimableAmount")];
  const hasDeposit = property(payload, "type") === "deposit";
  return {
    nonce: isHex(nonce) ? nonce : undefined,
    voucher:
      isHex(channelId) && typeof max === "string" ? { channelId, maxClaimable: BigInt(max), hasDeposit } : undefined,
  };
}

function readReceipt(header: string | null) {
  const receipt = decodeHeader(header);
  const [transaction, errorReason] = [property(receipt, "transaction"), property(receipt, "errorReason")];
  if (typeof transaction !== "string") return undefined;
  return {
    success: property(receipt, "success") === true,
    transaction,
    ...(typeof errorReason === "string" ? { errorReason } : {}),
  };
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
