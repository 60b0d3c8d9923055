import { expect } from "chai";
import { type Address, encodeFunctionData } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { createSharedExactSchemes } from "../../src/facilitator/index.ts";
import { sender } from "../../src/local/transaction.ts";
import { networks } from "../../src/networks.ts";
import { openStore } from "../../src/settlement/store/index.ts";
import { authorize, bodyV1, bodyV2, type FacilitatorLab, openFacilitatorLab } from "../helpers/facilitator.ts";

/** A token that no table knows, with two decimals, and a contract that says nothing. */
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
        // The same payment in the other notation is the same payment.
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

    it("are what another token says where it is the one that is settled, and left out where it says nothing", async () => {
      await lab.chain.request("hardhat_setCode", [SILENT, "0x5f5ffd"]);
      const extrasOf = async (address: Address) => {
        const served = await lab.serve({ policy: { assets: [{ address, minimum: 0n }] } });
        return exactExtras((await (await served.get("/supported")).json()) as Kinds);
      };
      const terms = { name: "Euro Coin", version: "2", decimals: 2 };
      expect(await extrasOf(EURO)).to.deep.equal([terms, terms]);
      expect(await extrasOf(SILENT)).to.deep.equal([undefined, undefined]);
    });

    it("are said by the schemes alone, too", async () => {
      const store = await openStore(":memory:");
      const schemes = await createSharedExactSchemes({ client: lab.client, store, senders: [buyer] });
      for (const scheme of [schemes.v1, schemes.v2]) {
        expect(scheme.getExtra(networks.baseSepolia.caip2)).to.deep.equal({ name: "USDC", version: "2", decimals: 6 });
      }
      await schemes.close();
      await store.close();
    });
  });
});
