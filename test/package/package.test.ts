import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { startLocalChain } from "../../src/local/index.ts";
import { networks } from "../../src/networks.ts";
import { nodeTooOld } from "../../src/nodeVersion.ts";
import { createProject, manifest, oldestNode, runNode, snippetsOf, typeCheck } from "./project.ts";

const TEST_MNEMONIC = "test test test test test test test test test test test junk";
const PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/** The README's TypeScript blocks: one that plans a file, one that settles on a local chain. */
const snippets = snippetsOf("README.md");

describe("the packed package", () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary package "));
  /** An ESM project with the package and nothing else. */
  const bare = join(folder, "bare");
  /** A TypeScript project that also has Hardhat 3 and ethers. */
  const full = join(folder, "full");

  before(async () => {
    await createProject(bare, "bare");
    await createProject(full, "full");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const program = (project: string) => join(project, "node_modules", ".bin", "tributary");

  describe("in an ESM project", () => {
    const node = oldestNode();

    it(`loads every entry but those of optional peers under Node ${node.major}`, async () => {
      const script = `
        import * as main from "tributary";
        import { settlementRouterAbi } from "tributary/abi";
        import * as settlement from "tributary/settlement";
        import "tributary/local";
        import manifest from "tributary/package.json" with { type: "json" };
        console.log(typeof main.planBatches, typeof settlement.settlePayments, settlementRouterAbi.length > 0, manifest.version);
      `;
      writeFileSync(join(bare, "entries.js"), script);
      const { status, output } = await runNode(bare, ["--no-warnings", "entries.js"], { node: node.path });
      expect(output.trim()).to.equal(`function function true ${manifest.version}`);
      expect(status).to.equal(0);
    });

    it("says how to get Ignition if its module is imported without it, and nothing else", async () => {
      const script = `await import("tributary/ignition").catch((error) => console.log(error.name + ": " + error.message, error.cause));`;
      writeFileSync(join(bare, "ignition.js"), script);
      const { output } = await runNode(bare, ["ignition.js"]);
      expect(output.trim()).to.equal(
        "IgnitionUnavailableError: tributary/ignition needs Hardhat 3 with Ignition, which is not installed.\n" +
          "Hint: npm install --save-dev hardhat@3.17.0 @nomicfoundation/hardhat-ignition@3.1.8 " +
          "@nomicfoundation/hardhat-ignition-viem@3.1.6 @nomicfoundation/hardhat-viem@3.0.9 " +
          "@nomicfoundation/hardhat-verify@3.1.1 undefined",
      );
    });

    it(`says which Node a command needs, before anything else, under Node ${node.major}`, async () => {
      const { status, output } = await runNode(bare, [program(bare), "settle", "no-such-file"], { node: node.path });
      if (nodeTooOld("", node.version) === undefined) expect(output).to.include("no-such-file");
      else
        expect(output).to.equal(
          `error: tributary settle needs Node 22.13 or newer.\n  This is Node ${node.version}.\nhint: Run it with a newer Node.\n`,
        );
      expect(status).to.equal(2);
    });

    it(`buys through channels, or says which Node that needs, under Node ${node.major}`, async () => {
      const chain = await startLocalChain();
      const shop = createServer((_, response) => {
        const {
          caip2: network,
          usdc: { address: asset, name, version },
        } = networks.baseSepolia;
        const payTo = "0x00000000000000000000000000000000000fee94";
        const extra = { name, version, receiverAuthorizer: payTo, withdrawDelay: 900 };
        const terms = { network, amount: "1000", asset, payTo, maxTimeoutSeconds: 60, extra };
        const required = { x402Version: 2, accepts: [{ scheme: "batch-settlement", ...terms }] };
        const header = Buffer.from(JSON.stringify(required)).toString("base64");
        response.writeHead(402, { "payment-required": header }).end("{}");
      });
      await new Promise<void>((resolve) => shop.listen(0, "127.0.0.1", resolve));
      try {
        const url = `http://127.0.0.1:${(shop.address() as AddressInfo).port}/`;
        const args = [program(bare), "pay", url, "--scheme", "batch-settlement", "--rpc-url", chain.rpcUrl];
        const { status, output } = await runNode(bare, args, { node: node.path });
        if (nodeTooOld("", node.version) === undefined) expect(output).to.include("The server did not sell");
        else {
          expect(output).to.include("error: A payment through a channel needs Node 22.13 or newer. Nothing was paid.");
          expect(status).to.equal(2);
        }
      } finally {
        shop.close();
        shop.closeAllConnections();
        await chain.stop();
      }
    });

    it("says how to get Hardhat if a local chain is started without it", async () => {
      writeFileSync(
        join(bare, "local.js"),
        `import { startLocalChain } from "tributary/local";
         await startLocalChain().catch((error) => console.log(error.name + ": " + error.message));`,
      );
      const { output } = await runNode(bare, ["local.js"]);
      expect(output.trim()).to.equal(
        "HardhatUnavailableError: The local chain needs Hardhat 3, which is not installed.\n" +
          "Hint: npm install --save-dev hardhat@3.17.0",
      );
    });

    it(`signs a file by the command under Node ${node.major}, which the README's planning snippet reads`, async () => {
      const args = [
        program(bare),
        "sign",
        "--payee",
        PAYEE,
        "--amount",
        "0.01",
        "--count",
        "5",
        "--out",
        "payments.jsonl",
      ];
      const signed = await runNode(bare, args, { node: node.path, env: { MNEMONIC: TEST_MNEMONIC } });
      expect(signed.output).to.equal("5 payments by 1 payer in payments.jsonl\n");
      writeFileSync(join(bare, "plan.mjs"), snippets[0] ?? "");
      const planned = await runNode(bare, ["plan.mjs"], { node: node.path });
      expect(planned.output).to.match(/^router 5 [0-9]+n\n$/);
    });

    it(`plans, funds and checks a chain by the commands under Node ${node.major}`, async () => {
      const chain = await startLocalChain();
      try {
        const tributary = (...args: string[]) =>
          runNode(bare, [program(bare), ...args], {
            node: node.path,
            env: { MNEMONIC: TEST_MNEMONIC, RPC_URL: chain.rpcUrl },
          });
        const sign = ["sign", "--payee", PAYEE, "--amount", "0.01", "--count", "3", "--out", "planned.jsonl"];
        expect((await tributary(...sign)).status).to.equal(0);
        expect((await tributary("plan", "planned.jsonl")).output).to.match(/^3 payments, 0\.03 USDC/m);
        expect((await tributary("fund", PAYEE, "1")).output).to.match(/ got 1 USDC /);
        const { status, output } = await tributary("doctor");
        expect(output).to.match(/ 0 failed$/m);
        expect(status).to.equal(0);
      } finally {
        await chain.stop();
      }
    });

    it("says which packages the demo needs, all at once", async () => {
      const { status, output } = await runNode(bare, [program(bare), "demo"]);
      expect(output).to.include(
        "The demo needs packages that are not installed: hardhat, express, @x402/express, @x402/fetch.",
      );
      expect(output).to.match(/npm install --save-dev hardhat@\S+ express@\S+ @x402\/express@\S+ @x402\/fetch@\S+/);
      expect(status).to.equal(2);
    });

    it("lists its commands", async () => {
      const { status, output } = await runNode(bare, [program(bare), "--help"], { node: node.path });
      expect(status).to.equal(0);
      for (const command of ["local", "sign", "settle", "deploy", "doctor"]) expect(output).to.include(`  ${command} `);
    });
  });

  describe("in a TypeScript project with Hardhat 3", () => {
    it("type-checks, declarations included, and so do the README's snippets", async () => {
      expect(snippets).to.have.length(2);
      for (const [index, snippet] of snippets.entries()) writeFileSync(join(full, `readme${index}.ts`), snippet);
      writeFileSync(
        join(full, "uses.ts"),
        `import type { Plan, SignedAuthorization } from "tributary";
        import { erc3009Abi, settlementRouterAbi } from "tributary/abi";
        import { type SettlementRouter, SettlementRouter__factory } from "tributary/ethers";
        import { settlementRouterModule } from "tributary/ignition";
        import type { LocalChain } from "tributary/local";
        import type { PaymentOutcome } from "tributary/settlement";
        import { ZeroAddress } from "ethers";
        const router: SettlementRouter = SettlementRouter__factory.connect(ZeroAddress);
        export const call: string = router.interface.encodeFunctionData("settle", [ZeroAddress, "0x", 1n, "0x"]);
        export const name: "settle" | undefined = settlementRouterAbi.find((item) => item.type === "function")?.name;
        export const uses = [erc3009Abi, settlementRouterModule.id];
        export type Types = [SignedAuthorization, Plan, LocalChain, PaymentOutcome];
        // @ts-expect-error A payment's value is a bigint.
        export const wrong: Pick<SignedAuthorization, "value"> = { value: 1 };
      `,
      );
      const { status, output } = await typeCheck(full);
      expect(output).to.equal("");
      expect(status).to.equal(0);
    });

    it("settles payments by the README's snippet", async () => {
      writeFileSync(join(full, "settle.mjs"), snippets[1] ?? "");
      const { status, output } = await runNode(full, ["settle.mjs"]);
      expect(output).to.match(/payments: 20,\s+settledNow: \{ count: 20, value: 20000n \}/);
      expect(output).to.match(/transactions: 1,/);
      expect(status).to.equal(0);
    });

    it("signs and settles a file by the command, once", async () => {
      const chain = await startLocalChain();
      try {
        const tributary = (...args: string[]) =>
          runNode(full, [program(full), ...args], { env: { MNEMONIC: TEST_MNEMONIC, RPC_URL: chain.rpcUrl } });
        const sign = [
          "sign",
          "--payee",
          PAYEE,
          "--amount",
          "0.01",
          "--count",
          "30",
          "--payers",
          "3",
          "--out",
          "p.jsonl",
        ];
        expect((await tributary(...sign)).output).to.equal("30 payments by 3 payers in p.jsonl\n");
        const first = await tributary("settle", "p.jsonl", "--json");
        expect(first.output).to.match(/"settledNow":\{"count":30,"value":"300000"\}/);
        expect(first.status).to.equal(0);
        const again = await tributary("settle", "p.jsonl", "--json");
        expect(again.output).to.match(/"settledNow":\{"count":0,"value":"0"\},"settledBefore":\{"count":30,/);
      } finally {
        await chain.stop();
      }
    });

    it("runs the demo", async () => {
      const { status, output } = await runNode(full, [program(full), "demo", "--buyers", "2", "--requests", "2"]);
      expect(output).to.match(/^requests served +2 of 2 in/m);
      expect(output).to.match(/^Every figure adds up\./m);
      expect(status).to.equal(0);
    });
  });
});
