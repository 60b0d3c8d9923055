import { expect } from "chai";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { parseMerchantKeys } from "../../src/facilitator/index.ts";
import { authorize, bodyV2, type FacilitatorLab, openFacilitatorLab, PAYEE, post } from "../helpers/facilitator.ts";
import { until } from "../helpers/until.ts";

const KEY = "k".repeat(40);
/** The block that is being built has the time of its planned end, an hour ahead. */
const LONG = { validBefore: BigInt(Math.floor(Date.now() / 1000)) + 50_000n };

describe("answering on preconfirmations", () => {
  let lab: FacilitatorLab;
  before(async () => {
    // Blocks come only when a test asks for one.
    lab = await openFacilitatorLab({ blockTimeSeconds: 3_600, preconfirmMs: 20 });
  });
  after(() => lab.stop());

  /** A payer with funds in a block. */
  async function payer(seed: number) {
    const funded = lab.payer(seed);
    await lab.chain.request("evm_mine");
    return funded;
  }
  type Served = Awaited<ReturnType<FacilitatorLab["serve"]>>;
  const statusOf = async (served: Served, { token, from, nonce }: SignedAuthorization) => {
    const response = await served.get(`/payments/eip155:84532/${token}/${from}/${nonce}`);
    const { payments } = (await response.json()) as { payments?: Record<string, unknown>[] };
    return payments?.[0];
  };

  it("settles before there is a block, says so, and tells the truth before and after it", async () => {
    const served = await lab.serve({ policy: { level: "preconfirmed" } });
    const signed = await authorize(await payer(1), LONG);
    const before = await lab.balanceOf(PAYEE);
    const head = await lab.client.getBlockNumber();
    const { body } = await served.settle(bodyV2(signed));
    expect(body).to.include({ success: true, payer: signed.from });
    expect(body.extra).to.deep.include({ level: "preconfirmed" });
    expect(await lab.client.getBlockNumber()).to.equal(head);
    expect(await statusOf(served, signed)).to.include({
      ...{ state: "submitted", decided: false, level: "preconfirmed", successTold: true },
    });
    const again = await served.settle(bodyV2(signed));
    expect(again.body).to.include({ success: false, errorReason: "invalid_exact_evm_nonce_already_used" });

    await lab.chain.request("evm_mine");
    const settled = await until(async () => {
      const now = await statusOf(served, signed);
      return now?.state === "settled" ? now : undefined;
    });
    expect(settled).to.include({ decided: true, level: "included" });
    expect((settled.evidence as { transactionHash: string }).transactionHash).to.equal(body.transaction);
    expect(await lab.balanceOf(PAYEE)).to.equal(before + signed.value);
    const metrics = await (await served.get("/metrics")).text();
    expect(metrics).to.include('tributary_preconfirmations{what="seen"} 1\n');
    expect(metrics).to.include('tributary_preconfirmations{what="taken back"} 0\n');
  });

  it("answers on a preconfirmation only to the merchant who has chosen that, and to nobody else", async () => {
    const merchants = parseMerchantKeys(`shop=${KEY}`).map((one) => ({ ...one, level: "preconfirmed" as const }));
    const served = await lab.serve({ merchants });
    const [quick, patient] = [await payer(2), await payer(3)];
    const asShop = { authorization: `Bearer ${KEY}` };
    const { body } = await post(`${served.url}/settle`, bodyV2(await authorize(quick, LONG)), asShop);
    expect(body.extra).to.deep.include({ level: "preconfirmed" });

    const signed = await authorize(patient, LONG);
    let isAnswered = false;
    const answer = served.settle(bodyV2(signed)).finally(() => {
      isAnswered = true;
    });
    await until(async () => (await statusOf(served, signed))?.level === "preconfirmed");
    expect(isAnswered).to.equal(false);
    await lab.chain.request("evm_mine");
    expect((await answer).body.extra).to.deep.include({ level: "included" });
  });

  it("warns at the start if the node tells of nothing before its block", async () => {
    const told = async (where: FacilitatorLab) => {
      const { facilitator } = await where.serve({ policy: { level: "preconfirmed" } });
      return facilitator.warnings.filter((warning) => warning.includes("before their block"));
    };
    expect(await told(lab)).to.deep.equal([]);
    const usual = await openFacilitatorLab();
    try {
      expect(await told(usual)).to.have.length(1);
    } finally {
      await usual.stop();
    }
  });
});
