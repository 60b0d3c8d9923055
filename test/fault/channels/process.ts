// The process of a merchant's server or keeper: one life, which its parent gives it once everything is loaded.
import { flushCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../src/chain/client.ts";
import { type Journal, openJournal } from "../../../src/journal/index.ts";
import { createChannelKeeper, createChannelStorage, type KeeperAlert } from "../../../src/keeper/index.ts";
import { networks } from "../../../src/networks.ts";
import { startEngine } from "../../../src/settlement/index.ts";
import { facilitatorAt, openChannelShop } from "../../helpers/channelShop.ts";
import { FAST } from "../../helpers/engineLab.ts";
import { EAGER } from "../../helpers/keeperLab.ts";
import { tuned } from "../../helpers/tuning.ts";
import { type JournalKill, mortal } from "../kills.ts";

/** The path of this file, to start it. */
export const processFile = fileURLToPath(import.meta.url);

type Common = {
  /** A SQLite file. */
  readonly journal: string;
  readonly authorizerKey: Hex;
  /** Where it kills itself. */
  readonly kill: JournalKill | undefined;
};

/** A resource server: the official one, with our channel storage. */
export type ServerLife = Common & {
  readonly role: "server";
  readonly facilitatorUrl: string;
  readonly receiver: Address;
  /** How far its clock is ahead, in milliseconds: the time that passed while it was down. */
  readonly aheadMs: number;
};

/** A keeper with its own engine. */
export type KeeperLife = Common & {
  readonly role: "keeper";
  readonly rpcUrl: string;
  readonly senderKey: Hex;
  /** The engine's name in leases: one that comes back under its old name need not wait. */
  readonly owner: string;
};

export type Life = ServerLife | KeeperLife;

export type FromProcess =
  | { readonly kind: "ready" }
  /** It is ready. `url` is the server's. */
  | { readonly kind: "living"; readonly url: string }
  | { readonly kind: "alert"; readonly alert: KeeperAlert }
  | { readonly kind: "failed"; readonly error: string };

async function live(life: Life): Promise<void> {
  const journal = mortal(await openJournal(life.journal), life.kill, () => undefined);
  const url = life.role === "server" ? await serve(life, journal) : await keep(life, journal);
  tell({ kind: "living", url });
}

async function serve(life: ServerLife, journal: Journal): Promise<string> {
  const now = Date.now;
  Date.now = () => now() + life.aheadMs;
  const shop = await openChannelShop(facilitatorAt(life.facilitatorUrl), life.receiver, {
    storage: createChannelStorage(journal, { chainId: networks.baseSepolia.chainId }),
    receiverAuthorizerSigner: privateKeyToAccount(life.authorizerKey),
  });
  return shop.url;
}

async function keep({ rpcUrl, senderKey, authorizerKey, owner }: KeeperLife, journal: Journal): Promise<string> {
  const client = await connectChain(rpcUrl, { pollingIntervalMs: 20 });
  const engine = await startEngine(client, {
    journal,
    senders: [privateKeyToAccount(senderKey)],
    owner,
    ...tuned({ ...FAST, lingerMs: 20, leaseTtlMs: 600 }),
  });
  createChannelKeeper(client, {
    journal,
    engine,
    authorizers: [privateKeyToAccount(authorizerKey)],
    policy: EAGER,
    // The journal also has what the server gave back before the first keeper read anything.
    firstBlock: 0n,
    onAlert: (alert) => tell({ kind: "alert", alert }),
  });
  return "";
}

function tell(message: FromProcess): void {
  process.send?.(message);
}

// The test runner may load every file of test/, so this one runs only as a child process.
if (process.send !== undefined && process.argv[1] === processFile) {
  process.on("disconnect", () => process.exit());
  process.on("message", (life: Life) => {
    live(life).catch((error: unknown) => {
      tell({ kind: "failed", error: error instanceof Error ? String(error.stack) : String(error) });
    });
  });
  // Keeps the compiled sources for later processes, since this one is usually killed.
  flushCompileCache();
  tell({ kind: "ready" });
}
