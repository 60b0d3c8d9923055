import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "chai";
import { runCli } from "../helpers/cli.ts";

describe("demo", () => {
  it("settles what can be settled, explains the rest, and finds that every figure adds up", async () => {
    const { code, stdout, stderr } = await runCli(["demo", "--json"]);
    expect(code, stderr).to.equal(0);
    const { summary, oneByOne, multicall, checks, file, results } = JSON.parse(stdout);
    try {
      expect(summary.payments).to.equal(1000);
      expect(summary.settledNow.count).to.equal(936);
      const rejected: { reason: string; count: number }[] = summary.rejected;
      expect(Object.fromEntries(rejected.map(({ reason, count }) => [reason, count]))).to.deep.equal({
        expired: 8,
        underfunded: 8,
        "bad-signature": 8,
        "already-used": 8,
        cancelled: 8,
        blocked: 8,
        "gas-capped": 8,
      });
      expect(summary.deferred.count).to.equal(8);
      expect(checks.every(({ holds }: { holds: boolean }) => holds)).to.equal(true);

      const each = (gas: string, count: number) => Number(gas) / count;
      const ours = each(summary.gasUsed, 936);
      expect(ours).to.be.lessThan(each(multicall.gasUsed, multicall.settled));
      expect(ours).to.be.lessThan(each(oneByOne.gasUsed, oneByOne.settled) / 2);
      expect(summary.transactions).to.be.at.most(3);

      for (const path of [file, results]) {
        expect(existsSync(path)).to.equal(true);
        expect(readFileSync(path, "utf8").trimEnd().split("\n")).to.have.lengthOf(1000);
      }
    } finally {
      rmSync(dirname(file), { recursive: true });
    }
  }).timeout(120_000);

  it("tells it to people", async () => {
    const { code, stdout } = await runCli(["demo"]);
    const [, file = ""] = /The payments: +(\S+)/.exec(stdout) ?? [];
    rmSync(dirname(file), { recursive: true });
    expect(code).to.equal(0);
    expect(stdout).to.include("936 payments of $23.501801 in all settled in 3 transactions.");
    expect(stdout).to.match(/one by one +936 +76,/);
    expect(stdout).to.include("✓ zero drift").and.not.include("✗");
    expect(stdout).to.match(/Every figure adds up\. \d+\.\d s\n$/);
  }).timeout(120_000);
});
