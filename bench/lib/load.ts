import { setTimeout as pause } from "node:timers/promises";
import { request } from "undici";
import { z } from "zod";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { bodyV2 } from "../../test/helpers/facilitator.ts";

/** The outcome of one request, as its caller saw it. */
export type Sample = {
  readonly ms: number;
  readonly success: boolean;
  readonly reason: string | undefined;
  /** The HTTP status; undefined if no answer came. */
  readonly status?: number | undefined;
  /** Whether the answer named a transaction. */
  readonly hasTransaction?: boolean | undefined;
};

/** Longer than anybody waits for a web page. */
const PATIENCE_MS = 20_000;

const settleAnswer = z.object({
  success: z.boolean(),
  errorReason: z.string().optional(),
  transaction: z.string().optional(),
});
const verifyAnswer = z.object({ isValid: z.boolean(), invalidReason: z.string().optional() });

/** Bodies of /verify and /settle, made in advance, so that making them is not measured. */
export function bodiesOf(payments: readonly SignedAuthorization[]): string[] {
  return payments.map((payment) => JSON.stringify(bodyV2(payment)));
}

type Asking = {
  /** An answer that takes longer counts as none: 20 s unless said otherwise. */
  readonly patienceMs?: number;
  /** Gives up on all answers, and asks no more. */
  readonly signal?: AbortSignal;
};

async function ask(
  url: string,
  body: string,
  { patienceMs = PATIENCE_MS, signal }: Asking,
): Promise<Omit<Sample, "ms">> {
  try {
    // `fetch` would use more processor time, and the callers share the processor with what they call.
    const { statusCode: status, body: answered } = await request(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      headersTimeout: patienceMs,
      bodyTimeout: patienceMs,
      signal: signal ?? null,
    });
    const answer: unknown = await answered.json();
    const settled = settleAnswer.safeParse(answer);
    if (settled.success) {
      const { success, errorReason: reason, transaction = "" } = settled.data;
      return { success, reason, status, hasTransaction: transaction !== "" };
    }
    const verified = verifyAnswer.safeParse(answer);
    if (verified.success) return { success: verified.data.isValid, reason: verified.data.invalidReason, status };
    return { success: false, reason: `HTTP ${status}`, status };
  } catch (error) {
    return { success: false, reason: error instanceof Error ? error.name : "unknown" };
  }
}

export async function timed(url: string, body: string, asking: Asking = {}): Promise<Sample> {
  const startedAt = performance.now();
  const answer = await ask(url, body, asking);
  return { ms: performance.now() - startedAt, ...answer };
}

/** Sends all requests at once. */
export function burst(url: string, bodies: readonly string[]): Promise<Sample[]> {
  return Promise.all(bodies.map((body) => timed(url, body)));
}

/** Sends requests at a steady rate, whether or not earlier ones were answered. */
export async function sustain(
  url: string,
  bodies: readonly string[],
  perSecond: number,
  { onAnswer = () => undefined, ...asking }: Asking & { readonly onAnswer?: (sample: Sample) => void } = {},
): Promise<Sample[]> {
  const running: Promise<Sample>[] = [];
  const startedAt = performance.now();
  for (const [i, body] of bodies.entries()) {
    const waitMs = startedAt + (i * 1000) / perSecond - performance.now();
    if (waitMs > 1) await pause(waitMs);
    if (asking.signal?.aborted === true) break;
    const answer = timed(url, body, asking);
    running.push(answer);
    void answer.then(onAnswer);
  }
  return Promise.all(running);
}

/** Sends requests from a number of callers, each as soon as it has its answer. */
export async function flatOut(url: string, bodies: readonly string[], callers: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const queue = bodies[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (const body of queue) samples.push(await timed(url, body));
    }),
  );
  return samples;
}

/** Those that succeeded: a refusal is quick, and says nothing of how long a payment takes. */
export function successesOf(samples: readonly Sample[]): Sample[] {
  return samples.filter(({ success }) => success);
}

/** The value below which a share of the samples lies; not a number if there are none. */
export function percentile(samples: readonly Sample[], share: number): number {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}

/** The most common reason why samples failed; undefined if none did. */
export function commonestReason(samples: readonly Sample[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { success, reason } of samples) {
    if (!success) counts.set(reason ?? "unknown", (counts.get(reason ?? "unknown") ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
