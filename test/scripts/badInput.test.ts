import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Address } from "viem";
import { serialiseAuthorization } from "../../src/authorization/serialise.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { type CliResult, runCli, withFolder } from "../helpers/cli.ts";

const PAYEE = freshAddress(7);
const NO_TOKEN: Address = "0x00000000000000000000000000000000000000aa";

/** A line made from a good payment, and the message about it. */
type Case = {
  readonly name: string;
  readonly line: (good: SignedAuthorization) => string;
  readonly field: string;
  readonly says: RegExp;
};

/** The payment with some of its fields replaced. */
function withFields(good: SignedAuthorization, fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...JSON.parse(serialiseAuthorization(good)), ...fields });
}

const cases: readonly Case[] = [
  { name: "no JSON", line: () => '{"from": ', field: "record", says: /JSON/ },
  { name: "a wrong field", line: (good) => withFields(good, { nonce: "0x12" }), field: "nonce", says: /32 bytes/ },
  { name: "a missing field", line: (good) => withFields(good, { to: undefined }), field: "to", says: /missing/ },
  {
    name: "an unknown network",
    line: (good) => withFields(good, { network: "eip155:424242" }),
    field: "network",
    says: /is not a known network/,
  },
  {
    name: "a wrong checksum",
    line: (good) => withFields(good, { to: "0x70997970C51812dc3A010C7d01b50e0d17dc79c8" }),
    field: "to",
    says: /checksum/,
  },
  { name: "a negative amount", line: (good) => withFields(good, { value: "-1" }), field: "value", says: /negative/ },
  { name: "a fractional amount", line: (good) => withFields(good, { value: "0.5" }), field: "value", says: /fraction/ },
  {
    name: "a line of 5 MB",
    line: (good) => withFields(good, { padding: "x".repeat(5_000_000) }),
    field: "record",
    says: /more than 1048576 bytes/,
  },
  { name: "a duplicate", line: serialiseAuthorization, field: "nonce", says: /the same authorization as line 1/ },
];

describe("bad input", () => {
  let lab: ChainLab;
  let good: SignedAuthorization;
  let elsewhere: SignedAuthorization;
  let planned: CliResult;
  let json: {
    payments: number;
    excluded: readonly Record<string, unknown>[];
    refusedLines: readonly Record<string, unknown>[];
  };
  before(async () => {
    lab = await openChainLab();
    good = await lab.chain.sign(lab.keyOf(1), { to: PAYEE, value: 1000n });
    elsewhere = { ...(await lab.chain.sign(lab.keyOf(1), { to: PAYEE, value: 1000n })), token: NO_TOKEN };
    const lines = [good, ...cases, elsewhere].map((one) =>
      "line" in one ? one.line(good) : serialiseAuthorization(one),
    );
    await withFolder(async (folder) => {
      const file = join(folder, "payments.jsonl");
      writeFileSync(file, lines.join("\n"));
      planned = await runCli(["plan", file, "--rpc-url", lab.chain.rpcUrl, "--json"]);
      json = JSON.parse(planned.stdout);
    });
  });
  after(() => lab.chain.stop());

  it("plans the good lines and exits with 3", () => {
    expect(planned.code).to.equal(3);
    expect(json.payments).to.equal(1);
    expect(json.refusedLines).to.have.lengthOf(cases.length);
  });

  for (const [index, { name, field, says }] of cases.entries()) {
    it(`names line and field of ${name}`, () => {
      const line = index + 2;
      const found = json.refusedLines.find((refused) => refused.line === line);
      expect(found).to.deep.include({ line, field });
      expect(found?.message).to.match(says);
      const told = planned.stderr.split("\n").find((text) => text.startsWith(`line ${line}: ${field}: `));
      expect(told).to.match(says);
    });
  }

  it("names the line of a token that the chain does not have", () => {
    expect(json.excluded).to.have.lengthOf(1);
    expect(json.excluded[0]).to.deep.include({
      line: cases.length + 2,
      status: "rejected",
      reason: "missing-token",
      message: "there is no such token on this chain",
    });
  });

  const plan = (content: string, args: readonly string[] = []) =>
    withFolder(async (folder) => {
      const file = join(folder, "payments.jsonl");
      writeFileSync(file, content);
      return runCli(["plan", file, "--rpc-url", lab.chain.rpcUrl, ...args]);
    });

  it("refuses an empty file", async () => {
    const { code, stderr } = await plan("");
    expect(code).to.equal(2);
    expect(stderr).to.include("holds no payment to settle").and.include("hint:");
  });

  it("refuses a file that is a JSON array, and says how to turn it into lines", async () => {
    const { code, stderr } = await plan(`[${serialiseAuthorization(good)}]`);
    expect(code).to.equal(2);
    expect(stderr).to.include("line 1: record: starts a JSON array").and.include("jq -c");
  });

  it("refuses a missing file", async () => {
    const { code, stderr } = await runCli(["plan", "/nowhere/payments.jsonl", "--rpc-url", lab.chain.rpcUrl]);
    expect(code).to.equal(2);
    expect(stderr).to.include("/nowhere/payments.jsonl cannot be read (ENOENT)");
  });

  it("refuses the whole file with --strict", async () => {
    const { code, stdout, stderr } = await plan(`${serialiseAuthorization(good)}\nx\n`, ["--strict"]);
    expect(code).to.equal(2);
    expect(stdout).to.equal("");
    expect(stderr).to.include("1 lines of").and.include("nothing was sent");
  });
});
