import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { getAddress } from "viem";
import { BATCH_SETTLEMENT_ADDRESS } from "../../src/channels/index.ts";
import { networks } from "../../src/networks.ts";
import { settlePayments } from "../../src/settlement/job/job.ts";
import { freshAddress } from "../helpers/chainLab.ts";
import { runCli, withFolder } from "../helpers/cli.ts";
import { readLines } from "../helpers/journalCli.ts";
import { type KeeperLab, openKeeperLab } from "../helpers/keeperLab.ts";

const token = networks.baseSepolia.usdc.address;

describe("earnings command", () => {
  let lab: KeeperLab;
  before(async () => {
    lab = await openKeeperLab();
  });
  beforeEach(() => lab.remember());
  afterEach(() => lab.closeAll());
  after(() => lab.stop());

  /** A journal of a seller with two settled payments, a claim that is swept, and a refund. */
  async function openSample(folder: string) {
    const file = join(folder, "journal.db");
    const journal = await lab.journal(file);
    const seller = getAddress(freshAddress(3_100));
    const payments = await lab.pay(2, seller);
    await settlePayments(lab.client, { payments, journal: journal, senders: [lab.account] });
    const settled = payments.reduce((sum, { authorization }) => sum + authorization.value, 0n);
    const shop = await lab.shop(journal, seller, lab.accountOf(17));
    for (const index of [1, 2]) expect((await lab.buyer(index).buy(shop.url)).status).to.equal(200);
    const keeper = await lab.keeper(journal, { authorizers: [lab.accountOf(17)] });
    await keeper.claim();
    await keeper.sweep();
    const [channel] = await shop.storage.list();
    await keeper.refund(channel!.channelId as `0x${string}`, 3_000n);
    return { file, seller, settled };
  }

  it("shows what was earned as text, CSV and JSON, with the totals of reconcile", async () => {
    await withFolder(async (folder) => {
      const { file, seller, settled } = await openSample(folder);
      const merchants = join(folder, "merchants.json");
      writeFileSync(merchants, JSON.stringify([{ id: "shop", keySha256: "ab".repeat(32), receivers: [seller] }]));
      const args = ["earnings", "--journal", file, "--merchants", merchants];
      const paidOut = settled + 2_000n;

      const json = await runCli([...args, "--json"]);
      expect(json.code, json.stderr).to.equal(0);
      const { rows, totals } = JSON.parse(json.stdout);
      expect(totals).to.include({ earned: `${paidOut}`, paidOut: `${paidOut}`, unclaimed: "0", unswept: "0" });
      expect(
        rows.every(({ payee, merchant }: Record<string, string>) => payee === seller && merchant === "shop"),
      ).to.equal(true);
      const rpc = ["--rpc-url", lab.chain.rpcUrl, "--journal", file];
      const compared = JSON.parse((await runCli(["reconcile", "--from-block", "0", ...rpc, "--json"])).stdout);
      expect(compared.drift).to.equal(0);
      expect(BigInt(compared.matched.value) + BigInt(compared.channels.sweeps.matched.value)).to.equal(paidOut);
      expect(compared.channels.givenBack.matched).to.deep.equal({ count: 1, value: "3000" });
      const shown = await runCli(["reconcile", "--from-block", "0", ...rpc]);
      expect(shown.stdout)
        .to.match(/claims +2 +0\.002 +0 +0 +0/)
        .and.match(/refunds and withdrawals +1 +0\.003/);

      const out = join(folder, "earnings.csv");
      expect((await runCli([...args, "--format", "csv", "--out", out])).code).to.equal(0);
      const [head, ...lines] = readFileSync(out, "utf8").trimEnd().split("\n");
      expect(head).to.equal("day,chainId,token,payee,merchant,earned,onItsWay,unclaimed,unswept,paidOut,gas,feeWei");
      const sum = (column: number) => lines.reduce((total, line) => total + BigInt(line.split(",")[column] ?? ""), 0n);
      expect([sum(5), sum(9), sum(11)]).to.deep.equal([paidOut, paidOut, BigInt(totals.feeWei)]);
      expect(lines[0]).to.contain(`,84532,${token},${seller},shop,`);

      const text = await runCli(args);
      expect(text.stdout)
        .to.match(/^day +payee +merchant +earned +on its way +unclaimed/)
        .and.contain("days in UTC");
      const none = await runCli([...args, "--until", "2020-01-01", "--merchant", "shop", "--json"]);
      expect(JSON.parse(none.stdout)).to.deep.include({ rows: [], otherwise: null });
    });
  });

  it("refuses invalid days and a missing journal", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "none.db");
      const none = await runCli(["earnings", "--journal", file]);
      expect([none.code, none.stderr.includes("There is no journal")]).to.deep.equal([2, true]);
      const bad = await runCli(["earnings", "--since", "2026-13-01", "--journal", file]);
      expect([bad.code, bad.stderr.includes("Write a day such as 2026-11-30")]).to.deep.equal([2, true]);
    });
  });

  it("shows claims, sweeps and refunds in export, with what each moved", async () => {
    await withFolder(async (folder) => {
      const { file, seller } = await openSample(folder);
      const out = join(folder, "statement.jsonl");
      const { stderr } = await runCli(["export", "--journal", file, "--format", "json", "--out", out]);
      expect(stderr)
        .to.include("2 payments, of which 2 settled here")
        .and.include("1 claim (0.002), 1 sweep (0.002), 1 refund (0.003)");
      const lines = readLines(out);
      const calls = lines.filter(({ what }) => what !== "payment");
      expect(calls.map(({ what, value, payee, to, token: its }) => [what, value, payee, to, its])).to.deep.equal([
        ["claim", "2000", seller, BATCH_SETTLEMENT_ADDRESS, token],
        ["sweep", "2000", seller, BATCH_SETTLEMENT_ADDRESS, token],
        ["refund", "3000", seller, BATCH_SETTLEMENT_ADDRESS, token],
      ]);
      expect(
        calls.map(
          ({ channels }) =>
            String(channels ?? "")
              .split(" ")
              .filter(Boolean).length,
        ),
      ).to.deep.equal([2, 0, 1]);
      expect(lines.filter(({ what }) => what === "payment").every(({ payee }) => payee === seller)).to.equal(true);
    });
  });
});
