import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { serialiseAuthorization } from "../../src/authorization/serialise.ts";
import type { LinePayment } from "../../src/cli/input/input.ts";
import { type ChainLab, freshAddress, openChainLab, startDataFeeNode } from "../helpers/chainLab.ts";
import { runCli, withFolder } from "../helpers/cli.ts";

describe("plan", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  const plan = (payments: readonly LinePayment[], args: readonly string[] = [], rpcUrl = lab.chain.rpcUrl) =>
    withFolder(async (folder) => {
      const file = join(folder, "payments.jsonl");
      writeFileSync(file, payments.map(({ authorization }) => serialiseAuthorization(authorization)).join("\n"));
      return runCli(["plan", file, "--rpc-url", rpcUrl, ...args]);
    });

  it("prices the batches of a file and sends nothing", async () => {
    const payments = await lab.pay(20, freshAddress(1));
    const sent = await lab.transactionCount();
    const { code, stdout, stderr } = await plan(payments, ["--gas-price", "0.005", "--eth-usd", "2000"]);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/1 {2}router +20 +5 +1 +0\.02019/);
    expect(stdout)
      .to.match(/as planned +1 /)
      .and.match(/one by one +20 /);
    expect(stdout).to.match(/batches save [0-9.]+ %/);
    expect(stdout).to.include("0.005 gwei per gas (--gas-price), $2000 per ether (--eth-usd), no data fee");
    expect(stdout).to.include("nothing was sent");
    expect(await lab.transactionCount()).to.equal(sent);
  });

  it("predicts the gas that a settlement then uses within half a percent", async () => {
    const payments = await lab.pay(40, freshAddress(2));
    const { stdout } = await plan(payments, ["--json"]);
    const { total, oneByOne, batches } = JSON.parse(stdout);
    const report = await lab.chain.settle(payments.map(({ authorization }) => authorization));
    const used = report.transactions.reduce((sum, { gasUsed }) => sum + gasUsed, 0n);
    expect(batches).to.have.lengthOf(report.transactions.length);
    expect(Math.abs(Number(BigInt(total.gas) - used))).to.be.at.most(Number(used) * 0.005);
    expect(BigInt(oneByOne.gas) > BigInt(total.gas)).to.equal(true);
    expect(oneByOne.transactions).to.equal(40);
  });

  it("counts the fee as gas times price, and as a share of the value", async () => {
    const payments = await lab.pay(10, freshAddress(3), { firstValue: 500n });
    const { stdout } = await plan(payments, ["--json", "--gas-price", "0.01", "--eth-usd", "3000"]);
    const { total, value, gasPriceWei, etherMicroUsd } = JSON.parse(stdout);
    expect(value).to.equal("5045");
    expect(gasPriceWei).to.equal("10000000");
    expect(etherMicroUsd).to.equal("3000000000");
    const wei = BigInt(total.gas) * 10_000_000n;
    expect(total.price.totalWei).to.equal(wei.toString());
    const nanoUsd = (wei * 3_000_000_000n * 1000n + 10n ** 18n - 1n) / 10n ** 18n;
    expect(total.price.usd.totalNano).to.equal(nanoUsd.toString());
    expect(total.price.usd.shareOfValuePpm).to.equal(((nanoUsd * 1000n + 5044n) / 5045n).toString());
  });

  it("warns if payments cost more than they move, and recommends channels", async () => {
    const { stdout } = await plan(await lab.pay(5, freshAddress(4), { firstValue: 1n }), ["--gas-price", "0.01"]);
    expect(stdout).to.include("These payments cost more than they move");
    expect(stdout).to.include("payment channel");
  });

  it("says how many payments are worth less than their settlement", async () => {
    const small = await lab.pay(2, freshAddress(5), { firstValue: 1n });
    const large = await lab.pay(8, freshAddress(5), { firstValue: 1_000_000n });
    const { stdout } = await plan([...small, ...large], ["--gas-price", "0.01"]);
    expect(stdout).to.match(/warning: 2 of 10 payments are worth less than the \$0\.00\d+ that settling one costs/);
  });

  it("lists what cannot settle by reason, with the lines", async () => {
    const payee = freshAddress(6);
    const good = await lab.pay(2, payee);
    const drained = await lab.chain.sign(lab.keyOf(15), { to: payee, value: 5n });
    const altered = { ...(await lab.chain.sign(lab.keyOf(2), { to: payee, value: 5n })), value: 6n };
    const all = [...good.map(({ authorization }) => authorization), drained, altered, drained];
    const payments = all.map((authorization, index) => ({ line: index + 1, authorization }));
    const { code, stdout } = await plan(payments.slice(0, 4));
    expect(code).to.equal(3);
    expect(stdout).to.match(/underfunded +1 +3 +the payer has 0/);
    expect(stdout).to.match(/bad-signature +1 +4 +FiatTokenV2: invalid signature|bad-signature +1 +4 /);
  });

  it("finds payers whose code burns gas", async () => {
    const burner = await lab.payerWithCode(77, "0x5b600056");
    const payee = freshAddress(8);
    const good = await lab.pay(3, payee);
    const burning = await lab.chain.sign(burner, { to: payee, value: 5n });
    const { stdout } = await plan([...good, { line: 4, authorization: burning }], ["--json"]);
    const { payments, excluded } = JSON.parse(stdout);
    expect(payments).to.equal(3);
    expect(excluded).to.have.lengthOf(1);
    expect(excluded[0]).to.deep.include({ line: 4, status: "rejected", reason: "gas-capped" });
  });

  it("counts transactions one by one if there is no router", async () => {
    const bare = await openChainLab({ bare: true });
    try {
      const { stdout } = await plan(await bare.pay(3, freshAddress(9)), [], bare.chain.rpcUrl);
      expect(stdout)
        .to.match(/3 {2}direct/)
        .and.include("there is no settlement router on this chain");
    } finally {
      await bare.chain.stop();
    }
  });

  describe("--compare", () => {
    const nowhere = ["--gas-price", "0.005"];

    it("compares the ways for described traffic, without a node if the price is given", async () => {
      const traffic = ["--payers", "1", "--amount", "0.0001", "--rate", "10000", "--session", "1"];
      const { code, stdout } = await runCli(["plan", "--compare", ...traffic, ...nowhere]);
      expect(code).to.equal(0);
      expect(stdout).to.include("10000 payments, 1 USDC").and.to.include("recommended: channel");
      // Two deposits, a claim and a sweep: 378,648 gas.
      expect(stdout).to.match(/channel, deposits of 5000 payments \(recommended\) +37\.87 .*0\.57 %/);
      expect(stdout).to.match(/channel, deposits of 5 \(the official client's own\) .*361 %/);
      const json = JSON.parse((await runCli(["plan", "--compare", ...traffic, ...nowhere, "--json"])).stdout);
      expect(json.channel).to.include({ multiplier: 5_000, deposit: "500000", totalGas: "378648" });
      expect(json).to.include({ recommended: "channel", dataFeeInputs: null });
      expect(stdout).to.include("without the data fee of an OP stack").and.not.to.include("of it data");
    });

    it("counts the data fee if a node is named, on any chain that charges one", async () => {
      const traffic = ["--payers", "1", "--amount", "0.0001", "--rate", "10000", "--session", "1", ...nowhere];
      const compare = async (rpcUrl: string, ...more: string[]) => {
        return runCli(["plan", "--compare", ...traffic, "--rpc-url", rpcUrl, ...more]);
      };
      expect((await compare(lab.chain.rpcUrl)).stdout).to.include("no data fee on this chain");
      expect((await compare("http://127.0.0.1:9")).code).to.equal(1);
      const node = await startDataFeeNode(lab.chain.rpcUrl);
      try {
        const { code, stdout } = await compare(node.rpcUrl);
        expect(code).to.equal(0);
        expect(stdout).to.include("data at the chain's price now");
        expect(stdout).to.match(/USD each +of it data/);
        const { dataFeeInputs, exact, batch, channel } = JSON.parse((await compare(node.rpcUrl, "--json")).stdout);
        expect(dataFeeInputs).to.include({ l1BaseFee: "10000000000", blobBaseFeeScalar: "1055762" });
        for (const { totalGas, dataWei, totalWei } of [exact, batch, channel]) {
          expect(BigInt(totalWei)).to.equal(BigInt(totalGas) * 5_000_000n + BigInt(dataWei));
        }
        expect(BigInt(exact.dataWei) > BigInt(batch.dataWei)).to.equal(true);
        expect(BigInt(batch.dataWei) > BigInt(channel.dataWei)).to.equal(true);
      } finally {
        await node.stop();
      }
    });

    it("takes the traffic of a file, and the chain's price", async () => {
      const payments = await lab.pay(20, freshAddress(20), { firstValue: 1_000_000n });
      const { code, stdout } = await plan(payments, ["--compare", "--json"]);
      expect(code).to.equal(0);
      const { profile, gasPriceWei } = JSON.parse(stdout);
      expect(profile).to.include({ payers: 5, payees: 1, amount: "1000009", paymentsPerPayer: 4 });
      expect(BigInt(gasPriceWei) > 0n).to.equal(true);
    });

    it("refuses to compare what it does not know", async () => {
      const { code, stderr } = await runCli(["plan", "--compare", "--payers", "3", ...nowhere]);
      expect(code).to.equal(2);
      expect(stderr).to.include("--amount");
      expect((await runCli(["plan", ...nowhere])).code).to.equal(2);
    });
  });
});
