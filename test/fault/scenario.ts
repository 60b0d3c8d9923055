import { type Address, type Hex, keccak256, numberToHex, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import type { Authorization, SignedAuthorization } from "../../src/authorization/types.ts";
import { USDC_ADDRESS } from "../../src/local/genesis.ts";
import { CHAIN_ID } from "../helpers/anvil.ts";
import { type Random, randomOf } from "./random.ts";
import { certainTheme, type Theme, themesOf } from "./themes.ts";
import { GENESIS_SECONDS } from "./time.ts";

/** What is odd about a payment that the engine gets. */
export type Oddity =
  | "good"
  | "bad-signature"
  | "malformed-signature"
  | "expired"
  | "wrong-chain"
  | "missing-token"
  | "used-before"
  | "cancelled-before"
  | "cancelled-later"
  | "underfunded"
  | "blocked"
  | "short-lived"
  | "not-valid-yet"
  | "never-valid"
  | "no-deadline"
  | "variant"
  | "duplicate"
  | "zero-payee"
  | "zero-value"
  | "to-self"
  | "code-payer"
  | "burner";

export type Feed = {
  /** The time of its first submission, in the run's milliseconds. */
  readonly atMs: number;
  readonly oddity: Oddity;
  readonly authorization: SignedAuthorization;
};

/** A call that moves the sender's own tokens to an account that nothing else pays, so a second execution would show. */
export type FeedCall = { readonly atMs: number; readonly key: string; readonly to: Address; readonly value: bigint };

/** What happens around the engine, at times in the run's milliseconds. */
export type WorldEvent = { readonly atMs: number } & (
  | { readonly kind: "front-run" | "cancel"; readonly authorization: SignedAuthorization }
  | { readonly kind: "burn" | "accept-all"; readonly payer: Address }
  | { readonly kind: "drain"; readonly payer: Address }
  | { readonly kind: "block" | "unblock"; readonly payer: Address }
  | { readonly kind: "pause" | "unpause" | "foreign" | "hold-blocks" }
  | { readonly kind: "reorg"; readonly depth: number }
  /** From now on blocks come at this interval. */
  | { readonly kind: "new-period"; readonly periodMs: number }
  /** For this time, each transaction makes a block. */
  | { readonly kind: "on-demand"; readonly forMs: number }
);

export type Scenario = {
  readonly seed: number;
  readonly themes: ReadonlySet<Theme>;
  readonly feed: readonly Feed[];
  readonly calls: readonly FeedCall[];
  readonly events: readonly WorldEvent[];
  /** Balances before the first block, in atomic units. */
  readonly balances: ReadonlyMap<Address, bigint>;
  readonly payees: readonly Address[];
  /** When the node stops lying, in the run's milliseconds. */
  readonly healedAtMs: number;
  readonly retryRefused: boolean;
  /** Most items of a batch: few make many transactions. */
  readonly maxItems: number;
};

const DOMAIN = { name: "USDC", version: "2" };
const ZERO: Address = "0x0000000000000000000000000000000000000000";
export const FOREIGN_TOKEN: Address = "0x1000000000000000000000000000000000000001";

/** Everything that a seed decides about a run in advance, and its kinds of trouble unless others are given. */
export async function scenarioOf(seed: number, themes: ReadonlySet<Theme> = themesOf(seed)): Promise<Scenario> {
  const random = randomOf(seed, "scenario");
  const payers = Array.from({ length: random.between(4, 8) }, (_, i) => keyed(seed, `payer ${i}`));
  const payees = Array.from({ length: random.between(1, 4) }, (_, i) => keyed(seed, `payee ${i}`).address);
  const healedAtMs = random.between(40_000, 90_000);
  const feed: Feed[] = [];
  const events: WorldEvent[] = [];
  const balances = new Map(payers.map(({ address }) => [address, 1_000_000n]));

  const count = random.between(6, 20);
  for (let i = 0; i < count; i += 1) {
    const oddity = random.weighted(oddities(themes));
    const own = keyed(seed, `own payer ${i}`);
    const isOwn = OWN_PAYER.has(oddity);
    const payer = isOwn ? own : random.pick(payers);
    if (isOwn) balances.set(own.address, 1_000_000n);
    const atMs = random.chance(0.6) ? random.below(4_000) : random.below(30_000);
    const terms = termsOf(oddity, random, atMs, payer.address, random.pick(payees));
    const wrongKey = oddity === "bad-signature" ? keyed(seed, "somebody else") : payer;
    const signed = await sign(wrongKey, terms);
    const authorization = oddity === "malformed-signature" ? { ...signed, signature: random.hex(65) } : signed;
    feed.push({ atMs, oddity, authorization });
    await consequences(oddity, { random, authorization, atMs, payer, feed, events });
  }
  if (themes.has("front-run")) {
    // Every second one.
    for (const [i, { atMs, oddity, authorization }] of feed.entries()) {
      const about = atMs + random.between(-1_000, 15_000);
      if (i % 2 === 0 && FRONT_RUNNABLE.has(oddity)) {
        events.push({ kind: "front-run", authorization, atMs: Math.max(0, about) });
      }
    }
  }
  if (random.chance(0.2))
    events.push({ kind: "drain", payer: random.pick(payers).address, atMs: random.below(20_000) });
  const isPaused = random.chance(0.1);
  if (isPaused) {
    const atMs = random.below(20_000);
    events.push({ kind: "pause", atMs }, { kind: "unpause", atMs: atMs + random.between(2_000, 15_000) });
    // Again, when no reorg can undo it.
    events.push({ kind: "unpause", atMs: 90_000 });
  }
  if (themes.has("foreign-transaction")) {
    for (let i = random.between(1, 3); i > 0; i -= 1) events.push({ kind: "foreign", atMs: random.below(30_000) });
  }
  if (themes.has("reorg")) {
    for (let i = random.between(2, 4); i > 0; i -= 1) {
      events.push({ kind: "reorg", depth: random.between(1, 5), atMs: random.between(6_000, 60_000) });
    }
  }
  if (themes.has("slow-blocks")) {
    for (let i = random.between(1, 3); i > 0; i -= 1) events.push({ kind: "hold-blocks", atMs: random.below(40_000) });
  }
  if (themes.has("changing-cadence")) {
    const periodMs = random.pick([2_000, 5_000, 7_000]);
    events.push({ kind: "new-period", periodMs, atMs: random.between(5_000, 20_000) });
    events.push({ kind: "on-demand", forMs: random.between(10_000, 20_000), atMs: random.between(20_000, 40_000) });
  }
  await addCertainties(seed, themes, { feed, events, balances, payees });
  const calls = random.chance(0.3)
    ? Array.from({ length: random.between(1, 2) }, (_, i) => ({
        atMs: random.below(20_000),
        key: `call ${i}`,
        to: keyed(seed, `called ${i}`).address,
        value: BigInt(random.between(1, 1_000)),
      }))
    : [];
  return {
    seed,
    themes,
    feed: feed.sort((a, b) => a.atMs - b.atMs),
    calls,
    events: events.sort((a, b) => a.atMs - b.atMs),
    balances,
    payees,
    healedAtMs,
    // Otherwise a token that is paused at the wrong time would refuse everything.
    retryRefused: random.chance(0.5) || isPaused,
    maxItems: random.pick([1, 2, 3, 4, 6, 50]),
  };
}

/**
 * What the certain kind of trouble needs whatever else was drawn: a payment that nothing concerns but what happens to its
 * transaction, so that something is sent and settles, and an early event of that kind.
 */
async function addCertainties(
  seed: number,
  themes: ReadonlySet<Theme>,
  {
    feed,
    events,
    balances,
    payees,
  }: Pick<Scenario, "payees"> & {
    readonly feed: Feed[];
    readonly events: WorldEvent[];
    readonly balances: Map<Address, bigint>;
  },
): Promise<void> {
  const random = randomOf(seed, "certainties");
  const add = async (name: string, oddity: Oddity) => {
    const payer = keyed(seed, name);
    const atMs = random.below(1_000);
    const terms = termsOf("no-deadline", random, atMs, payer.address, random.pick(payees));
    const authorization = await sign(payer, { ...terms, validBefore: BigInt(GENESIS_SECONDS + 100_000) });
    balances.set(payer.address, 1_000_000n);
    feed.push({ atMs, oddity, authorization });
    return { payer, authorization };
  };
  await add("sure payer", "good");
  const atMs = random.between(2_000, 8_000);
  const theme = certainTheme(seed);
  if (!themes.has(theme)) return;
  if (theme === "front-run") {
    const { authorization } = await add("overtaken payer", "good");
    events.push({ kind: "front-run", authorization, atMs });
  } else if (theme === "gas-burners") {
    const { payer } = await add("burning payer", "burner");
    events.push({ kind: "burn", payer: payer.address, atMs });
  } else if (theme === "foreign-transaction") events.push({ kind: "foreign", atMs });
  else if (theme === "reorg") events.push({ kind: "reorg", depth: random.between(1, 5), atMs });
  else if (theme === "slow-blocks") events.push({ kind: "hold-blocks", atMs });
}

const FRONT_RUNNABLE: ReadonlySet<Oddity> = new Set(["good", "no-deadline", "zero-value", "to-self", "variant"]);
/** These do something to their payer, which others of the run should not suffer from. */
const OWN_PAYER: ReadonlySet<Oddity> = new Set(["blocked", "code-payer", "burner", "underfunded", "no-deadline"]);

/** These may never settle: how long they live is how long their run takes. */
const HOPELESS: ReadonlySet<Oddity> = new Set(["blocked", "burner", "code-payer", "cancelled-later", "variant"]);

function oddities(themes: ReadonlySet<Theme>): Partial<Record<Oddity, number>> {
  return {
    good: 40,
    "bad-signature": 3,
    "malformed-signature": 2,
    expired: 3,
    "wrong-chain": 2,
    "missing-token": 2,
    "used-before": 3,
    "cancelled-before": 2,
    "cancelled-later": 4,
    underfunded: 4,
    blocked: 3,
    "short-lived": 6,
    "not-valid-yet": 4,
    "never-valid": 2,
    "no-deadline": 4,
    variant: 5,
    duplicate: 3,
    "zero-payee": 2,
    "zero-value": 2,
    "to-self": 2,
    "code-payer": 4,
    // Half of the payers if that is the theme.
    burner: themes.has("gas-burners") ? 60 : 1,
  };
}

function termsOf(oddity: Oddity, random: Random, atMs: number, from: Address, payee: Address): Authorization {
  const now = GENESIS_SECONDS + Math.floor(atMs / 1000);
  const usual: Authorization = {
    chainId: CHAIN_ID,
    token: USDC_ADDRESS,
    from,
    to: payee,
    value: BigInt(random.between(1, 40_000)),
    validAfter: 0n,
    validBefore: BigInt(now + (HOPELESS.has(oddity) ? random.between(60, 110) : random.between(150, 280))),
    nonce: random.hex(32),
  };
  switch (oddity) {
    case "expired":
      return { ...usual, validBefore: BigInt(GENESIS_SECONDS - random.between(0, 5)) };
    case "wrong-chain":
      return { ...usual, chainId: 8453 };
    case "missing-token":
      return { ...usual, token: FOREIGN_TOKEN };
    case "underfunded":
      return { ...usual, value: 1_000_001n, validBefore: BigInt(now + random.between(20, 40)) };
    case "short-lived":
      return { ...usual, validBefore: BigInt(now + random.between(4, 40)) };
    case "not-valid-yet":
      return { ...usual, validAfter: BigInt(now + random.between(5, 30)) };
    case "never-valid":
      return { ...usual, validAfter: usual.validBefore - BigInt(random.between(0, 1)) };
    case "no-deadline":
      return { ...usual, validBefore: 2n ** 256n - 1n };
    case "zero-payee":
      return { ...usual, to: ZERO };
    case "zero-value":
      return { ...usual, value: 0n };
    case "to-self":
      return { ...usual, to: from };
    default:
      return usual;
  }
}

type Context = {
  readonly random: Random;
  readonly authorization: SignedAuthorization;
  readonly atMs: number;
  readonly payer: ReturnType<typeof keyed>;
  readonly feed: Feed[];
  readonly events: WorldEvent[];
};

/** What else happens because of an oddity. */
async function consequences(oddity: Oddity, context: Context): Promise<void> {
  const { random, authorization, atMs, payer, feed, events } = context;
  switch (oddity) {
    case "used-before":
      events.push({ kind: "front-run", authorization, atMs: 0 });
      return;
    case "cancelled-before":
      events.push({ kind: "cancel", authorization, atMs: 0 });
      return;
    case "cancelled-later":
      events.push({ kind: "cancel", authorization, atMs: atMs + random.below(10_000) });
      return;
    case "blocked": {
      const blockedAt = random.chance(0.5) ? 0 : atMs + random.below(8_000);
      events.push({ kind: "block", payer: payer.address, atMs: blockedAt });
      if (random.chance(0.5)) {
        events.push({ kind: "unblock", payer: payer.address, atMs: blockedAt + random.between(5_000, 20_000) });
      }
      return;
    }
    case "code-payer":
      events.push({ kind: "accept-all", payer: payer.address, atMs: 0 });
      return;
    case "burner":
      // A wallet at first, or a plain account.
      if (random.chance(0.5)) events.push({ kind: "accept-all", payer: payer.address, atMs: 0 });
      events.push({ kind: "burn", payer: payer.address, atMs: atMs + random.below(8_000) });
      return;
    case "variant": {
      const { signature: _, ...terms } = authorization;
      const other = await sign(payer, { ...terms, value: authorization.value + 1n });
      const later = atMs + random.below(6_000);
      feed.push({ atMs: later, oddity: "variant", authorization: other });
      return;
    }
    case "duplicate":
      feed.push({ atMs: atMs + random.below(20_000), oddity: "duplicate", authorization });
      return;
    default:
      return;
  }
}

function keyed(seed: number, label: string) {
  return privateKeyToAccount(keccak256(stringToHex(`${numberToHex(seed)} ${label}`)));
}

function sign(signer: ReturnType<typeof keyed>, terms: Authorization): Promise<SignedAuthorization> {
  // Somebody else's key signs under the payer's name.
  const claimed = { address: terms.from, signTypedData: signer.signTypedData };
  return signAuthorization(claimed, { authorization: terms, domain: DOMAIN });
}

/** An authorization's cancellation, signed by its payer. */
export async function signCancellation(seed: number, payer: Address, nonce: Hex): Promise<Hex | undefined> {
  const labels = [
    ...Array.from({ length: 8 }, (_, i) => `payer ${i}`),
    ...Array.from({ length: 20 }, (_, i) => `own payer ${i}`),
  ];
  const signer = labels.map((label) => keyed(seed, label)).find(({ address }) => address === payer);
  return signer?.signTypedData({
    domain: { ...DOMAIN, chainId: CHAIN_ID, verifyingContract: USDC_ADDRESS },
    types: {
      CancelAuthorization: [
        { name: "authorizer", type: "address" },
        { name: "nonce", type: "bytes32" },
      ],
    },
    primaryType: "CancelAuthorization",
    message: { authorizer: payer, nonce },
  });
}
