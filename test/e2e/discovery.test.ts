import { declareDiscoveryExtension } from "@x402/extensions/bazaar";
import { expect } from "chai";
import { openJournal } from "../../src/journal/index.ts";
import { type Answer, authorize, bodyV2, type FacilitatorLab, openFacilitatorLab } from "../helpers/facilitator.ts";

const declared = declareDiscoveryExtension({ method: "GET", input: { city: "Paris" } } as never);

describe("what a payment declares about its resource", () => {
  let lab: FacilitatorLab;
  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
  });
  after(() => lab.stop());

  const declaring = (body: ReturnType<typeof bodyV2>, extensions: object) => ({
    ...body,
    paymentPayload: { ...body.paymentPayload, extensions },
  });
  const responseOf = ({ headers }: Answer): unknown =>
    JSON.parse(Buffer.from(headers.get("extension-responses") ?? "", "base64").toString());

  it("loses no success by its depth: it is refused early, with the reason, and the payment settles without it", async () => {
    const facilitator = await lab.serve();
    const signed = await authorize(await lab.payer(61_001));
    const body = JSON.stringify(declaring(bodyV2(signed), { bazaar: "DEEP" }));
    const deep = body.replace('"DEEP"', "[".repeat(5_000) + "]".repeat(5_000));
    for (const endpoint of ["verify", "settle"] as const) {
      const refused = await facilitator[endpoint](deep);
      expect(refused.status).to.equal(400);
      const message = refused.body[endpoint === "verify" ? "invalidMessage" : "errorMessage"];
      expect(message).to.equal("it is nested deeper than 64 levels");
    }
    expect((await facilitator.settle(bodyV2(signed))).body.success).to.equal(true);
  });

  it("loses no success if listing it fails", async () => {
    const journal = await openJournal(":memory:");
    const fail = () => Promise.reject(new Error("no room"));
    const facilitator = await lab.serve({ journal: { ...journal, keepResource: fail } });
    const signed = await authorize(await lab.payer(61_002));
    const answer = await facilitator.settle(declaring(bodyV2(signed), declared));
    expect(answer.body.success).to.equal(true);
    const rejected = { status: "rejected", rejectedReason: "the catalogue is not available" };
    expect(responseOf(answer)).to.deep.equal({ bazaar: rejected });
    await facilitator.close();
    await journal.close();
  });

  it("is listed for this machine on a development chain, so that others find it", async () => {
    const facilitator = await lab.serve();
    const signed = await authorize(await lab.payer(61_003));
    const answer = await facilitator.settle(declaring(bodyV2(signed), declared));
    expect(responseOf(answer)).to.deep.equal({ bazaar: { status: "success" } });
    const { items } = (await (await facilitator.get("/discovery/resources")).json()) as { items: object[] };
    expect(items[0]).to.include({ resource: "http://127.0.0.1/weather" });
  });
});
