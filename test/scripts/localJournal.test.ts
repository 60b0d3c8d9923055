import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { connectChain } from "../../src/chain/client.ts";
import { openEngineJournal } from "../../src/cli/connect/journal.ts";
import { DEFAULT_JOURNAL_PATH, type Journal } from "../../src/journal/index.ts";
import { deriveAccounts, type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { runCli, TEST_MNEMONIC, withFolder } from "../helpers/cli.ts";
import { authorize, bodyV2, payerOf, post } from "../helpers/facilitator.ts";
import { type RunningFacilitator, startFacilitatorCli } from "../helpers/facilitatorCli.ts";
import { inJournal } from "../helpers/journalCli.ts";

/** The facilitator's key on a local chain. */
const SENDER = deriveAccounts(TEST_MNEMONIC, 1, 19)[0]!.address;
const CHAIN_ID = 84532;

describe("the default journal on a local chain", () => {
  let chain: LocalChain;
  /** The same chain, begun anew. */
  let next: LocalChain;
  let running: RunningFacilitator | undefined;

  before(async () => {
    chain = await startLocalChain();
    // Two chains that begin within one second begin with the same block.
    do {
      await next?.stop();
      next = await startLocalChain();
    } while ((await firstBlock(next)) === (await firstBlock(chain)));
  });
  afterEach(() => running?.stop());
  after(() => Promise.all([chain.stop(), next.stop()]));

  async function firstBlock({ rpcUrl }: LocalChain): Promise<string> {
    const client = await connectChain(rpcUrl);
    return (await client.getBlock({ blockNumber: 0n })).hash;
  }

  async function start(folder: string, { rpcUrl }: LocalChain): Promise<RunningFacilitator> {
    running = await startFacilitatorCli([], { RPC_URL: rpcUrl }, folder);
    return running;
  }

  /** Settles one payment, and returns the path of its status. */
  async function settleOne(facilitator: RunningFacilitator, on: LocalChain, seed: number): Promise<string> {
    const payer = payerOf(seed);
    await on.fund(payer.address, 10_000n);
    const signed = await authorize(payer);
    const { body } = await post(`${facilitator.summary.url}/settle`, bodyV2(signed));
    expect(body.success, JSON.stringify(body)).to.equal(true);
    return `/payments/base-sepolia/${signed.token}/${signed.from}/${signed.nonce}`;
  }

  const counts = async (cwd: string) => JSON.parse((await runCli(["status", "--json"], { cwd })).stdout).states.settled;

  it("is the facilitator's too: status reads it, and a restart continues with it", async () => {
    await withFolder(async (folder) => {
      const first = await start(folder, chain);
      expect(first.summary.journal).to.equal(DEFAULT_JOURNAL_PATH);
      const path = await settleOne(first, chain, 9_400);
      expect(await counts(folder)).to.equal(1);
      expect(await first.stop("SIGINT")).to.equal(0);
      expect(await counts(folder)).to.equal(1);

      const second = await start(folder, chain);
      const answer = await (await fetch(`${second.summary.url}${path}`)).text();
      expect(answer).to.include('"state":"settled"');
      expect(await second.stop()).to.equal(0);
    });
  });

  it("is put aside by the facilitator if the chain began anew", async () => {
    await withFolder(async (folder) => {
      const before = await start(folder, chain);
      await settleOne(before, chain, 9_401);
      expect(await before.stop()).to.equal(0);

      const after = await start(folder, next);
      const aside = `.tributary/journal-${(await firstBlock(chain)).slice(2, 10)}.db`;
      expect(after.stderr()).to.include(
        `notice: the local chain began anew; the previous chain's journal is now ${aside}`,
      );
      await settleOne(after, next, 9_402);
      expect(await counts(folder)).to.equal(1);
      expect(await after.stop()).to.equal(0);
      await inJournal(join(folder, aside), async (journal) =>
        expect(await journal.count()).to.deep.equal({ settled: 1 }),
      );
    });
  });

  it("is put aside once if two processes find at the same time that the chain began anew", async () => {
    await withFolder(async (folder) => {
      mkdirSync(join(folder, ".tributary"));
      const genesis = await firstBlock(chain);
      await inJournal(join(folder, DEFAULT_JOURNAL_PATH), async (journal) => {
        await journal.setCursor(`genesis:${CHAIN_ID}`, genesis);
        await journal.setCursor(`local:${CHAIN_ID}`, genesis);
      });
      const client = await connectChain(next.rpcUrl);
      const open = (how: typeof client) => openEngineJournal({ rpcUrl: next.rpcUrl }, how);
      const here = process.cwd();
      process.chdir(folder);
      try {
        let opened: Journal | undefined;
        // The slow one has the old journal open and asks the node, while the quick one puts it aside and uses a new one.
        const slow = await open({
          ...client,
          getBlock: async (...asked: Parameters<typeof client.getBlock>) => {
            if (opened === undefined) {
              opened = await open(client);
              await opened.setCursor("by the quick one", "1");
            }
            return client.getBlock(...asked);
          },
        } as typeof client);
        expect(await slow.cursor("by the quick one")).to.equal("1");
        await slow.close();
        await opened?.close();
      } finally {
        process.chdir(here);
      }
      const aside = readdirSync(join(folder, ".tributary")).filter((name) => /^journal-.*[.]db$/.test(name));
      expect(aside).to.deep.equal([`journal-${genesis.slice(2, 10)}.db`]);
      await inJournal(join(folder, ".tributary", aside[0]!), async (journal) =>
        expect(await journal.cursor(`genesis:${CHAIN_ID}`)).to.equal(genesis),
      );
    });
  });

  it("ends the facilitator when the chain begins anew under it, and the next one puts it aside", async () => {
    await withFolder(async (folder) => {
      let under = await startLocalChain();
      try {
        const genesis = await firstBlock(under);
        const facilitator = await start(folder, under);
        await settleOne(facilitator, under, 9_403);
        const port = Number(new URL(under.rpcUrl).port);
        do {
          await under.stop();
          under = await startLocalChain({ port });
        } while ((await firstBlock(under)) === genesis);
        expect(await facilitator.ended).to.equal(1);
        expect(facilitator.stderr()).to.include(
          "error: The local chain began anew: payments that were on their way on the previous chain are gone.\n" +
            "hint: Start the facilitator again.",
        );

        const again = await start(folder, under);
        await settleOne(again, under, 9_404);
        expect(await again.stop()).to.equal(0);
        expect(existsSync(join(folder, `.tributary/journal-${genesis.slice(2, 10)}.db`))).to.equal(true);
      } finally {
        await under.stop();
      }
    });
  });

  it("takes no other journal's name when it is put aside", async () => {
    await withFolder(async (folder) => {
      const genesis = (await firstBlock(chain)).slice(2, 10);
      const journals: string[] = [];
      // Back and forth between two chains: each time, a journal of the same chain was put aside before.
      for (const on of [chain, next, chain, next]) {
        const facilitator = await start(folder, on);
        expect(await facilitator.stop()).to.equal(0);
        journals.push(...(/is now (\S+)/.exec(facilitator.stderr())?.slice(1) ?? []));
      }
      expect(journals.filter((name) => name.includes(genesis))).to.deep.equal([
        `.tributary/journal-${genesis}.db`,
        `.tributary/journal-${genesis}-2.db`,
      ]);
    });
  });

  it("is not moved while a process has it open", async () => {
    await withFolder(async (folder) => {
      mkdirSync(join(folder, ".tributary"));
      const lease = { chainId: CHAIN_ID, sender: SENDER, owner: "another", ttlMs: 600_000 };
      await inJournal(join(folder, DEFAULT_JOURNAL_PATH), async (journal) => {
        await journal.setCursor(`genesis:${CHAIN_ID}`, await firstBlock(chain));
        await journal.setCursor(`local:${CHAIN_ID}`, await firstBlock(chain));
        await journal.acquireLease(lease);
      });
      const { code, stderr } = await runCli(["facilitator"], { cwd: folder, env: { RPC_URL: next.rpcUrl, PORT: "0" } });
      expect(code).to.equal(2);
      expect(stderr).to.include(
        "error: The local chain began anew, and another still has the previous chain's journal open.\nhint: Stop that first",
      );
      expect(existsSync(join(folder, DEFAULT_JOURNAL_PATH))).to.equal(true);
    });
  });

  it("stays in its place when it is that of a real network with the same id", async () => {
    await withFolder(async (folder) => {
      mkdirSync(join(folder, ".tributary"));
      const real = `0x${"ab".repeat(32)}`;
      await inJournal(join(folder, DEFAULT_JOURNAL_PATH), (journal) => journal.setCursor(`genesis:${CHAIN_ID}`, real));
      const { code, stderr } = await runCli(["facilitator"], {
        cwd: folder,
        env: { RPC_URL: chain.rpcUrl, PORT: "0" },
      });
      expect(code).to.equal(2);
      expect(stderr).to.include(
        `The journal ${DEFAULT_JOURNAL_PATH} belongs to another chain with the id ${CHAIN_ID}.`,
      );
      expect(stderr).to.include(`It knows a chain that begins with block ${real}`).and.include("DATABASE_URL");
      expect(existsSync(join(folder, DEFAULT_JOURNAL_PATH))).to.equal(true);
    });
  });
});
