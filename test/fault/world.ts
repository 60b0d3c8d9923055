import { type Address, encodeFunctionData, type Hex, keccak256, parseSignature } from "viem";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { USDC_ADDRESS } from "../../src/local/genesis.ts";
import { testAccount } from "../../src/local/testAccounts.ts";
import { randomOf } from "./random.ts";
import { hexOf, rpcOf } from "./rpc.ts";
import { type Scenario, signCancellation, type WorldEvent } from "./scenario.ts";
import { comesRegularly } from "./themes.ts";
import { GENESIS_SECONDS, type RunClock } from "./time.ts";

/** What goes on around an engine: blocks, other people's transactions, reorgs. */
export type World = {
  /** Hashes of transactions that the sender's key signed somewhere else. */
  readonly foreign: ReadonlySet<Hex>;
  readonly counts: ReadonlyMap<string, number>;
  /** Notes that the engine was shown a receipt of this block. */
  readonly noteReceipt: (blockNumber: number) => void;
  /** Notes that the node has taken a transaction of the engine. */
  readonly noteSend: () => void;
  /** Stops after the events that are due. */
  readonly stop: () => Promise<void>;
};

const owner = testAccount(0).address;
const attacker = testAccount(7).address;
/** The account whose txNonces the engine uses. */
export const { address: sender, privateKey: senderKey } = testAccount(5);

// All times are the run's.
const BLOCK_MS = 2_000;
/** Where an engine sends in step with them. Its time moves by up to 400 ms at once, which must be little of the interval. */
const REGULAR_BLOCK_MS = 3_000;
/** About how long it takes until there is a block without a transaction, where each transaction makes one. */
const IDLE_BLOCK_MS = 6_000;
/** How long a reorg waits for something to undo. */
const REORG_WAITS_MS = 20_000;
/** How long after a receipt an engine has surely concluded from it. */
const TAKEN_NOTE_MS = 4_000;
/** A block less than the final one is behind. */
const DEEPEST_REORG = 7;
/** The longest time without a block. */
const HELD_MS = 15_000;
/** ERC-1271 by somebody who signs anything: PUSH4 magic, left-align, return 32 bytes. */
const ACCEPT_ALL: Hex = "0x631626ba7e60e01b60005260206000f3";
/** `invalid` takes all gas there is. */
const BURN: Hex = "0xfe";

/** Writes the payers' balances into the token's storage. */
export async function fundWorld(url: string, scenario: Scenario): Promise<void> {
  const rpc = rpcOf(url);
  for (const [payer, balance] of scenario.balances) {
    const slot = keccak256(`0x${payer.slice(2).padStart(64, "0")}${(9).toString(16).padStart(64, "0")}`);
    await rpc("anvil_setStorageAt", [USDC_ADDRESS, slot, `0x${balance.toString(16).padStart(64, "0")}`]);
  }
}

/**
 * Lets happen what is to have happened before the first submission, deep enough that no reorg undoes it: what was written
 * into the state, and not by a transaction, would be gone for good.
 */
export async function openWorld(url: string, scenario: Scenario): Promise<void> {
  const rpc = rpcOf(url);
  const atStart = scenario.events.filter(({ atMs }) => atMs === 0);
  const { happen } = actor(url, scenario, () => 0);
  for (const event of atStart) await happen(event);
  for (let ago = 9; ago >= 0; ago -= 1) await rpc("evm_mine", [GENESIS_SECONDS + 1 - ago]);
}

export type WorldOptions = {
  /** Whether the engine sends in step with the blocks. */
  readonly isInStep?: () => boolean;
  /** Whether no block may come now. */
  readonly isHeld?: () => boolean;
  readonly onBlock?: (number: number) => void;
};

/**
 * Mines a block about every two seconds, or exactly every three where an engine sends in step with them, and makes the
 * scenario's events happen at their times.
 */
export function startWorld(
  url: string,
  scenario: Scenario,
  clock: RunClock,
  { isInStep = () => false, isHeld = () => false, onBlock }: WorldOptions = {},
): World {
  const { happen, foreign, counts, rpc, state } = actor(url, scenario, clock.elapsedMs);
  const random = randomOf(scenario.seed, "world");
  const events = scenario.events.filter(({ atMs }) => atMs > 0);
  let stopped = false;
  let timestamp = GENESIS_SECONDS + 1;
  let shown: { readonly block: number; readonly atMs: number } | undefined;
  let periodMs = REGULAR_BLOCK_MS;
  let dueMs = 0;
  let onDemandUntilMs = 0;
  let mining: Promise<void> = Promise.resolve();
  // A block is there at the time that it is of.
  clock.waitFor(() => mining);
  const isOnDemand = (): boolean => clock.elapsedMs() < onDemandUntilMs;

  function pauseMs(): number {
    const nowMs = clock.elapsedMs();
    const irregularly = 0.7 + 0.6 * random.next();
    if (isOnDemand()) return IDLE_BLOCK_MS * irregularly;
    if (!comesRegularly(scenario.themes)) return BLOCK_MS * irregularly;
    dueMs = Math.max(dueMs + periodMs, nowMs);
    return dueMs - nowMs;
  }

  async function run(): Promise<void> {
    while (!stopped) {
      await clock.sleep(pauseMs());
      if (stopped) break;
      const nowMs = clock.elapsedMs();
      while (events[0] !== undefined && events[0].atMs <= nowMs) {
        const event = events.shift();
        if (event !== undefined) await happen(event).catch(() => undefined);
      }
      if (clock.elapsedMs() < state.heldUntilMs || isHeld()) continue;
      await mine();
      changeCadence(nowMs);
      await reorgWhereItHurts(nowMs);
    }
  }

  /** One block after the other, so that their times go forward. */
  function mine(): Promise<void> {
    mining = mining.then(async () => {
      timestamp = Math.max(timestamp + 1, GENESIS_SECONDS + Math.floor(clock.elapsedMs() / 1000));
      await rpc("evm_mine", [timestamp]);
      if (onBlock !== undefined) onBlock(Number(await rpc<Hex>("eth_blockNumber")));
    });
    return mining;
  }

  /** A change waits until the engine counts on the blocks that it concerns. */
  function changeCadence(nowMs: number): void {
    const [change] = state.cadences;
    if (change === undefined || !isInStep()) return;
    state.cadences.shift();
    if (change.kind === "new-period") periodMs = change.periodMs;
    else onDemandUntilMs = nowMs + change.forMs;
    count(counts, change.kind);
  }

  /** A reorg waits until the engine was shown a receipt and had time to note it, and then undoes its block. */
  async function reorgWhereItHurts(nowMs: number): Promise<void> {
    const [due] = state.reorgs;
    if (due === undefined) return;
    const head = Number(await rpc<Hex>("eth_blockNumber"));
    const depth = shown === undefined ? 0 : head - shown.block + 1;
    const hurts = shown !== undefined && nowMs - shown.atMs >= TAKEN_NOTE_MS && depth <= DEEPEST_REORG;
    if (!hurts && nowMs < due.atMs + REORG_WAITS_MS) return;
    state.reorgs.shift();
    await rpc("anvil_reorg", [hurts ? Math.max(depth, due.depth) : due.depth, []]);
    count(counts, "reorg");
    shown = undefined;
  }

  const running = run();
  return {
    foreign,
    counts,
    noteReceipt: (block) => {
      // The first receipt that it was shown since the last reorg; a later one if that is out of reach.
      const nowMs = clock.elapsedMs();
      if (shown === undefined || nowMs - shown.atMs > 2 * TAKEN_NOTE_MS) shown = { block, atMs: nowMs };
    },
    noteSend: () => {
      if (isOnDemand() && !stopped) mine().catch(() => undefined);
    },
    stop: async () => {
      stopped = true;
      clock.stop();
      await running;
    },
  };
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function actor(url: string, scenario: Scenario, elapsedMs: () => number) {
  const rpc = rpcOf(url);
  const foreign = new Set<Hex>();
  const counts = new Map<string, number>();
  const state: {
    heldUntilMs: number;
    readonly reorgs: (WorldEvent & { kind: "reorg" })[];
    readonly cadences: (WorldEvent & { kind: "new-period" | "on-demand" })[];
  } = { heldUntilMs: 0, reorgs: [], cadences: [] };
  const send = (from: Address, data: Hex) =>
    rpc<Hex>("eth_sendTransaction", [
      {
        from,
        to: USDC_ADDRESS,
        data,
        gas: "0x493e0",
        maxFeePerGas: hexOf(10n ** 12n),
        maxPriorityFeePerGas: hexOf(10n ** 10n),
      },
    ]);

  async function happen(event: WorldEvent): Promise<void> {
    await act(event);
    if (!WAITING.has(event.kind)) count(counts, event.kind);
  }

  async function act(event: WorldEvent): Promise<void> {
    switch (event.kind) {
      case "front-run":
        return void (await send(attacker, transferOf(event.authorization)));
      case "cancel": {
        const { from, nonce } = event.authorization;
        const signature = await signCancellation(scenario.seed, from, nonce);
        if (signature === undefined) return;
        const { r, s, v } = parseSignature(signature);
        const args = [from, nonce, Number(v), r, s] as const;
        return void (await send(attacker, encodeFunctionData({ abi, functionName: "cancelAuthorization", args })));
      }
      case "accept-all":
        return void (await rpc("anvil_setCode", [event.payer, ACCEPT_ALL]));
      case "burn":
        return void (await rpc("anvil_setCode", [event.payer, BURN]));
      case "drain": {
        await rpc("anvil_setBalance", [event.payer, hexOf(10n ** 18n)]);
        await rpc("anvil_impersonateAccount", [event.payer]);
        const args = [owner, 900_000n] as const;
        return void (await send(event.payer, encodeFunctionData({ abi, functionName: "transfer", args })));
      }
      case "block":
        return void (await send(owner, encodeFunctionData({ abi, functionName: "blacklist", args: [event.payer] })));
      case "unblock":
        return void (await send(owner, encodeFunctionData({ abi, functionName: "unBlacklist", args: [event.payer] })));
      case "pause":
        return void (await send(owner, encodeFunctionData({ abi, functionName: "pause" })));
      case "unpause":
        return void (await send(owner, encodeFunctionData({ abi, functionName: "unpause" })));
      case "foreign": {
        // At the chain's count, so that it replaces the transaction that waits there and does not queue behind it.
        const nonce = await rpc<Hex>("eth_getTransactionCount", [sender, "latest"]);
        const fee = hexOf(10n ** 12n);
        const transaction = { from: sender, to: attacker, value: "0x1", gas: "0x5208", nonce };
        foreign.add(
          await rpc<Hex>("eth_sendTransaction", [{ ...transaction, maxFeePerGas: fee, maxPriorityFeePerGas: fee }]),
        );
        return;
      }
      case "hold-blocks":
        state.heldUntilMs = elapsedMs() + HELD_MS;
        return;
      case "reorg":
        state.reorgs.push(event);
        return;
      case "new-period":
      case "on-demand":
        state.cadences.push(event);
        return;
    }
  }
  return { happen, foreign, counts, rpc, state };
}

/** These are only due now: they happen once they make a difference. */
const WAITING: ReadonlySet<WorldEvent["kind"]> = new Set(["reorg", "new-period", "on-demand"]);

const { abi } = mockUSDCArtifact;

function transferOf({ from, to, value, validAfter, validBefore, nonce, signature }: SignedAuthorization): Hex {
  const { r, s, v } = parseSignature(signature);
  const args = [from, to, value, validAfter, validBefore, nonce, Number(v), r, s] as const;
  return encodeFunctionData({ abi, functionName: "transferWithAuthorization", args });
}
