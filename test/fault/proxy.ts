import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Hex, keccak256 } from "viem";
import type { HeadFaults } from "./heads.ts";
import { createPreconfirmer } from "./preconfirmer.ts";
import { type Random, randomOf } from "./random.ts";
import { askNode, hexOf, type RpcAnswer } from "./rpc.ts";
import { answerStale } from "./staleness.ts";
import type { Theme } from "./themes.ts";
import type { RunClock } from "./time.ts";

export type ProxyOptions = {
  readonly upstream: string;
  readonly seed: number;
  readonly themes: ReadonlySet<Theme>;
  readonly clock: RunClock;
  /** The kind of fault that is certain to happen, at the first opportunity, if it is a fault of the node. */
  readonly certain?: Theme;
  /** Whether the node lies now. In the end it tells the truth. */
  readonly isLying: () => boolean;
  /** Called when signed bytes come in: before and after they are passed on. */
  readonly onSend: (when: "before" | "after") => void;
  /** Called when a receipt is shown, with the number of its block. */
  readonly onReceipt?: (blockNumber: number) => void;
  /** What it says about its newest block if it is asked for the number alone. */
  readonly heads?: HeadFaults;
  /** Whose transactions are preconfirmed, and when; undefined if none are. */
  readonly preconfirming?: { readonly sender: string; readonly isActive: () => boolean };
};

export type FaultProxy = {
  readonly url: string;
  /** How often each fault happened. */
  readonly counts: ReadonlyMap<string, number>;
  /** The receipts that it has shown, those of blocks that are not there among them: `hash:block`. */
  readonly receipts: ReadonlySet<string>;
  /** How often an engine has looked at transactions whose block is not there, if they are preconfirmed. */
  readonly earlyLooks: () => number;
  /** All signed bytes that came in, in order and without repetitions. */
  readonly sent: ReadonlySet<Hex>;
  readonly close: () => Promise<void>;
};

/** What nodes say, true or not. */
const ANSWERS = [
  "already known",
  "replacement transaction underpriced",
  "nonce too low",
  "transaction underpriced",
  "intrinsic gas too low",
  "insufficient funds for gas * price + value",
  "something went wrong",
] as const;

/** What may happen to a transaction that is handed out. */
const SENDING: ReadonlySet<Theme> = new Set(["drop", "timeout", "wrong-answer", "reorder", "duplicate"]);
/** In the run's time. */
const MAX_DELAY_MS = 6_000;

/**
 * Stands between an engine and its node and, while it lies, loses and repeats transactions, answers wrongly, late or not
 * at all. It never invents a receipt of a block that is there.
 */
export async function startFaultProxy(options: ProxyOptions): Promise<FaultProxy> {
  const { upstream, seed, themes, clock, certain, isLying, onSend } = options;
  const counts = new Map<Theme, number>();
  const sent = new Set<Hex>();
  const receipts = new Set<string>();
  const hidden = new Map<string, boolean>();
  const randoms = new Map<string, Random>();
  const closing = new AbortController();
  const asked = new Set<Promise<unknown>>();
  const ask = (method: string, params: readonly unknown[]): Promise<RpcAnswer> => {
    const answer = askNode(upstream, method, params);
    const settled = answer.catch(() => undefined).finally(() => asked.delete(settled));
    asked.add(settled);
    return answer;
  };
  // If the node is slow, the run's time is slow too, so no question is late.
  clock.waitFor(() => Promise.all(asked));
  const isOwed = (theme: Theme): boolean => theme === certain && !counts.has(theme);

  const preconfirmer =
    options.preconfirming === undefined ? undefined : createPreconfirmer({ ...options.preconfirming, ask });

  // Each purpose has its own sequence, so the order of questions of different kinds changes nothing.
  const draw = (label: string): Random => {
    const random = randoms.get(label) ?? randomOf(seed, `proxy ${label}`);
    randoms.set(label, random);
    return random;
  };
  const strikes = (theme: Theme, probability: number, label: string = theme): boolean => {
    // The certain fault comes first: after another one there may be no more transactions.
    if (certain !== undefined && isOwed(certain) && SENDING.has(certain) && SENDING.has(theme) && theme !== certain) {
      return false;
    }
    if (!isOwed(theme) && (!themes.has(theme) || !isLying() || !draw(label).chance(probability))) return false;
    counts.set(theme, (counts.get(theme) ?? 0) + 1);
    return true;
  };
  const pause = (ms: number) => clock.sleep(ms, closing.signal);

  /** Undefined: no answer, ever. */
  async function answer(method: string, params: readonly unknown[]): Promise<RpcAnswer | undefined> {
    if (method === "eth_sendRawTransaction") return send(String(params[0]) as Hex);
    if (strikes("http-500", 0.04, `error ${method}`)) return { error: { code: -32603, message: "internal error" } };
    const early = method === "eth_getTransactionReceipt" ? await preconfirmed(String(params[0]) as Hex) : undefined;
    if (early !== undefined) return { result: early };
    if (method === "eth_getTransactionReceipt" && hides(String(params[0]))) return { result: null };
    const isMixed = themes.has("mixed-heads");
    const owesLag = isOwed("three-blocks-behind") || isOwed("mixed-heads");
    const drawn = isMixed ? draw(`lag ${method}`).below(4) : 0;
    const lag = themes.has("three-blocks-behind") || owesLag ? 3 : drawn;
    if (lag > 0 && (isLying() || owesLag)) {
      const stale = await answerStale(ask, method, params, lag);
      if (stale !== undefined) {
        const theme = themes.has("three-blocks-behind") ? "three-blocks-behind" : "mixed-heads";
        counts.set(theme, (counts.get(theme) ?? 0) + 1);
        return stale;
      }
    }
    const said = await ask(method, params);
    if (options.heads === undefined || method !== "eth_blockNumber" || said.result === undefined) return said;
    return { result: hexOf(options.heads.tell(Number(said.result))) };
  }

  async function preconfirmed(hash: Hex): Promise<object | undefined> {
    const raw = [...sent].find((one) => keccak256(one) === hash);
    return raw === undefined ? undefined : preconfirmer?.receiptOf(hash, raw);
  }

  function noteReceipt(receipt: unknown): void {
    if (typeof receipt !== "object" || receipt === null || !("blockNumber" in receipt)) return;
    receipts.add(`${"transactionHash" in receipt ? receipt.transactionHash : ""}:${Number(receipt.blockNumber)}`);
    if (preconfirmer?.isOwn(receipt) !== true) options.onReceipt?.(Number(receipt.blockNumber));
  }

  function hides(hash: string): boolean {
    const owed = isOwed("hide-receipts");
    if (!owed && (!themes.has("hide-receipts") || !isLying())) return false;
    const isHidden = hidden.get(hash) ?? (draw("hide-receipts").chance(0.6) || owed);
    // This lasts for only a part of the time in which it lies.
    hidden.set(hash, isHidden && !draw("show-receipts").chance(0.08));
    if (isHidden) counts.set("hide-receipts", (counts.get("hide-receipts") ?? 0) + 1);
    return isHidden;
  }

  async function send(raw: Hex): Promise<RpcAnswer | undefined> {
    sent.add(raw);
    onSend("before");
    try {
      const taken: RpcAnswer = { result: keccak256(raw) };
      const forward = () => ask("eth_sendRawTransaction", [raw]);
      if (strikes("drop", 0.5)) return taken;
      if (strikes("timeout", 0.5)) {
        await forward();
        return undefined;
      }
      if (strikes("wrong-answer", 0.6)) {
        const message = draw("wrong text").pick(ANSWERS);
        if (draw("wrong and lost").chance(0.7)) await forward();
        return { error: { code: -32000, message } };
      }
      if (strikes("reorder", 0.6)) {
        void pause(draw("reorder for").below(MAX_DELAY_MS))
          .then(forward)
          .catch(() => undefined);
        return taken;
      }
      if (strikes("duplicate", 0.6)) {
        void pause(draw("duplicate after").below(MAX_DELAY_MS))
          .then(forward)
          .catch(() => undefined);
        await forward();
      }
      return await forward();
    } finally {
      onSend("after");
    }
  }

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (strikes("http-500", 0.06)) {
      outgoing.writeHead(draw("status").pick([500, 502, 429])).end(draw("status").chance(0.5) ? "bad gateway" : "");
      return;
    }
    if (strikes("stall", 0.06)) await pause(draw("stall for").between(1_000, 2 * MAX_DELAY_MS));
    const questions = (Array.isArray(body) ? body : [body]) as { id: unknown; method: string; params?: unknown[] }[];
    const answers = await Promise.all(
      questions.map(async ({ id, method, params = [] }) => {
        const said = await answer(method, params);
        if (method === "eth_getTransactionReceipt") noteReceipt(said?.result);
        // The node's answer has another id.
        return said === undefined ? undefined : { ...said, jsonrpc: "2.0", id };
      }),
    );
    if (answers.includes(undefined)) return;
    outgoing.writeHead(200, { "content-type": "application/json" });
    outgoing.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]));
  }

  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    counts,
    receipts,
    earlyLooks: () => preconfirmer?.looks() ?? 0,
    sent,
    close: async () => {
      closing.abort();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
