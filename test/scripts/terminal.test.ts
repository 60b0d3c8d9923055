import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { idOf, recordOf } from "../helpers/channelRecords.ts";
import { runCli, startCommand, withFolder } from "../helpers/cli.ts";
import { inJournal, writePayments } from "../helpers/journalCli.ts";
import { expectToFit } from "../helpers/terminal.ts";

const HEX = /0x[0-9a-fA-F]+/g;
const SHORT = /^0x[0-9a-fA-F]{4}…[0-9a-fA-F]{4}$/;
const COLOUR = "\u001b[";

describe("commands on a terminal", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  /** A journal with four settled payments, one of a payer who has nothing, and a channel; and the command's usual options. */
  async function withWork(
    payee: number,
    body: (work: { journal: string[]; common: string[]; file: string; hash: string }) => Promise<void>,
  ): Promise<void> {
    await withFolder(async (folder) => {
      const path = join(folder, "journal.db");
      const journal = ["--journal", path];
      const common = ["--rpc-url", lab.chain.rpcUrl, ...journal];
      const poor = await lab.chain.sign(lab.keyOf(15), { to: freshAddress(payee), value: 5n });
      const payments = [...(await lab.pay(4, freshAddress(payee))), { line: 5, authorization: poor }];
      const file = writePayments(folder, payments);
      const { code, stderr, stdout } = await runCli(["settle", file, ...common, "--json"]);
      expect(code, stderr).to.equal(3);
      const record = recordOf(1, 1_000n);
      const channel = { channelId: idOf(1), chainId: 84532, record, claimed: 0n, isDeleted: false };
      const after = { ...channel, fault: undefined, withdrawal: undefined };
      await inJournal(path, (journal) => journal.changeChannels([{ before: undefined, after }], Date.now()));
      await body({ journal, common, file, hash: JSON.parse(stdout).sent[0].hash });
    });
  }

  for (const columns of [80, 120]) {
    it(`print nothing that is wider than ${columns} columns, and break no address and no hash`, async () => {
      await withWork(7_000 + columns, async ({ journal, common, file, hash }) => {
        const rpc = ["--rpc-url", lab.chain.rpcUrl];
        const runs = [
          ["settle", file, ...common],
          ["plan", file, ...rpc],
          ["plan", "--compare", file, ...rpc],
          ["status", ...journal],
          ["status", file, ...journal],
          ["status", hash, ...journal],
          ["status", "1", ...journal],
          ["status", "5", ...journal],
          ["accounts", ...common],
          ["inspect", hash, ...rpc],
          ["reconcile", "--from-block", "0", ...common],
          ["channels", "list", ...journal],
          ["channels", "show", idOf(1), ...journal],
          ["doctor", ...rpc],
          ["status", "0x".padEnd(66, "1"), ...journal],
        ];
        await Promise.all(
          runs.map(async (args) => {
            const { stdout, stderr } = await runCli(args, { columns });
            const text = stripVTControlCharacters(stdout + stderr);
            expect(text, args.join(" ")).to.not.equal("");
            expectToFit(text, columns);
            for (const [hex] of text.matchAll(/0x[0-9a-fA-F]+(…[0-9a-fA-F]*)?/g)) {
              const isWhole = [42, 66].includes(hex.length);
              expect(isWhole || SHORT.test(hex) || /^0x\w{8}…$/.test(hex), `${args.join(" ")}: ${hex}`).to.equal(true);
            }
          }),
        );
      });
    });
  }

  it("show what they shortened at 80 columns in full with --json and in a pipe", async () => {
    await withWork(7_500, async ({ journal }) => {
      const list = ["channels", "list", ...journal];
      const [narrow, piped, json] = await Promise.all([
        runCli(list, { columns: 80 }),
        runCli(list),
        runCli([...list, "--json"], { columns: 80 }),
      ]);
      const short = `${idOf(1).slice(0, 6)}…${idOf(1).slice(-4)}`;
      expect(narrow.stdout).to.include(short);
      expect(narrow.stderr).to.include("notice: shortened to fit the terminal; --json, a pipe or a wider terminal");
      expect(piped.stdout).to.include(idOf(1)).and.include(recordOf(1, 0n).channelConfig.payer);
      expect(piped.stderr).to.equal("");
      expect(JSON.parse(json.stdout).channels[0].channelId).to.equal(idOf(1));
      expect(json.stdout).to.not.include(COLOUR);
    });
  });

  it("colour words on a terminal alone, unless FORCE_COLOR or NO_COLOR say otherwise, and say the same without", async () => {
    await withWork(7_501, async ({ common, file }) => {
      const settle = (options: Parameters<typeof runCli>[1]) => runCli(["settle", file, ...common], options);
      const plain = (await settle({})).stdout;
      expect(plain).to.not.include(COLOUR);
      expect(plain)
        .to.match(/^settled by an earlier run +4 +0\.004006$/m)
        .and.match(/^rejected: underfunded +1 /m);
      const shown = (await settle({ columns: 200 })).stdout;
      expect(shown).to.include("\u001b[32msettled by an earlier run\u001b[39m");
      expect(shown).to.include("\u001b[31mrejected: underfunded\u001b[39m");
      expect(stripVTControlCharacters(shown)).to.equal(plain);
      expect((await settle({ columns: 200, env: { NO_COLOR: "1" } })).stdout).to.equal(plain);
      expect((await settle({ env: { FORCE_COLOR: "1" } })).stdout).to.equal(shown);
    });
  });

  it("colour errors according to stderr alone", async () => {
    const { stderr } = await runCli(["status", "--journal", "/nowhere/journal.db"], { columns: 80 });
    expect(stderr).to.include("\u001b[31merror:\u001b[39m There is no journal at /nowhere/journal.db.\n");
    expectToFit(stderr, 80);
  });

  it("fit their announcements too, and leave keys and commands to copy as they are", async () => {
    const local = startCommand(["local", "--port", "0"], { columns: 80 });
    await local.until(() => local.stdout().includes("Ctrl-C stops it."));
    const text = stripVTControlCharacters(local.stdout());
    expectToFit(text.replace(/^ *npm run -s tributary .*$/gm, ""), 80);
    for (const { address, privateKey } of lab.chain.accounts.slice(0, 5)) {
      expect(text).to.include(`account      ${address}\nprivate key  ${privateKey}`);
    }
    expect(text.match(HEX)?.every((hex) => [42, 66].includes(hex.length))).to.equal(true);
    expect(await local.stop()).to.equal(0);

    const args = ["facilitator", "--port", "0", "--rpc-url", lab.chain.rpcUrl, "--database-url", ":memory:"];
    const facilitator = startCommand([...args, "--log-level", "silent"], { columns: 80 });
    await facilitator.until(() => facilitator.stdout().includes("Ctrl-C stops it."));
    expectToFit(facilitator.stdout(), 80);
    expect(await facilitator.stop()).to.equal(0);
  });
});
