import { readFile } from "node:fs/promises";
import { declareDiscoveryExtension } from "@x402/extensions/bazaar";
import { expect } from "chai";
import { type Address, encodeFunctionData } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { createSharedExactSchemes } from "../../src/facilitator/index.ts";
import { openJournal } from "../../src/journal/index.ts";
import { deriveAccounts, TEST_MNEMONIC } from "../../src/local/accounts.ts";
import { sender } from "../../src/local/transaction.ts";
import { networks } from "../../src/networks.ts";
import { authorize, bodyV1, bodyV2, type FacilitatorLab, openFacilitatorLab, payerOf } from "../helpers/facilitator.ts";
import { until } from "../helpers/until.ts";

/** A key with ether that none of the facilitators here sends from. */
const SENDER = privateKeyToAccount(deriveAccounts(TEST_MNEMONIC, 1, 5)[0]!.privateKey);
/** An unknown token with two decimals, and a contract that returns nothing. */
const EURO: Address = "0x00000000000000000000000000000000000a55e8";
const SILENT: Address = "0x00000000000000000000000000000000000a55e9";

async function installEuro({ chain }: FacilitatorLab): Promise<void> {
  const [{ address: owner } = { address: EURO }] = chain.accounts;
  const { abi, deployedBytecode } = mockUSDCArtifact;
  await chain.request("hardhat_setCode", [EURO, deployedBytecode]);
  const args = ["Euro Coin", "EUR", "EUR", 2, owner, owner, owner, owner] as const;
  const data = encodeFunctionData({ abi, functionName: "initialize", args });
  await sender(chain.request)({ from: owner, to: EURO, data });
}

/** What packages by others send and read, where it differs from the official ones. */
describe("clients and servers by others", () => {
  let lab: FacilitatorLab;
  let facilitator: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  let buyer: PrivateKeyAccount;
  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitator = await lab.serve();
    buyer = await lab.payer(70_001);
    await installEuro(lab);
  });
  after(() => lab.stop());

  describe("times as JSON numbers (a2a-x402)", () => {
    it("are verified and settled like texts, in both versions", async () => {
      for (const form of [bodyV1, bodyV2]) {
        const signed = await authorize(buyer);
        const body = JSON.stringify(form(signed))
          .replace(`"validAfter":"${signed.validAfter}"`, `"validAfter":${signed.validAfter}`)
          .replace(`"validBefore":"${signed.validBefore}"`, `"validBefore":${signed.validBefore}`);
        expect(body).to.include(`"validBefore":${signed.validBefore}`);
        expect((await facilitator.verify(body)).body).to.deep.equal({ isValid: true, payer: buyer.address });
        expect((await facilitator.settle(body)).body.success).to.equal(true);
        // In the other notation, it is the same payment.
        expect((await facilitator.settle(form(signed))).body.success).to.equal(false);
      }
    });

    it("that are not exact are 400, with the field and why", async () => {
      const body = JSON.stringify(bodyV2(await authorize(buyer)));
      const answer = await facilitator.verify(body.replace(/"validBefore":"[0-9]+"/, '"validBefore":9007199254740993'));
      expect(answer.status).to.equal(400);
      expect(answer.body.invalidMessage).to.equal(
        "paymentPayload.payload.authorization.validBefore: is above 2^53 − 1, where a JSON number loses digits: write it as a string",
      );
    });
  });

  describe("the token's terms in /supported (@dexterai/x402)", () => {
    type Kinds = { readonly kinds: readonly { scheme: string; x402Version: number; extra?: object }[] };
    const exactExtras = ({ kinds }: Kinds) =>
      kinds.filter(({ scheme }) => scheme === "exact").map(({ extra }) => extra);

    it("are those of USDC, for both versions of the scheme exact", async () => {
      const supported = (await (await facilitator.get("/supported")).json()) as Kinds;
      const terms = { name: "USDC", version: "2", decimals: 6 };
      expect(exactExtras(supported)).to.deep.equal([terms, terms]);
    });

    it("are those of another token if that is settled, and left out if it has none", async () => {
      await lab.chain.request("hardhat_setCode", [SILENT, "0x5f5ffd"]);
      const extrasOf = async (address: Address) => {
        const served = await lab.serve({ policy: { assets: [{ address, minimum: 0n }] } });
        return exactExtras((await (await served.get("/supported")).json()) as Kinds);
      };
      const terms = { name: "Euro Coin", version: "2", decimals: 2 };
      expect(await extrasOf(EURO)).to.deep.equal([terms, terms]);
      expect(await extrasOf(SILENT)).to.deep.equal([undefined, undefined]);
    });

    it("are given by the schemes alone, too", async () => {
      const journal = await openJournal(":memory:");
      const schemes = await createSharedExactSchemes(lab.client, { journal, senders: [buyer] });
      for (const scheme of [schemes.v1, schemes.v2]) {
        expect(scheme.getExtra(networks.baseSepolia.caip2)).to.deep.equal({ name: "USDC", version: "2", decimals: 6 });
      }
      await schemes.close();
      await journal.close();
    });
  });

  describe("discovery (AgentKit)", () => {
    it("fills a page of a thousand, with descriptions where each version of x402 has them", async () => {
      const journal = await openJournal(":memory:");
      const shop = await lab.serve({ journal });
      const declared = declareDiscoveryExtension({ method: "GET", input: { city: "Paris" } } as never);
      const two = bodyV2(await authorize(buyer));
      const one = bodyV1(await authorize(buyer), {
        outputSchema: { input: { type: "http", method: "GET", discoverable: true } },
      });
      const settled = [
        await shop.settle({ ...two, paymentPayload: { ...two.paymentPayload, extensions: declared } }),
        await shop.settle(one),
      ];
      for (const { body } of settled) expect(body.success).to.equal(true);
      // Copies, so that there are more than the hundred that a page had before.
      const [row] = await journal.resources();
      for (let index = 0; index < 150; index += 1) {
        await journal.keepResource({ ...row!, key: `0:copy${index}` }, 1_000, "0:");
      }
      type Listed = { readonly x402Version: number; readonly metadata?: object; readonly accepts: readonly object[] };
      const list = async (query: string) =>
        (await (await fetch(`${shop.url}/discovery/resources?${query}`)).json()) as {
          readonly items: readonly Listed[];
          readonly pagination: object;
        };
      // The copies are read after a while, like those of another process.
      const { items, pagination } = await until(async () => {
        const page = await list("limit=1000&offset=0");
        return page.items.length > 2 && page;
      });
      expect(pagination).to.deep.equal({ limit: 1_000, offset: 0, total: 152 });
      expect(items).to.have.length(152);
      expect(items.find(({ x402Version }) => x402Version === 2)?.metadata).to.deep.equal({ description: "weather" });
      const first = items.find(({ x402Version }) => x402Version === 1);
      expect(first?.accepts[0]).to.include({ description: "weather" });
      expect((await list("limit=5000")).pagination).to.include({ limit: 1_000 });
      await shop.close();
      await journal.close();
    });
  });

  describe("receipts, of which some servers pass on a part", () => {
    it("name the URL of a payment's status, in v2 in `extensions` too, and it is there", async () => {
      for (const version of [1, 2] as const) {
        const signed = await authorize(buyer);
        const { body } = await facilitator.settle((version === 1 ? bodyV1 : bodyV2)(signed));
        const payment = `/payments/eip155:84532/${signed.token}/${signed.from}/${signed.nonce}`;
        expect(body.extra).to.include({ payment });
        expect((body.extra as { batch: object }).batch).to.include({ authorizationNonce: signed.nonce });
        expect(body.extensions).to.deep.equal(version === 1 ? undefined : { tributary: { payment } });
        const status = (await (await facilitator.get(payment)).json()) as { payments: { state: string }[] };
        expect(status.payments.map(({ state }) => state)).to.deep.equal(["settled"]);
      }
      const poor = await authorize(payerOf(70_002));
      expect((await facilitator.settle(bodyV2(poor))).body).not.to.have.any.keys("extra", "extensions");
    });

    it("name a whole URL if the facilitator knows its own", async () => {
      const served = await lab.serve({ publicUrl: "https://pay.example.com/x402/" });
      const signed = await authorize(buyer);
      const { body } = await served.settle(bodyV2(signed));
      const payment = `https://pay.example.com/x402/payments/eip155:84532/${signed.token}/${signed.from}/${signed.nonce}`;
      expect(body.extra).to.include({ payment });
      expect(body.extensions).to.deep.equal({ tributary: { payment } });
    });

    it("name no status that nobody serves", async () => {
      const journal = await openJournal(":memory:");
      const schemes = await createSharedExactSchemes(lab.client, { journal, senders: [SENDER] });
      const { paymentPayload, paymentRequirements } = bodyV2(await authorize(buyer));
      const receipt = await schemes.v2.settle(paymentPayload as never, paymentRequirements as never);
      expect(receipt.extra).to.have.all.keys("level", "batch");
      expect(receipt).not.to.have.property("extensions");
      await schemes.close();
      await journal.close();
    });
  });

  describe("/ and /version", () => {
    it("say what this is, which version, and where to ask", async () => {
      const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
      const about = { name: "tributary", version, x402Versions: [1, 2] };
      expect(await (await facilitator.get("/version")).json()).to.deep.equal(about);
      const root = (await (await facilitator.get("/")).json()) as { endpoints: Record<string, string> };
      expect(root).to.deep.include({
        ...about,
        network: { id: "eip155:84532", name: "Base Sepolia" },
        schemes: ["exact", "batch-settlement"],
      });
      // Every endpoint that is named there is there.
      for (const endpoint of Object.keys(root.endpoints)) {
        const [method, path = ""] = endpoint.split(" ");
        const answer = await fetch(`${facilitator.url}${path.replace("query=", "query=x")}`, { method: method! });
        expect(await answer.text(), endpoint).not.to.include("there is nothing here");
      }
    });
  });
});
