import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { expect } from "chai";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import { createChannelKeeper } from "../../../src/keeper/index.ts";
import { networks } from "../../../src/networks.ts";
import { openJournal, startEngine } from "../../../src/settlement/index.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { type ExampleDesk, openExampleDesk } from "../../helpers/examples.ts";
import { type FacilitatorLab, openFacilitatorLab } from "../../helpers/facilitator.ts";
import { type HttpGate, openHttpGate } from "../../helpers/httpGate.ts";

/** The packages' types allow any record as an EIP-712 message. */
type ClientSigner = ConstructorParameters<typeof BatchSettlementEvmScheme>[0];

const somewhere = "http://127.0.0.1/weather";
const root = join(import.meta.dirname, "..", "..", "..");
const PRICE = 1_000n;
const DEPOSIT = 50_000n;
const FUNDS = 1_000_000n;
/** The test accounts of the seller's authorizer and of the keeper's purse. */
const [AUTHORIZER, PURSE] = [17, 16];

describe("the examples with channels", () => {
  let lab: FacilitatorLab;
  let facilitator: HttpGate;
  let next = 0;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitator = await openHttpGate((await lab.serve()).url);
  });
  after(async () => {
    facilitator.shut();
    await lab.stop();
  });

  const keyOf = (index: number) => lab.chain.accounts[index]!.privateKey;

  /** The seller's program, a gate before it, and a payer with funds. */
  async function open() {
    const desk = await openExampleDesk();
    next += 1;
    const payTo = freshAddress(8_800 + next);
    const key: Hex = `0x${next.toString(16).padStart(64, "8")}`;
    const payer = privateKeyToAccount(key);
    await lab.chain.fund(payer.address, FUNDS);
    const journalFile = join(desk.folder, "seller.db");
    const seller = await desk.start("channel-seller.ts", {
      FACILITATOR_URL: facilitator.url,
      PAY_TO: payTo,
      RECEIVER_AUTHORIZER_KEY: keyOf(AUTHORIZER),
      DATABASE_URL: journalFile,
      PORT: "0",
    });
    const [, url = ""] = await seller.says(/selling (http:\S+)/);
    const gate = await openHttpGate(url);
    const env = { PRIVATE_KEY: key, RPC_URL: lab.chain.rpcUrl };
    return {
      desk,
      payer,
      payTo,
      gate,
      url,
      journalFile,
      seller,
      buy: (...args: string[]) => desk.run("channel-buyer.ts", env, [gate.url, ...args]),
      /** A run that is killed when its payment, or the answer to it, is lost. */
      buyAndDie: async (loss: "request" | "answer") => {
        const lost = gate.lose(loss);
        const buyer = await desk.start("channel-buyer.ts", env, [gate.url]);
        await lost;
        buyer.child.kill("SIGKILL");
        await buyer.ended;
      },
      close: async () => {
        gate.shut();
        await desk.close();
      },
    };
  }

  async function claimAndSweep(journalFile: string, payTo: Address): Promise<bigint> {
    const journal = await openJournal(journalFile);
    const engine = await startEngine(lab.client, { journal, senders: [accountOf(PURSE)] });
    const authorizers = [accountOf(AUTHORIZER)];
    const keeper = createChannelKeeper(lab.client, { journal, engine, authorizers, isWatching: false });
    await keeper.claim();
    await keeper.sweep();
    await keeper.close();
    await engine.close();
    await journal.close();
    return lab.balanceOf(payTo);
  }
  const accountOf = (index: number) => privateKeyToAccount(keyOf(index));

  async function withOpen(close: ExampleDesk["close"], body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } finally {
      await close();
    }
  }

  it("sell by both schemes at once, to a client of either", async () => {
    const { close, gate, payer, payTo, buy } = await open();
    await withOpen(close, async () => {
      const held = await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS);
      const exact = wrapFetchWithPayment(fetch, registerExactEvmScheme(new x402Client(), { signer: payer }));
      const single = await exact(gate.url);
      expect([single.status, await single.json()]).to.deep.equal([200, { weather: "sunny", celsius: 21 }]);
      expect(decodePaymentResponseHeader(single.headers.get("payment-response") ?? "").transaction).to.have.length(66);
      expect(await lab.balanceOf(payTo)).to.equal(PRICE);

      const { code, text } = await buy();
      expect(code, text).to.equal(0);
      expect(text).to.include("200 ").and.include('"celsius":21').and.include(": 49000 units of USDC");
      expect(await lab.balanceOf(payTo)).to.equal(PRICE);
      expect(await lab.balanceOf(payer.address)).to.equal(FUNDS - PRICE - DEPOSIT);
      expect((await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)) - held).to.equal(DEPOSIT);
    });
  });

  it("lose and pay nothing twice when the buyer is killed between signing and answer", async () => {
    const { close, payer, payTo, buy, buyAndDie, journalFile } = await open();
    await withOpen(close, async () => {
      const spent = async () => FUNDS - (await lab.balanceOf(payer.address));
      // The deposit and its voucher: signed, and received by nobody.
      await buyAndDie("request");
      expect(await spent()).to.equal(0n);
      expect((await buy()).text).to.match(/^200 .*: 49000 units/s);
      expect(await spent()).to.equal(DEPOSIT);

      // A voucher that nobody received.
      await buyAndDie("request");
      expect((await buy()).text).to.match(/^200 .*: 48000 units/s);

      // A voucher that was charged, and whose answer nobody received.
      await buyAndDie("answer");
      const { code, text } = await buy();
      expect(code).to.equal(1);
      expect(text).to.include("was charged, and its answer is lost");
      expect((await buy()).text).to.match(/^200 .*: 46000 units/s);

      const refund = await buy("refund");
      expect(refund.text).to.match(/^refunded 46000 units of USDC: 0x[0-9a-f]{64}\n$/);
      expect(await spent()).to.equal(4n * PRICE);
      expect(await claimAndSweep(journalFile, payTo)).to.equal(4n * PRICE);
    });
  });

  it("deposit once if the first deposit's answer is lost", async () => {
    const { close, payer, buy, buyAndDie } = await open();
    await withOpen(close, async () => {
      await buyAndDie("answer");
      const { code, text } = await buy();
      expect(code, text).to.equal(1);
      expect(text).to.include("was charged, and its answer is lost");
      expect((await buy()).text).to.match(/^200 .*: 48000 units/s);
      expect(await lab.balanceOf(payer.address)).to.equal(FUNDS - DEPOSIT);
    });
  });

  it("continue with a deposit that the seller never received", async () => {
    const { close, payer, buy } = await open();
    await withOpen(close, async () => {
      const lost = facilitator.lose("answer", ({ url }) => url === "/settle").then(facilitator.hangUp);
      const { text } = await buy();
      await lost;
      expect(text).not.to.match(/^200 /);
      expect(await lab.balanceOf(payer.address)).to.equal(FUNDS - DEPOSIT);
      expect((await buy()).text).to.match(/^200 .*: 49000 units/s);
      expect(await lab.balanceOf(payer.address)).to.equal(FUNDS - DEPOSIT);
    });
  });

  it("are shown in docs/channels.md as they run", () => {
    const read = (path: string) => readFileSync(join(root, path), "utf8");
    const examples = [read("examples/channel-seller.ts"), read("examples/channel-buyer.ts")];
    const page = read("docs/channels.md");
    const section = page.slice(page.indexOf("## Both schemes"), page.indexOf("## The server's storage"));
    const shown = [...section.matchAll(/```ts\n(.*?)```/gs)].map(([, code = ""]) => code);
    expect(shown).to.have.length(2);
    for (const [index, code] of shown.entries()) {
      for (const part of code.trim().split("\n\n")) expect(examples[index]).to.include(`\n${part}\n`);
    }
  });

  it("register both under one network, since the official client looks in one place only", async () => {
    const signer = accountOf(PURSE);
    const network = "eip155:84532";
    const offer = {
      scheme: "exact",
      network,
      amount: "1000",
      asset: networks.baseSepolia.usdc.address,
      payTo: freshAddress(8_801),
      maxTimeoutSeconds: 60,
      extra: { name: "USDC", version: "2" },
    } as const;
    const asked = { x402Version: 2, resource: { url: somewhere, description: "", mimeType: "" }, accepts: [offer] };
    const channels = new BatchSettlementEvmScheme(signer as unknown as ClientSigner);
    const hidden = registerExactEvmScheme(new x402Client(), { signer }).register(network, channels);
    const error = await hidden.createPaymentPayload(asked).catch((reason: unknown) => reason);
    expect(String(error)).to.include("No network/scheme registered");
    const both = registerExactEvmScheme(new x402Client(), { signer, networks: [network] }).register(network, channels);
    expect((await both.createPaymentPayload(asked)).accepted).to.deep.equal(offer);
  });

  it("need a facilitator that knows both schemes, and ours does", async () => {
    const { kinds } = await new HTTPFacilitatorClient({ url: facilitator.url }).getSupported();
    const known = kinds.filter(({ x402Version }) => x402Version === 2).map(({ scheme }) => scheme);
    expect(known).to.have.members(["exact", "batch-settlement"]);
  });
});
