import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { authorizationId } from "../../src/authorization/identity.ts";
import { REASON } from "../../src/facilitator/wire/reasons.ts";
import { openJournal } from "../../src/journal/index.ts";
import { deriveAccounts, startLocalChain } from "../../src/local/index.ts";
import { type CliResult, runCli, TEST_MNEMONIC, withFolder } from "../helpers/cli.ts";
import { authorize, bodyV2, payerOf, post } from "../helpers/facilitator.ts";
import { spawnFacilitatorCli, startFacilitatorCli } from "../helpers/facilitatorCli.ts";

const MERCHANT_KEY = "m".repeat(40);
const MERCHANT_KEYS = `shop=${MERCHANT_KEY}`;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const ERRORS: readonly (readonly [what: string, args: string[], env: Record<string, string>, message: string])[] = [
  ["a port that is not a number", ["--port", "x"], {}, "Write a whole number from 0 to 65535."],
  ["an invalid PORT", [], { PORT: "99999" }, "Write a whole number from 0 to 65535."],
  ["an unknown network", ["--network", "nowhere"], {}, "Unknown network"],
  ["a node on another network", ["--network", "base"], {}, "The node is on chain 84532, not 8453."],
  ["an invalid key", [], { PRIVATE_KEY: "0x12" }, "PRIVATE_KEY is not a private key."],
  ["a database of another kind", [], { DATABASE_URL: "mysql://127.0.0.1/x" }, 'No journal in "mysql:".'],
  ["an asset that is not an address", ["--asset", "0x12"], {}, "Write an address: 0x and 40 hex digits."],
  ["a minimum that is not a number", ["--asset", `0x${"11".repeat(20)}=x`], {}, "Write ADDRESS or ADDRESS=UNITS"],
  ["an answer bound above what clients wait", ["--answer-within", "90"], {}, "Write a whole number from 1 to 85."],
  ["an invalid bound on delay", [], { ADMIT_WITHIN: "0" }, "Write a whole number from 1 to 85."],
  [
    "a multiple of gas without a price",
    ["--min-gas-multiple", "2"],
    {},
    "--min-gas-multiple needs the price of ether.",
  ],
  ["a missing list of merchants", ["--merchants", "/nowhere.json"], {}, "/nowhere.json cannot be read."],
  ["a merchant's key that could be guessed", [], { MERCHANT_KEYS: "shop=short" }, "Entry 1 of the merchants' keys"],
  ["merchants only, without any", ["--merchants-only"], {}, "Only merchants may be served, but there are none."],
  [
    "a trusted proxy that is not an address",
    [],
    { TRUST_PROXY: "10.0.0.1, proxy" },
    '"proxy" is neither an IP address',
  ],
  ["every address as a trusted proxy", ["--trust-proxy", "0.0.0.0/0"], {}, '"0.0.0.0/0" is every address.'],
  ["an allowed host with a scheme", ["--allowed-host", "https://x.example"], {}, "Write names without scheme and port"],
  ["an allowed origin that is a page", [], { ALLOWED_ORIGINS: "https://x.example/y" }, "Write origins, such as"],
  [
    "a public URL with a password",
    [],
    { PUBLIC_URL: "https://a:b@x.example" },
    "The public URL is not a plain http(s) URL.",
  ],
  ["no connections", ["--max-connections", "0"], {}, "Write a whole number from 1 to 1000000."],
  ["an unknown log level", ["--log-level", "loud"], {}, "Allowed choices are debug, info, warn, error, silent."],
];

describe("tributary facilitator", () => {
  let chain: Awaited<ReturnType<typeof startLocalChain>>;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  it("needs no configuration on the local chain, settles, and stops gracefully", async () => {
    const facilitator = await startFacilitatorCli([], { RPC_URL: chain.rpcUrl });
    const [sender] = deriveAccounts(TEST_MNEMONIC, 1, 19);
    expect(facilitator.summary).to.deep.include({
      network: "eip155:84532",
      sender: sender?.address,
      journal: ":memory:",
      batches: true,
    });
    const payer = payerOf(9_000);
    await chain.fund(payer.address, 10_000n);
    const signed = await authorize(payer);
    const { body, headers } = await post(`${facilitator.summary.url}/settle`, bodyV2(signed));
    expect(body.success).to.equal(true);
    expect(await facilitator.stop("SIGINT")).to.equal(0);
    // The log has the request, and no signature.
    const log = facilitator.stderr();
    const requestId = headers.get("x-request-id");
    const line = log.split("\n").find((text) => text.includes(`"requestId":"${requestId}"`));
    const { to: payee, value, nonce, token: asset } = signed;
    expect(JSON.parse(line ?? "")).to.include({ msg: "settle", requestId, result: "ok", paymentId: 1 });
    expect(JSON.parse(line ?? "")).to.include({ payee, amount: String(value), asset, nonce, payer: payer.address });
    const sent = JSON.parse(log.split("\n").find((text) => text.includes('"transaction handed out"')) ?? "");
    expect(sent).to.include({ paymentId: 1, txNonce: 0, hash: body.transaction, answer: "accepted" });
    expect(sent).to.have.keys([
      ...["level", "time", "msg", "sender", "batch", "txNonce", "hash", "paymentId"],
      ...["maxFeePerGas", "maxPriorityFeePerGas", "answer"],
    ]);
    expect(log).to.include(String(body.transaction));
    expect(log).to.not.include(signed.signature.slice(2, 66));
  });

  it("says at its start and in /health that it settles one by one without a router", async () => {
    const bare = await startLocalChain({ bare: true });
    try {
      const facilitator = await startFacilitatorCli([], { RPC_URL: bare.rpcUrl });
      expect(facilitator.summary.batches).to.equal(false);
      const health = await (await fetch(`${facilitator.summary.url}/health`)).json();
      expect(health).to.deep.equal({
        status: "ok",
        batches: false,
        notice: "there is no settlement router on this chain: payments settle one by one",
      });
      const payer = payerOf(9_001);
      await bare.fund(payer.address, 10_000n);
      const payments = await Promise.all([authorize(payer), authorize(payer)]);
      const answers = await Promise.all(
        payments.map((signed) => post(`${facilitator.summary.url}/settle`, bodyV2(signed))),
      );
      expect(answers.map(({ body }) => body.success)).to.deep.equal([true, true]);
      expect(new Set(answers.map(({ body }) => body.transaction)).size).to.equal(2);
      for (const { token, from, nonce } of payments) {
        const status = await fetch(`${facilitator.summary.url}/payments/base-sepolia/${token}/${from}/${nonce}`);
        expect(JSON.stringify(await status.json())).to.include('"state":"settled"');
      }
      expect(await facilitator.stop()).to.equal(0);
    } finally {
      await bare.stop();
    }
  });

  describe("configuration", () => {
    const runs = new Map<string, CliResult>();
    before(async () => {
      const run = async ([what, args, env]: (typeof ERRORS)[number]) => {
        const usual = { RPC_URL: chain.rpcUrl, PORT: "0", DATABASE_URL: ":memory:" };
        runs.set(what, await runCli(["facilitator", ...args], { env: { ...usual, ...env } }));
      };
      await Promise.all(ERRORS.map(run));
    });
    for (const [what, , , message] of ERRORS) {
      it(`refuses ${what} with one clear message`, () => {
        const { code, stderr, stdout } = runs.get(what)!;
        expect(code).to.equal(2);
        expect(stderr).to.include(message);
        expect(stderr).to.not.match(/\n\s+at /);
        expect(stdout).to.equal("");
      });
    }
  });

  it("refuses a port that is taken", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await runCli(["facilitator", "--log-level", "silent"], {
      env: { RPC_URL: chain.rpcUrl, PORT: String(port), DATABASE_URL: ":memory:" },
    });
    server.close();
    expect(code).to.equal(2);
    expect(stderr).to.include(`Port ${port} of 127.0.0.1 is taken.`);
  });

  it("ends with exit code 1 if the journal is damaged or the database is down, and 2 if its key is held", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "journal.db");
      const journal = await openJournal(path);
      const [sender] = deriveAccounts(TEST_MNEMONIC, 1, 19);
      await journal.acquireLease({ chainId: 84532, sender: sender!.address, owner: "another", ttlMs: 600_000 });
      const env = { RPC_URL: chain.rpcUrl, PORT: "0", DATABASE_URL: path, LEASE: "5" };
      const held = runCli(["facilitator", "--log-level", "silent"], { env });
      const away = runCli(["facilitator"], { env: { ...env, DATABASE_URL: "postgres://127.0.0.1:1/x" } });
      // Renewed while the command watches.
      let ended = false;
      const done = held.then(() => {
        ended = true;
      });
      while (!ended) {
        await journal.acquireLease({ chainId: 84532, sender: sender!.address, owner: "another", ttlMs: 600_000 });
        await Promise.race([done, pause(200)]);
      }
      expect(await held).to.include({ code: 2 });
      expect((await held).stderr).to.include(`Another engine sends from ${sender!.address}: another.`);
      expect(await away).to.include({ code: 1 });
      expect((await away).stderr).to.include("The database cannot be reached.");
      await journal.close();
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0xa5, 3 * 4_096, 20 * 4_096));
      const damaged = await runCli(["facilitator"], { env });
      expect(damaged).to.include({ code: 1, stdout: "" });
      expect(damaged.stderr).to.include("The journal's file is damaged");
    });
  });

  it("says that no node answers", async () => {
    const { code, stderr } = await runCli(["facilitator"], { env: { RPC_URL: "http://127.0.0.1:9" } });
    expect(code).to.equal(1);
    expect(stderr).to.include("No node answers at http://127.0.0.1:9.");
  });

  it("tells each success once and never a failure, across kill -9 in the middle of a burst", async () => {
    const slow = await startLocalChain({ blockTimeSeconds: 2 });
    await withFolder(async (folder) => {
      const env = { RPC_URL: slow.rpcUrl, DATABASE_URL: join(folder, "journal.db"), LEASE: "5", MERCHANT_KEYS };
      const payers = Array.from({ length: 10 }, (_, index) => payerOf(9_100 + index));
      await Promise.all(payers.map(({ address }) => slow.fund(address, 1_000_000n)));
      const payments = await Promise.all(Array.from({ length: 40 }, (_, index) => authorize(payers[index % 10]!)));
      // Every other one is a merchant's, who may be told its success again.
      const headersOf = (index: number) =>
        index % 2 === 0 ? {} : { authorization: `Bearer ${MERCHANT_KEY}`, "idempotency-key": `order-${index}` };
      /** One answer, or none: a refusal because there is too much to do accepts nothing. */
      const settle = async (url: string, signed: (typeof payments)[number]) => {
        const headers = headersOf(payments.indexOf(signed));
        const answer = await post(`${url}/settle`, bodyV2(signed), headers).catch(() => undefined);
        return answer?.status === 503 ? undefined : answer;
      };
      const settleAll = (url: string, some = payments) => Promise.all(some.map((signed) => settle(url, signed)));
      /** Asks until the answer is final, as a caller on a slow machine must. */
      const settleWhole = (url: string) =>
        Promise.all(
          payments.map(async (signed) => {
            for (;;) {
              const answer = await settle(url, signed);
              if (answer !== undefined && answer.body.errorReason !== REASON.pending) return answer;
              await pause(100);
            }
          }),
        );
      const first = await spawnFacilitatorCli([], env);
      const waiting = [settleAll(first.summary.url, payments.slice(0, 20))];
      await pause(600);
      waiting.push(settleAll(first.summary.url, payments.slice(20)));
      await pause(200);
      await first.stop("SIGKILL");
      const before = (await Promise.all(waiting)).flat();
      for (const answer of before) expect(answer?.body.success).to.be.oneOf([true, undefined]);
      const journal = await openJournal(env.DATABASE_URL);
      const broughtBefore = new Set((await journal.list({ limit: 100 })).map(({ identity }) => identity));
      await journal.close();

      // It waits for the lease of the one that died.
      const second = await startFacilitatorCli([], env);
      const after = await settleWhole(second.summary.url);
      const again = await settleWhole(second.summary.url);
      for (const [index, signed] of payments.entries()) {
        const told = [before, after, again].map((answers) => answers[index]?.body.success === true);
        const isMerchants = index % 2 === 1;
        if (isMerchants)
          expect(told.slice(1), `${index}: ${JSON.stringify(after[index]?.body)}`).to.deep.equal([true, true]);
        else {
          // After a restart it is unknown who brought it without a key, so nobody is told its success.
          const isLost = broughtBefore.has(authorizationId(signed)) && before[index] === undefined;
          expect(told.filter(Boolean), `${index}`).to.have.length(isLost ? 0 : 1);
        }
        const { token, from, nonce } = signed;
        const status = await fetch(`${second.summary.url}/payments/base-sepolia/${token}/${from}/${nonce}`);
        const { payments: variants } = (await status.json()) as { payments: Record<string, unknown>[] };
        expect(variants[0]?.state).to.equal("settled");
        if (told.includes(true)) expect(variants[0]?.successTold).to.equal(true);
      }
      expect(second.stderr()).to.not.include(MERCHANT_KEY);
      expect(await second.stop()).to.equal(0);
    });
    await slow.stop();
  });
});
