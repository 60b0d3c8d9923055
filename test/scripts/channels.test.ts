import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { decodeFunctionResult, encodeFunctionData, getAddress, type Hex } from "viem";
import { batchSettlementAbi as abi } from "../../src/channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../src/channels/index.ts";
import { voucherClaim } from "../../src/channels/wire.ts";
import { freshAddress } from "../helpers/chainLab.ts";
import { runCli, spawnCommand, startCommand, withFolder } from "../helpers/cli.ts";
import { until } from "../helpers/engineLab.ts";
import { readLines } from "../helpers/journalCli.ts";
import { type KeeperLab, openKeeperLab } from "../helpers/keeperLab.ts";

describe("channels", () => {
  let lab: KeeperLab;
  let env: Record<string, string>;
  before(async () => {
    lab = await openKeeperLab();
    env = { RECEIVER_AUTHORIZER_KEY: lab.keyOf(17).privateKey };
  });
  beforeEach(() => lab.remember());
  afterEach(() => lab.closeAll());
  after(() => lab.stop());

  /** A shop with its channels in a journal of that folder, and buyers who each bought once for 1000 units. */
  async function openShop(folder: string, receiver: ReturnType<typeof freshAddress>, buyers: readonly number[]) {
    const journal = join(folder, "journal.db");
    const shop = await lab.shop(await lab.journal(journal), receiver, lab.accountOf(17));
    const open = buyers.map((index) => lab.buyer(index));
    for (const buyer of open) expect((await buyer.buy(shop.url)).status).to.equal(200);
    const common = ["--rpc-url", lab.chain.rpcUrl, "--journal", journal];
    return { shop, buyers: open, common, reading: ["--journal", journal] };
  }
  const claimedOf = async (id: string) => (await lab.onChain(id))[1];

  it("lists, shows and exports; the authorizer's key can claim what it exports", async () => {
    await withFolder(async (folder) => {
      const { reading } = await openShop(folder, freshAddress(3_000), [1, 2]);
      const list = JSON.parse((await runCli(["channels", "list", "--unclaimed", ...reading, "--json"])).stdout);
      expect(list.channels).to.have.length(2);
      const [first] = list.channels;
      expect(first).to.include({ charged: "1000", claimed: "0", unclaimed: "1000", balance: "10000", state: "open" });
      expect(JSON.stringify(list)).not.to.contain("signature");
      const text = (await runCli(["channels", "list", ...reading])).stdout;
      expect(text).to.contain(first.channelId).and.to.contain("0.001");
      const shown = JSON.parse((await runCli(["channels", "show", first.channelId, ...reading, "--json"])).stdout);
      expect(shown).to.deep.equal(first);
      expect((await runCli(["channels", "show", `0x${"00".repeat(32)}`, ...reading])).code).to.equal(2);

      const out = join(folder, "vouchers.jsonl");
      expect((await runCli(["channels", "export", ...reading, "--out", out])).code).to.equal(0);
      const rows = readLines(out).map((line) => voucherClaim.parse(line));
      expect(readFileSync(out, "utf8")).to.contain(first.channelId);
      const data = encodeFunctionData({ abi, functionName: "claim", args: [rows] });
      const account = lab.accountOf(17).address;
      const { data: answer = "0x" } = await lab.client.call({ account, to: BATCH_SETTLEMENT_ADDRESS, data });
      expect(decodeFunctionResult({ abi, functionName: "claim", data: answer as Hex })).to.equal(undefined);
    });
  });

  it("claims, sweeps and refunds when it is told to, and says whose key is missing", async () => {
    await withFolder(async (folder) => {
      const receiver = freshAddress(3_001);
      const { common, shop } = await openShop(folder, receiver, [1, 2]);
      const ids = (await shop.storage.list()).map(({ channelId }) => channelId);
      const without = await runCli(["channels", "claim", ...common]);
      expect(without.code).to.equal(3);
      expect(without.stdout).to.contain("no key for it here");

      const claim = await runCli(["channels", "claim", ids[0]!, ...common, "--json"], { env });
      expect(claim.code).to.equal(0);
      expect(JSON.parse(claim.stdout).claimed).to.have.length(1);
      expect(await claimedOf(ids[0]!)).to.equal(1_000n);
      const refund = await runCli(["channels", "refund", ids[1]!, "--amount", "0.002", ...common], { env });
      expect(refund.stdout).to.match(/^0\.002 went back in 0x/);
      expect(await lab.onChain(ids[1]!)).to.deep.equal([8_000n, 1_000n]);
      const tooMuch = await runCli(["channels", "refund", ids[1]!, "--amount", "1", ...common], { env });
      expect(tooMuch.code).to.equal(2);
      expect(tooMuch.stderr).to.contain("7000 atomic units");
      expect((await runCli(["channels", "sweep", ...common])).stdout)
        .to.contain(getAddress(receiver))
        .and.to.contain("0.002 in 0x");
      expect(await lab.balanceOf(receiver)).to.equal(2_000n);
      expect((await runCli(["channels", "sweep", ...common])).stdout).to.equal("nothing to sweep\n");
    });
  });

  it("keeps channels: killed at any moment, the next one continues where it was", async () => {
    await withFolder(async (folder) => {
      const receiver = freshAddress(3_002);
      const { common, shop, buyers } = await openShop(folder, receiver, [1, 2]);
      const args = ["channels", "keep", ...common, "--every", "1", "--eth-usd", "0", "--lease", "5", "--json"];
      const sent = () => lab.client.getTransactionCount({ address: lab.account.address });
      const before = await sent();
      const first = spawnCommand(args, { env });
      await first.until(() => first.stdout().includes('"keeping":true'));
      // As soon as one of its transactions is on the chain, whether it knows or not.
      await until(async () => (await sent()) > before);
      await first.stop("SIGKILL");

      for (const buyer of buyers) await buyer.buy(shop.url);
      const second = startCommand(args, { env });
      await until(async () => (await lab.balanceOf(receiver)) === 4_000n);
      expect(await second.stop()).to.equal(0);
      expect(second.stdout()).not.to.contain("alert");
      for (const { channelId } of await shop.storage.list()) expect(await claimedOf(channelId)).to.equal(2_000n);
    });
  });

  it("claims, sweeps and refunds by hand while a keeper has the purse, through that keeper", async () => {
    await withFolder(async (folder) => {
      const receiver = getAddress(freshAddress(3_003));
      const { common, shop } = await openShop(folder, receiver, [1, 2]);
      const ids = (await shop.storage.list()).map(({ channelId }) => channelId);
      // For their value alone, these would never be claimed.
      const keeper = startCommand(["channels", "keep", ...common, "--every", "1", "--eth-usd", "3000", "--json"], {
        env,
      });
      await keeper.until(() => keeper.stdout().includes('"waiting":{"kind":"claim"'));
      const list = await runCli(["channels", "list", ...common.slice(2)]);
      expect(list.stdout).to.match(/the keeper said at .*\n {2}0\.002 in 2 channels of 0x\w+ is not claimed: /);

      // None of these has a key of any kind.
      const claim = await runCli(["channels", "claim", ids[0]!, ...common, "--json"]);
      expect(claim.stderr).to.match(/asking the keeper, process \d+ on \S+, which has the key 0x\w+/);
      expect(claim.code, claim.stderr).to.equal(0);
      expect(JSON.parse(claim.stdout)).to.deep.include({ bad: [], withoutKey: [], failed: [] });
      expect(JSON.parse(claim.stdout).claimed).to.have.length(1);
      const refund = await runCli(["channels", "refund", ids[1]!, "--amount", "0.002", ...common]);
      expect(refund.stdout, refund.stderr).to.match(/^0\.002 went back in 0x/);
      const tooMuch = await runCli(["channels", "refund", ids[1]!, "--amount", "1", ...common]);
      expect([tooMuch.code, tooMuch.stderr.includes("7000 atomic units")]).to.deep.equal([2, true]);
      expect((await runCli(["channels", "sweep", ...common])).stdout).to.contain("0.002 in 0x");
      expect(await lab.balanceOf(receiver)).to.equal(2_000n);
      expect((await runCli(["channels", "claim", ...common])).stdout).to.equal("nothing to claim\n");
      for (const id of ids) expect(await claimedOf(id)).to.equal(1_000n);

      const kinds = () => [...keeper.stdout().matchAll(/"activity":\{"kind":"(\w+)"/g)].map(([, kind]) => kind);
      await keeper.until(() => kinds().includes("swept"));
      expect(await keeper.stop()).to.equal(0);
      expect(kinds()).to.deep.equal(["claimed", "claimed", "refunded", "swept"]);
      expect(keeper.stdout()).not.to.contain("alert");
    });
  });

  it("claims by hand from another purse while a keeper claims the same, and each channel once", async () => {
    await withFolder(async (folder) => {
      const receiver = getAddress(freshAddress(3_004));
      const { common, shop } = await openShop(folder, receiver, [1, 2]);
      const keeper = startCommand(["channels", "keep", ...common, "--every", "1", "--eth-usd", "0", "--json"], { env });
      const own = { ...env, PRIVATE_KEY: lab.keyOf(16).privateKey };
      const claim = await runCli(["channels", "claim", ...common, "--json"], { env: own });
      expect(claim.code, claim.stderr).to.equal(0);
      expect(claim.stderr).not.to.contain("asking the keeper");
      expect(JSON.parse(claim.stdout)).to.deep.include({ bad: [], withoutKey: [], failed: [] });
      for (const { channelId } of await shop.storage.list()) expect(await claimedOf(channelId)).to.equal(1_000n);
      // If it stopped before it saw its sweep mined, the next keeper would have to note it.
      await keeper.until(() => keeper.stdout().includes('"activity":{"kind":"swept"'));
      expect(await keeper.stop()).to.equal(0);
      expect(await lab.balanceOf(receiver)).to.equal(2_000n);
      const earnings = await runCli(["earnings", ...common.slice(2), "--json"]);
      expect(JSON.parse(earnings.stdout).totals).to.include({
        earned: "2000",
        unclaimed: "0",
        unswept: "0",
        paidOut: "2000",
      });
      const compared = await runCli(["reconcile", "--from-block", "0", ...common, "--json"]);
      expect(compared.code, compared.stdout).to.equal(0);
      expect(JSON.parse(compared.stdout).channels.sweeps.matched.value).to.equal("2000");
    });
  });
});
