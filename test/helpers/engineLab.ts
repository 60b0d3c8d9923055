import { type Address, type Hex, keccak256, numberToHex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { connectChain } from "../../src/chain/client.ts";
import { findReceipt } from "../../src/chain/sending/submit.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { type Journal, openJournal, type PaymentRow } from "../../src/journal/index.ts";
import type { Request } from "../../src/local/node.ts";
import { type PaymentTerms, signPayment } from "../../src/local/payments.ts";
import { createSettlementEngine } from "../../src/settlement/engine/engine.ts";
import type { Patience } from "../../src/settlement/engine/takeKeys.ts";
import type { EngineOptions, SettlementEngine } from "../../src/settlement/engine/types.ts";
import type { Admission } from "../../src/settlement/intake/admit.ts";
import { freshAddress } from "./chainLab.ts";
import { startPacedClock } from "./pacedClock.ts";
import { type Tuning, tuned } from "./tuning.ts";
import { until } from "./until.ts";

export { until } from "./until.ts";

/** A pace at which a test need not wait: one second here is like thirty otherwise. For the clock of a lab. */
export const FAST: Tuning = {
  inStep: false,
  lingerMs: 5,
  maxLingerMs: 60,
  rebroadcastAfterMs: 250,
  replaceAfterMs: 700,
  // Nobody dies, unless a test lets them.
  leaseTtlMs: 600_000,
  retryRefusedAfterMs: 100,
  pollMs: 15,
  sweepMs: 100,
  finalityMs: 40,
  strikeMs: 400,
  closeWithinMs: 0,
};

/** A node with the local chain's USDC, accounts and router. */
export type LabNode = {
  readonly rpcUrl: string;
  readonly usdc: Address;
  readonly router: Address | undefined;
  readonly accounts: readonly { readonly address: Address; readonly privateKey: Hex }[];
  readonly request: Request;
};

export type LogLine = {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

export type EngineLab = Awaited<ReturnType<typeof openEngineLab>>;

/** Nothing is sent for this long, unless it is urgent or the engine is told to. */
export const PATIENT: Tuning = { inStep: false, lingerMs: 600_000, maxLingerMs: 600_000, gatherMs: 600_000 };

let labs = 0;

/** A journal in memory, a fresh funded sender, and engines on them that end with `close`. */
export async function openEngineLab(node: LabNode, options: { readonly journal?: Journal } = {}) {
  labs += 1;
  const seed = labs;
  const client = await connectChain(node.rpcUrl, { pollingIntervalMs: 20, transport: { retryCount: 0 } });
  const journal = options.journal ?? (await openJournal(":memory:"));
  const account = privateKeyToAccount(keccak256(numberToHex(0xabc_0000 + seed, { size: 32 })));
  const logs: LogLine[] = [];
  const engines: SettlementEngine[] = [];
  const cleanups: (() => Promise<void>)[] = [];
  // Engines here replace and rebroadcast within parts of a second, but not because the machine is busy.
  const clock = startPacedClock(() => node.request("eth_chainId"));
  const isAnvil = String(await node.request("web3_clientVersion")).startsWith("anvil");
  const cheat = (method: string, params: readonly unknown[]) =>
    node.request(`${isAnvil ? "anvil" : "hardhat"}_${method}`, params);
  let payees = seed * 1_000;

  const say =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      logs.push({ level, message, fields });
      if (process.env.TRIBUTARY_LAB_LOG === "1") console.error(level, message, fields);
    };
  const logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  const give = (address: Address, wei: bigint) => cheat("setBalance", [address, numberToHex(wei)]);
  await give(account.address, 10n ** 20n);

  const lab = {
    node,
    /** Whether the node is anvil. */
    isAnvil,
    client,
    journal,
    account,
    /** The engines' clock, which is never faster than the node. */
    clock,
    logs,
    seed,
    /** An engine at the fast pace. `overrides` replace options, `tuning` parts of the policy and of the pace. */
    start: async (tuning: Tuning = {}, overrides: Partial<EngineOptions> = {}, patience?: Patience) => {
      const options = { journal, chain: { client }, senders: [account], logger, clock, ...overrides };
      const engine = await createSettlementEngine({ ...options, ...tuned({ ...FAST, ...tuning }) }, patience);
      engines.push(engine);
      return engine;
    },
    give,
    cheat,
    setCode: (address: Address, code: Hex) => cheat("setCode", [address, code]),
    mine: async (blocks = 1): Promise<void> => {
      for (let i = 0; i < blocks; i += 1) await node.request("evm_mine");
    },
    nowSeconds: async (): Promise<bigint> => (await client.getBlock({ blockTag: "latest" })).timestamp,
    /** An address that nobody has paid, a new one each time. */
    payee: (): Address => {
      payees += 1;
      return freshAddress(payees);
    },
    sign: async (payer: { readonly privateKey: Hex }, terms: PaymentTerms): Promise<SignedAuthorization> =>
      signPayment(payer.privateKey, terms, BigInt(Math.floor(Date.now() / 1000))),
    /** Payments by accounts 1 to 5 in turn to one new payee. */
    payments: async (count: number, terms: Partial<PaymentTerms> = {}): Promise<SignedAuthorization[]> => {
      const to = terms.to ?? lab.payee();
      return Promise.all(
        Array.from({ length: count }, (_, i) =>
          lab.sign(lab.accountAt(1 + (i % 5)), { to, value: 1000n + BigInt(i), ...terms }),
        ),
      );
    },
    accountAt: (index: number) => {
      const found = node.accounts[index];
      if (found === undefined) throw new Error(`no account ${index}`);
      return found;
    },
    /** A new payer with USDC, and code if some is given. */
    payer: async (balance: bigint, code?: Hex): Promise<PrivateKeyAccount & { readonly privateKey: Hex }> => {
      payees += 1;
      const privateKey = keccak256(numberToHex(0xdef_0000 + payees, { size: 32 }));
      const payer = privateKeyToAccount(privateKey);
      if (balance > 0n) await lab.mint(payer.address, balance);
      if (code !== undefined) await cheat("setCode", [payer.address, code]);
      return { ...payer, privateKey };
    },
    /** Mints by writing to the token's storage: no transaction, no block. */
    mint: async (owner: Address, amount: bigint): Promise<void> => {
      const slot = keccak256(
        `0x${owner.slice(2).toLowerCase().padStart(64, "0")}${(9).toString(16).padStart(64, "0")}`,
      );
      await cheat("setStorageAt", [node.usdc, slot, numberToHex(amount, { size: 32 })]);
    },
    balanceOf: (owner: Address) =>
      client.readContract({
        address: node.usdc,
        abi: mockUSDCArtifact.abi,
        functionName: "balanceOf",
        args: [owner],
      }),
    /** Sends a transaction of the token's owner, or of anybody. It is mined at once only if the node does that. */
    sendAs: async (
      from: Address,
      to: Address,
      data: Hex,
      more: Readonly<Record<string, unknown>> = {},
    ): Promise<Hex> => {
      await cheat("impersonateAccount", [from]);
      if (from !== account.address) await give(from, 10n ** 20n);
      return (await node.request("eth_sendTransaction", [{ from, to, data, gas: "0x493e0", ...more }])) as Hex;
    },
    receipt: (hash: Hex) => findReceipt(client, hash),
    row: async (id: number): Promise<PaymentRow> => {
      const row = await journal.payment(id);
      if (row === undefined) throw new Error(`no payment ${id}`);
      return row;
    },
    states: async (id: number): Promise<string[]> => (await journal.history(id)).map(({ to }) => to),
    openBatches: () => journal.batches({ chainId: client.chain.id, sender: account.address, states: ["open"] }),
    /** Makes an engine that lingers send once this many payments or calls are in the queue. */
    flushAt: async (engine: SettlementEngine, count: number): Promise<void> => {
      await until(async () => (await journal.count()).queued === count, `${count} in the queue`);
      engine.flush();
    },
    said: (message: string): LogLine[] => logs.filter((line) => line.message.includes(message)),
    /** Runs after the engines are closed, also when a test fails. */
    later: (cleanup: () => Promise<void>): void => {
      cleanups.push(cleanup);
    },
    close: async (): Promise<void> => {
      await Promise.all(engines.map((engine) => engine.close({ finishWithinMs: 0 })));
      clock.stop();
      for (const cleanup of cleanups) await cleanup();
      if (options.journal === undefined) await journal.close();
    },
  };
  return lab;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The row of an accepted payment. */
export function rowOf(admission: Admission | undefined): PaymentRow {
  if (admission?.status !== "accepted") throw new Error(`refused: ${JSON.stringify(admission)}`);
  return admission.row;
}

/** Accepts payments and returns their rows. */
export async function acceptAll(
  engine: SettlementEngine,
  authorizations: readonly SignedAuthorization[],
): Promise<PaymentRow[]> {
  return (await engine.accept(authorizations.map((authorization) => ({ authorization })))).map(rowOf);
}
