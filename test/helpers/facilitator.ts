import { type Address, type Hex, keccak256, numberToHex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type ChainClient, connectChain } from "../../src/chain/client.ts";
import {
  createFacilitator,
  type Facilitator,
  type FacilitatorOptions,
  serveFacilitator,
} from "../../src/facilitator/index.ts";
import { type Journal, openJournal } from "../../src/journal/index.ts";
import { startLocalChain } from "../../src/local/index.ts";
import { networks } from "../../src/networks.ts";
import { startPacedClock } from "./pacedClock.ts";
import { isLong } from "./randomness.ts";
import { type Tuning, tuned } from "./tuning.ts";

const { usdc, caip2, v1Name } = networks.baseSepolia;

/** The payee of these tests. */
export const PAYEE: Address = "0x00000000000000000000000000000000000Fee01";

/** Blocks as on Base take long, so the short run uses shorter ones. */
export const BLOCK_SECONDS = isLong ? 2 : 0.2;

/** The most often that an engine of these tests looks at the chain. */
const POLL_MS = 50;

/** Where a facilitator under test works: a chain that mines at an interval, and keys. */
export type FacilitatorLab = Awaited<ReturnType<typeof openFacilitatorLab>>;

type Change = Partial<Omit<FacilitatorOptions, "journal" | "senders" | "engine" | "pace">> & {
  readonly engine?: Tuning | undefined;
  readonly client?: ChainClient;
  readonly journal?: Journal;
};

/** A local chain and the means to run facilitators on it. Close it with `stop`. */
export async function openFacilitatorLab({ blockTimeSeconds = BLOCK_SECONDS, preconfirmMs = 0 } = {}) {
  const chain = await startLocalChain({ blockTimeSeconds, preconfirmMs });
  const client = await connectChain(chain.rpcUrl, { pollingIntervalMs: 50 });
  const clock = startPacedClock(() => chain.request("eth_chainId"));
  const open: (() => Promise<void>)[] = [];
  let nextSender = 19;

  return {
    chain,
    client,
    /** The facilitators' clock, which is no faster than the machine. */
    clock,
    /** A facilitator with its own key and journal, served on a free port. */
    serve: async (change: Change = {}) => {
      const account = privateKeyToAccount(chain.accounts[nextSender--]!.privateKey);
      return start(account, change);
    },
    /** The same with a given key, for a second life of one. */
    serveAs: (account: PrivateKeyAccount, change: Change) => start(account, change),
    /** Payer `seed`, with `amount` of USDC. */
    payer: async (seed: number, amount = 1_000_000n) => {
      const payer = payerOf(seed);
      await chain.fund(payer.address, amount);
      return payer;
    },
    /** Mints to many at once. */
    fundAll: (addresses: readonly Address[], amount = 1_000_000n) =>
      Promise.all(addresses.map((address) => chain.fund(address, amount))),
    balanceOf: (owner: Address): Promise<bigint> => balanceOf(owner),
    /** Stops blocks until {@link resumeBlocks}, except those that are asked for. */
    holdBlocks: () => chain.request("evm_setIntervalMining", [0]),
    resumeBlocks: () => chain.request("evm_setIntervalMining", [1_000 * blockTimeSeconds]),
    stop: async () => {
      for (const close of open.reverse()) await close();
      clock.stop();
      await chain.stop();
    },
  };

  function balanceOf(owner: Address): Promise<bigint> {
    const abi = [
      {
        type: "function",
        name: "balanceOf",
        stateMutability: "view",
        inputs: [{ name: "owner", type: "address" }],
        outputs: [{ name: "", type: "uint256" }],
      },
    ] as const;
    return client.readContract({ address: usdc.address, abi, functionName: "balanceOf", args: [owner] });
  }

  async function start(account: PrivateKeyAccount, { client: through = client, journal: given, ...change }: Change) {
    const journal = given ?? (await openJournal(":memory:"));
    // On a busy machine a burst would be refused as late, which only the tests of overload are about.
    const policy = { admitWithinMs: 85_000, ...change.policy };
    const { policy: engine, pace } = tuned({ pollMs: POLL_MS, ...change.engine });
    const options = { journal, clock, senders: [account], ...change, policy, engine, pace };
    const facilitator: Facilitator = await createFacilitator(through, options);
    const served = await serveFacilitator(facilitator, { port: 0 });
    let closed: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closed ??= served.close({ graceMs: 0 }).then(() => (given === undefined ? journal.close() : undefined));
      return closed;
    };
    open.push(close);
    return {
      url: served.url,
      facilitator,
      journal,
      account,
      close,
      verify: (body: unknown) => post(`${served.url}/verify`, body),
      settle: (body: unknown) => post(`${served.url}/settle`, body),
      get: (path: string) => fetch(`${served.url}${path}`),
      /** Transactions that this facilitator has sent. */
      transactions: () => client.getTransactionCount({ address: account.address }),
    };
  }
}

/** Payer `seed`: always the same key. */
export function payerOf(seed: number): PrivateKeyAccount {
  return privateKeyToAccount(keccak256(numberToHex(0xbeef_0000 + seed, { size: 32 })));
}

/** An answer of /verify or /settle. */
export type Answer = { readonly status: number; readonly body: Record<string, unknown>; readonly headers: Headers };

/** The headers of a request with a JSON body. */
export const JSON_BODY = { "content-type": "application/json" };

export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...JSON_BODY, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as Record<string, unknown> };
}

export type Terms = {
  readonly to?: Address;
  readonly value?: bigint;
  readonly nonce?: Hex;
  readonly validAfter?: bigint;
  readonly validBefore?: bigint;
};

/** A signed authorization of USDC on the local chain, valid for ten minutes. */
export async function authorize(payer: PrivateKeyAccount, terms: Terms = {}): Promise<SignedAuthorization> {
  const now = BigInt(Math.floor(Date.now() / 1000));
  return signAuthorization(payer, {
    authorization: {
      chainId: networks.baseSepolia.chainId,
      token: usdc.address,
      from: payer.address,
      to: terms.to ?? PAYEE,
      value: terms.value ?? 1_000n,
      validAfter: terms.validAfter ?? 0n,
      validBefore: terms.validBefore ?? now + 600n,
      nonce: terms.nonce ?? keccak256(crypto.getRandomValues(new Uint8Array(32))),
    },
    domain: usdc,
  });
}

type Deep = { readonly [key: string]: unknown };

/** The body of /verify and /settle in x402 v2, with anything in the requirements changed. */
export function bodyV2(signed: SignedAuthorization, requirements: Deep = {}, accepted: Deep = {}, signature?: Hex) {
  const required = {
    scheme: "exact",
    network: caip2,
    asset: signed.token,
    amount: signed.value.toString(),
    payTo: signed.to,
    maxTimeoutSeconds: 300,
    extra: { name: usdc.name, version: usdc.version },
    ...requirements,
  };
  return {
    x402Version: 2,
    paymentPayload: {
      x402Version: 2,
      resource: { url: "http://127.0.0.1/weather", description: "weather", mimeType: "application/json" },
      accepted: { ...required, ...accepted },
      payload: wirePayload(signed, signature),
    },
    paymentRequirements: required,
  };
}

/** The same in x402 v1. */
export function bodyV1(signed: SignedAuthorization, requirements: Deep = {}, payload: Deep = {}, signature?: Hex) {
  return {
    x402Version: 1,
    paymentPayload: {
      x402Version: 1,
      scheme: "exact",
      network: v1Name,
      payload: wirePayload(signed, signature),
      ...payload,
    },
    paymentRequirements: {
      scheme: "exact",
      network: v1Name,
      asset: signed.token,
      maxAmountRequired: signed.value.toString(),
      payTo: signed.to,
      maxTimeoutSeconds: 300,
      resource: "http://127.0.0.1/weather",
      description: "weather",
      mimeType: "application/json",
      extra: { name: usdc.name, version: usdc.version },
      ...requirements,
    },
  };
}

function wirePayload({ from, to, value, validAfter, validBefore, nonce, signature }: SignedAuthorization, other?: Hex) {
  return {
    signature: other ?? signature,
    authorization: {
      from,
      to,
      value: value.toString(),
      validAfter: validAfter.toString(),
      validBefore: validBefore.toString(),
      nonce,
    },
  };
}
