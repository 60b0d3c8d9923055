import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "chai";
import { SALE_PACKAGES } from "../../demo/sale/packages.ts";
import { runCli } from "../helpers/cli.ts";
import { manifest } from "../package/project.ts";

describe("demo", () => {
  it("sells to many buyers, and finds that every figure adds up", async () => {
    const { code, stdout, stderr } = await runCli([
      "demo",
      "--buyers",
      "4",
      "--requests",
      "9",
      "--price",
      "0.002",
      "--json",
    ]);
    expect(code, stderr).to.equal(0);
    const demo = JSON.parse(stdout);
    expect(demo).to.deep.include({ buyers: 4, requests: 9, price: "2000", served: 9, payments: 9, paid: "18000" });
    expect(demo.checks.map(({ holds }: { holds: boolean }) => holds)).to.deep.equal(Array(7).fill(true));
    expect(demo.oneByOne).to.deep.include({ transactions: 9, settled: 9 });
    expect(demo.tributary.settled).to.equal(9);
    expect(demo.tributary.transactions).to.be.lessThan(9);
    expect(Number(demo.gasPerPayment.tributary)).to.be.lessThan(Number(demo.gasPerPayment.oneByOne));
    expect(demo.latencyMs.p50).to.be.greaterThan(0).and.at.most(demo.latencyMs.p95);
    expect(demo).to.not.have.property("trace");
    expect(stderr).to.include("answers sold …");
  });

  it("traces the first payment through all four roles in eleven steps, and shows no signature", async () => {
    const { code, stdout, stderr } = await runCli(["demo", "--buyers", "2", "--requests", "2", "--trace"]);
    expect(code, stderr).to.equal(0);
    const steps = [...stdout.matchAll(/^ +(\d+)\. (.+?): .*\(\+\d+ ms\)$/gm)].map(([, number, who]) => [
      Number(number),
      who,
    ]);
    expect(steps).to.deep.equal([
      [1, "client → resource server"],
      [2, "resource server → client"],
      [3, "client"],
      [4, "client → resource server"],
      [5, "resource server → facilitator"],
      [6, "facilitator → resource server"],
      [7, "resource server → facilitator"],
      [8, "facilitator → chain"],
      [9, "chain → facilitator"],
      [10, "facilitator → resource server"],
      [11, "resource server → client"],
    ]);
    expect(stdout).to.match(/402 Payment Required\n +PAYMENT-REQUIRED\.x402Version +2\n/);
    expect(stdout).to.match(/PAYMENT-REQUIRED\.accepts\.0\.amount +1000\n/);
    expect(stdout).to.match(/TransferWithAuthorization\.value +1000\n/);
    expect(stdout).to.match(/signature +0x[0-9a-f]{10}… \(65 bytes\)\n/);
    expect(stdout).to.match(/log \d+ AuthorizationUsed\.nonce +0x[0-9a-f]{64}\n/);
    expect(stdout).to.match(/200 OK\n +PAYMENT-RESPONSE +as in step 10\n/);
    expect(stdout).to.not.match(/0x[0-9a-f]{65,}/i);

    for (const role of ["client", "resource server", "facilitator", "chain"]) {
      expect(stdout).to.match(new RegExp(`^  ${role} {2,}\\S`, "m"));
    }
    expect(stdout).to.match(/^requests served +2 of 2 in \d+\.\d s$/m);
    expect(stdout).to.match(/^ +one by one +2 /m);
    expect(stdout).to.not.include("✗");
    expect(stdout).to.match(/Every figure adds up\. \d+\.\d s\n$/);
  });

  it("settles 1,000 payments with --job, explains those that cannot settle, and finds that every figure adds up", async () => {
    const { code, stdout, stderr } = await runCli(["demo", "--job"]);
    const [, file = ""] = /^The payments: +(\S+)$/m.exec(stdout) ?? [];
    const [, results = ""] = /^Their results: (\S+)$/m.exec(stdout) ?? [];
    try {
      expect(code, stderr).to.equal(0);
      expect(stdout).to.include("936 payments of $23.501801 in total settled in 3 transactions.");
      const reasons = [...stdout.matchAll(/^ +rejected: (\S+) +(\d+)/gm)].map(([, reason, count]) => [
        reason,
        Number(count),
      ]);
      expect(reasons).to.have.deep.members(
        ["expired", "underfunded", "bad-signature", "already-used", "cancelled", "blocked", "gas-capped"].map(
          (reason) => [reason, 8],
        ),
      );
      expect(stdout).to.match(/^ +not valid yet +8 /m);
      const each = (way: string) => {
        const [, transactions, gas] = new RegExp(`^ +${way} +([\\d,]+) +[\\d,]+ +([\\d,]+)`, "m").exec(stdout) ?? [];
        return [transactions, gas].map((text) => Number(text?.replaceAll(",", "")));
      };
      const [ours, multicall, oneByOne] = [each("Tributary"), each("Multicall3 aggregate3"), each("one by one")];
      expect([ours[0], multicall[0], oneByOne[0]]).to.deep.equal([3, 4, 936]);
      expect(ours[1]).to.be.lessThan(multicall[1] ?? 0);
      expect(ours[1]).to.be.lessThan((oneByOne[1] ?? 0) / 2);
      for (const path of [file, results]) {
        expect(existsSync(path)).to.equal(true);
        expect(readFileSync(path, "utf8").trimEnd().split("\n")).to.have.lengthOf(1000);
      }
      expect(stdout).to.include("✓ zero drift").and.not.include("✗");
    } finally {
      if (file !== "") rmSync(dirname(file), { recursive: true });
    }
  });

  it("sells through channels with --channels, claims and sweeps, and finds that every figure adds up", async () => {
    const { code, stdout, stderr } = await runCli([
      "demo",
      "--channels",
      "--buyers",
      "3",
      "--requests",
      "40",
      "--json",
    ]);
    expect(code, stderr).to.equal(0);
    const demo = JSON.parse(stdout);
    expect(demo).to.deep.include({ buyers: 3, requests: 40, price: "100", served: 40, vouchers: 40, channels: 3 });
    expect(demo).to.deep.include({ claimed: "4000", swept: "4000", paid: "4000", refundable: "1496000" });
    // What the planner recommends for long channels, as docs/channels.md says it.
    expect(demo.deposits).to.deep.equal({ count: 3, announced: "500000", total: "1500000" });
    expect(demo.checks.map(({ holds }: { holds: boolean }) => holds)).to.deep.equal(Array(8).fill(true));
    // Deposits of buyers that come at once share a transaction, as do all channels' claims.
    expect(demo.transactions.deposits).to.be.at.most(2);
    expect(demo.transactions.claimsAndSweeps).to.equal(2);
    expect(demo.tributary.settled).to.equal(40);
    expect(Number(demo.gasPerPayment.tributary)).to.be.lessThan(Number(demo.modelled.batches.gasUsed) / 40);
    expect(Number(demo.longChannel.shareOfValuePpm.recommended)).to.be.lessThan(10_000);
    expect(demo.latencyMs.p50).to.be.greaterThan(0).and.at.most(demo.latencyMs.p95);
    expect(demo.latencyMs.deposit.p50).to.be.greaterThan(0);
    expect(stderr).to.include("answers sold …").and.include("claimed and swept …");
  });

  it("refuses options that make no sense together", async () => {
    const both = await runCli(["demo", "--job", "--buyers", "3"]);
    expect(both).to.deep.include({ code: 2, stdout: "" });
    expect(both.stderr).to.include("--buyers is for a sale, not for --job.");
    const traced = await runCli(["demo", "--channels", "--trace"]);
    expect(traced).to.deep.include({ code: 2, stdout: "" });
    expect(traced.stderr).to.include("--trace is for a sale without --channels.");
    const free = await runCli(["demo", "--price", "0"]);
    expect(free).to.deep.include({ code: 2, stdout: "" });
  });

  it("asks for the packages at versions that the package takes as peers, and is tested with", () => {
    for (const [name, version] of Object.entries(SALE_PACKAGES)) {
      expect(manifest.devDependencies[name]).to.equal(version);
      expect(manifest.peerDependencies).to.have.property(name);
    }
  });
});
