import { createReadStream, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect } from "chai";
import { encodeFunctionData } from "viem";
import { readAuthorizations, type SignedAuthorization, verifySignatureOffline } from "../../src/authorization/index.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { createKeystore } from "../../src/keystore.ts";
import { deriveAccounts, startLocalChain } from "../../src/local/index.ts";
import { networks } from "../../src/networks.ts";
import { type CliResult, runCli, TEST_MNEMONIC, withFolder } from "../helpers/cli.ts";
import { isLong } from "../helpers/randomness.ts";

const accounts = deriveAccounts(TEST_MNEMONIC, 6);
const [first, second, third] = accounts;
if (first === undefined || second === undefined || third === undefined) throw new Error("no test accounts");
const mnemonic = { MNEMONIC: TEST_MNEMONIC };
const PAYEE = third.address;

const sign = (args: readonly string[], env: Record<string, string> = mnemonic) => runCli(["sign", ...args], { env });

const transferCall = ({ from, to, value, validAfter, validBefore, nonce, signature }: SignedAuthorization) =>
  encodeFunctionData({
    abi: mockUSDCArtifact.abi,
    functionName: "transferWithAuthorization",
    args: [from, to, value, validAfter, validBefore, nonce, signature],
  });

/** The payments that the toolkit reads from the lines. Every line must be good. */
async function readBack(source: AsyncIterable<Uint8Array | string>): Promise<SignedAuthorization[]> {
  const read: SignedAuthorization[] = [];
  for await (const result of readAuthorizations(source)) {
    if (result.status !== "ok") throw new Error(`line ${result.line} is ${result.status}`);
    read.push(result.authorization);
  }
  return read;
}

const parse = (text: string) => readBack(Readable.from([text]));

describe("sign", () => {
  it("signs with PRIVATE_KEY for one hour from now", async () => {
    const began = Date.now();
    const { code, stdout, stderr } = await sign(["--payee", PAYEE, "--amount", "0.01"], {
      PRIVATE_KEY: second.privateKey,
    });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    const [signed, ...others] = await parse(stdout);
    expect(others).to.deep.equal([]);
    expect(signed).to.deep.include({
      chainId: 84532,
      token: networks.baseSepolia.usdc.address,
      from: second.address,
      to: PAYEE,
      value: 10_000n,
      validAfter: 0n,
    });
    expect(Number(signed?.validBefore) - 3600).to.be.within(Math.floor(began / 1000), Date.now() / 1000 + 1);
    if (signed === undefined) throw new Error("nothing signed");
    expect(await verifySignatureOffline(signed, networks.baseSepolia.usdc)).to.have.property("status", "valid");
  });

  it("signs with a keystore, which takes precedence over the environment", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      await createKeystore(file, first.privateKey, "a secret", { scryptCost: 2 });
      const { stdout } = await sign(["--payee", PAYEE, "--amount", "1", "--keystore", file], {
        ...mnemonic,
        PRIVATE_KEY: second.privateKey,
        KEYSTORE_PASSPHRASE: "a secret",
      });
      expect((await parse(stdout)).map(({ from }) => from)).to.deep.equal([first.address]);
      const wrong = await sign(["--payee", PAYEE, "--amount", "1", "--keystore", file], { KEYSTORE_PASSPHRASE: "x" });
      expect(wrong).to.deep.include({ code: 2, stdout: "" });
      expect(wrong.stderr).to.contain(`error: The passphrase does not open ${file}.`);
    }));

  it("writes a file that only its owner can read", () =>
    withFolder(async (folder) => {
      const out = join(folder, "payments.jsonl");
      const args = ["--payee", PAYEE, "--amount", "1", "--out", out];
      expect((await sign(args, { PRIVATE_KEY: first.privateKey })).code).to.equal(0);
      expect(statSync(out).mode & 0o777).to.equal(0o600);
    }));

  it("lets the accounts of a mnemonic pay in turn, within the amounts, to every payee", async () => {
    const payees = [PAYEE, "0x00000000000000000000000000000000000000AA"];
    const { stdout } = await sign([
      ...["--payers", "4", "--first-index", "2", "--count", "60", "--min-amount", "0.0001", "--max-amount", "0.0003"],
      ...payees.flatMap((payee) => ["--payee", payee]),
    ]);
    const signed = await parse(stdout);
    expect(signed).to.have.length(60);
    const turn = accounts.slice(2, 6).map(({ address }) => address);
    expect(signed.map(({ from }) => from)).to.deep.equal(signed.map((_, index) => turn[index % 4]));
    expect(new Set(signed.map(({ to }) => to))).to.deep.equal(new Set(payees));
    expect(new Set(signed.map(({ nonce }) => nonce)).size).to.equal(60);
    for (const payment of signed) {
      expect(payment.value >= 100n && payment.value <= 300n, String(payment.value)).to.equal(true);
      expect(await verifySignatureOffline(payment, networks.baseSepolia.usdc)).to.have.property("status", "valid");
    }
  });

  const formats = ["authorization", "x402-v1", "x402-v2", "header"] as const;
  it("writes the same payments in every format", async () => {
    const args = ["--payee", PAYEE, "--amount", "0.5", "--count", "3", "--seed", "x", "--valid-before", "2000000000"];
    const results = await Promise.all(formats.map((format) => sign([...args, "--format", format])));
    const [bare, ...others] = await Promise.all(results.map(({ stdout }) => parse(stdout)));
    expect(bare).to.have.length(3);
    for (const read of others) expect(read).to.deep.equal(bare);

    const lines = results.map(({ stdout }) => stdout.split("\n")[0] ?? "");
    expect(JSON.parse(lines[1] ?? "")).to.deep.include({ x402Version: 1, scheme: "exact", network: "base-sepolia" });
    const v2 = JSON.parse(lines[2] ?? "");
    expect(v2.accepted).to.deep.include({
      network: "eip155:84532",
      amount: "500000",
      payTo: PAYEE,
      extra: { name: "USDC", version: "2" },
    });
    expect(JSON.parse(Buffer.from(lines[3] ?? "", "base64").toString())).to.deep.equal(v2);
  });

  it("repeats itself only with a seed", async () => {
    const args = [
      "--payee",
      PAYEE,
      "--min-amount",
      "0",
      "--max-amount",
      "1000",
      "--count",
      "5",
      "--valid-before",
      "2000000000",
    ];
    const [a, b, other, free, free2] = await Promise.all([
      sign([...args, "--seed", "one"]),
      sign([...args, "--seed", "one"]),
      sign([...args, "--seed", "two"]),
      sign(args),
      sign(args),
    ]);
    expect(a.stdout).to.equal(b.stdout);
    const nonces = async (text: string) => (await parse(text)).map(({ nonce }) => nonce);
    const all = (await Promise.all([a, other, free, free2].map(({ stdout }) => nonces(stdout)))).flat();
    expect(new Set(all).size).to.equal(20);
  });

  it("signs for other networks and tokens with their own domains", async () => {
    const base = await sign(["--payee", PAYEE, "--amount", "1", "--network", "eip155:8453"]);
    const [onBase] = await parse(base.stdout);
    expect(onBase).to.deep.include({ chainId: 8453, token: networks.base.usdc.address });
    if (onBase === undefined) throw new Error("nothing signed");
    expect(await verifySignatureOffline(onBase, { name: "USD Coin", version: "2" })).to.have.property(
      "status",
      "valid",
    );

    const token = "0x00000000000000000000000000000000000000bb";
    const unknown = await sign(["--payee", PAYEE, "--amount", "1", "--token", token]);
    expect(unknown.code).to.equal(2);
    expect(unknown.stderr).to.contain("hint: Pass --token-name and --token-version as the token states them.");
    const named = ["--token", token, "--token-name", "Euro", "--token-version", "7"];
    const [euro] = await parse((await sign(["--payee", PAYEE, "--amount", "1", ...named])).stdout);
    if (euro === undefined) throw new Error("nothing signed");
    expect(euro.token.toLowerCase()).to.equal(token);
    expect(await verifySignatureOffline(euro, { name: "Euro", version: "7" })).to.have.property("status", "valid");
  });

  it("writes a file whole, and replaces one only with --force", () =>
    withFolder(async (folder) => {
      const file = join(folder, "payments.jsonl");
      const args = ["--payee", PAYEE, "--amount", "1", "--count", "2", "--out", file];
      const made = await sign(args);
      expect(made).to.deep.include({ code: 0, stdout: "", stderr: `2 payments by 1 payer in ${file}\n` });
      expect(await readBack(createReadStream(file))).to.have.length(2);
      await writeFile(file, "precious");
      const refused = await sign(args);
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.contain(`${file} exists and was left as it is.`);
      expect(await readFile(file, "utf8")).to.equal("precious");
      expect((await sign([...args, "--force"])).code).to.equal(0);
      expect(await readBack(createReadStream(file))).to.have.length(2);
      const nowhere = await sign(["--payee", PAYEE, "--amount", "1", "--out", join(folder, "no", "such.jsonl")]);
      expect(nowhere.code).to.equal(2);
      expect(nowhere.stderr).to.contain("such.jsonl cannot be written.");
      expect(await readdir(folder)).to.deep.equal(["payments.jsonl"]);
    }));

  it("makes payments that the local chain's USDC accepts", async () => {
    const chain = await startLocalChain();
    try {
      const { stdout } = await sign(["--payee", chain.accounts[12]?.address ?? "", "--amount", "2"]);
      const [signed] = await parse(stdout);
      const result = await chain.request("eth_call", [
        { to: chain.usdc, data: signed === undefined ? "0x" : transferCall(signed) },
        "latest",
      ]);
      expect(result).to.equal("0x");
    } finally {
      await chain.stop();
    }
  });

  const many = isLong ? 10_000 : 2_000;
  it(`signs ${many} payments`, () =>
    withFolder(async (folder) => {
      const file = join(folder, "payments.jsonl");
      const args = ["--payers", "50", "--count", String(many), "--amount", "0.001", "--payee", PAYEE, "--out", file];
      expect((await sign(args)).code).to.equal(0);
      expect((await readFile(file, "utf8")).trimEnd().split("\n")).to.have.length(many);
    }));

  const good = ["--payee", PAYEE, "--amount", "1"];
  const refusals: readonly (readonly [string, readonly string[], string])[] = [
    ["no payee", ["--amount", "1"], "No payee."],
    [
      "a payee with a wrong checksum",
      ["--payee", PAYEE.replace("C", "c"), "--amount", "1"],
      "Its checksum (EIP-55) is wrong",
    ],
    ["no amount", ["--payee", PAYEE], "No amount."],
    ["half a range", ["--payee", PAYEE, "--min-amount", "1"], "No amount."],
    ["an amount and a range", [...good, "--min-amount", "1"], "Two amounts were given."],
    ["a reversed range", ["--payee", PAYEE, "--min-amount", "2", "--max-amount", "1"], "--min-amount is above"],
    ["a negative amount", ["--payee", PAYEE, "--amount=-1"], "is negative"],
    ["a fraction of a unit", ["--payee", PAYEE, "--amount", "0.0000001"], "has 7 decimals"],
    ["an unknown network", [...good, "--network", "moon"], 'Unknown network "moon".'],
    ["a count of zero", [...good, "--count", "0"], "Write a whole number from 1 to 10000000."],
    ["times that exclude each other", [...good, "--valid-after", "2000000000"], "The payments would never be valid."],
    [
      "one second too few",
      [...good, "--valid-after", "100", "--valid-before", "101"],
      "The payments would never be valid.",
    ],
    ["x402 v1 where v1 has no name", [...good, "--network", "arbitrum", "--format", "x402-v1"], "x402 v1 has no name"],
    ["an unknown format", [...good, "--format", "xml"], "Allowed choices are"],
    ["an end and a duration", [...good, "--valid-before", "2000000000", "--valid-for", "5"], "cannot be used with"],
  ];
  describe("given", () => {
    let results: readonly CliResult[] = [];
    before(async () => {
      results = await Promise.all(refusals.map(([, args]) => sign(args)));
    });
    for (const [index, [what, , message]] of refusals.entries()) {
      it(`refuses ${what}`, () => {
        expect(results[index]).to.deep.include({ code: 2, stdout: "" });
        expect(results[index]?.stderr).to.contain(message);
      });
    }
  });

  for (const [what, env, message] of [
    ["no key", {}, "No key to sign with."],
    ["a broken key", { PRIVATE_KEY: "0x1234" }, "PRIVATE_KEY is not a private key."],
    ["a broken mnemonic", { MNEMONIC: "test test secret" }, "MNEMONIC is not a valid mnemonic."],
  ] as const) {
    it(`refuses ${what}, and shows nothing of it`, async () => {
      const { code, stdout, stderr } = await sign(good, env);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.contain(message);
      expect(stderr).to.not.match(/1234|secret/);
    });
  }

  it("refuses several payers of a single key", async () => {
    const { code, stderr } = await sign([...good, "--payers", "2"], { PRIVATE_KEY: first.privateKey });
    expect(code).to.equal(2);
    expect(stderr).to.contain("--payers and --first-index need a mnemonic");
  });
});
