import { expect } from "chai";
import { readExact } from "../../../../src/facilitator/wire/body.ts";
import { createStatusUrl, PublicUrlError, readPublicUrl } from "../../../../src/facilitator/wire/statusUrl.ts";
import { authorize, bodyV1, payerOf } from "../../../helpers/facilitator.ts";

describe("createStatusUrl", () => {
  it("names a payment by CAIP-2, asset, payer and nonce, whatever version it came in", async () => {
    const signed = await authorize(payerOf(1));
    const { paymentPayload, paymentRequirements } = bodyV1(signed);
    const read = readExact(paymentPayload, paymentRequirements);
    if (!read.ok) throw new Error(read.problem);
    const path = `/payments/eip155:84532/${signed.token}/${signed.from}/${signed.nonce}`;
    expect(createStatusUrl(84_532, undefined)(read.value)).to.equal(path);
    expect(createStatusUrl(84_532, "https://pay.example.com")(read.value)).to.equal(`https://pay.example.com${path}`);
  });
});

describe("readPublicUrl", () => {
  it("reads http(s) URLs, without a slash at their end", () => {
    for (const [text, url] of [
      ["https://pay.example.com", "https://pay.example.com"],
      ["HTTP://Pay.example.com:8080//", "http://pay.example.com:8080"],
      ["https://pay.example.com/x402/", "https://pay.example.com/x402"],
    ] as const) {
      expect(readPublicUrl(text)).to.equal(url);
    }
  });

  it("refuses everything else, and repeats nothing of it", () => {
    for (const text of [
      "pay.example.com",
      "ftp://x.example",
      "https://me:secret@x.example",
      "https://x.example/?a=1",
    ]) {
      const read = () => readPublicUrl(text);
      expect(read, text).to.throw(PublicUrlError, "The public URL is not a plain http(s) URL.");
      expect(read).not.to.throw("secret");
    }
  });
});
