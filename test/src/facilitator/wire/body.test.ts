import { expect } from "chai";
import { isPermit2, networkEcho, payerOf, readEnvelope, readExact } from "../../../../src/facilitator/wire/body.ts";
import { authorize, bodyV1, bodyV2, payerOf as payerNumber } from "../../../helpers/facilitator.ts";

const signed = await authorize(payerNumber(1), { nonce: `0x${"AB".repeat(32)}` });

describe("readExact", () => {
  it("reads both versions into one form, in checksummed addresses and lower-case bytes", () => {
    for (const [version, body] of [
      [2, bodyV2(signed)],
      [1, bodyV1(signed)],
    ] as const) {
      const read = readExact(body.paymentPayload, body.paymentRequirements);
      if (!read.ok) throw new Error(read.problem);
      const { from, to, value, validAfter, validBefore } = signed;
      const nonce = signed.nonce.toLowerCase();
      expect(read.value.version).to.equal(version);
      expect(read.value.authorization).to.deep.equal({ from, to: to, value, validAfter, validBefore, nonce });
      expect(read.value.signature).to.equal(signed.signature);
      expect(read.value.required).to.deep.include({ amount: 1_000n, asset: signed.token, payTo: to });
      expect(read.value.required.domain).to.deep.equal({ name: "USDC", version: "2" });
    }
  });

  it("names the part that it cannot read, and never its value", () => {
    const body = bodyV2(signed, {}, {}, "0xzz5ec7e7" as `0x${string}`);
    expect(readExact(body.paymentPayload, body.paymentRequirements)).to.deep.equal({
      ok: false,
      problem: "paymentPayload.payload.signature: is missing or malformed",
    });
  });

  it("takes 2^256-1 and refuses 2^256", () => {
    const of = (amount: bigint) =>
      readExact(bodyV2(signed).paymentPayload, { ...bodyV2(signed).paymentRequirements, amount: amount.toString() }).ok;
    expect([of(2n ** 256n - 1n), of(2n ** 256n)]).to.deep.equal([true, false]);
  });
});

describe("times as JSON numbers", () => {
  const readWith = (times: object, body = bodyV2(signed)) => {
    const { payload } = body.paymentPayload;
    const authorization = { ...payload.authorization, ...times };
    return readExact({ ...body.paymentPayload, payload: { ...payload, authorization } }, body.paymentRequirements);
  };

  it("reads whole ones, in both versions, like the same digits as text", () => {
    const times = { validAfter: 0, validBefore: Number.MAX_SAFE_INTEGER };
    const texts = { validAfter: "0", validBefore: String(Number.MAX_SAFE_INTEGER) };
    for (const body of [bodyV2(signed), bodyV1(signed) as unknown as ReturnType<typeof bodyV2>]) {
      const read = readWith(times, body);
      expect(read.ok).to.equal(true);
      expect(read).to.deep.equal(readWith(texts, body));
    }
  });

  for (const [what, number, problem] of [
    ["above 2^53 − 1", 2 ** 53, "is above 2^53 − 1, where a JSON number loses digits: write it as a string"],
    ["with a fraction", 1.5, "has a fraction: write whole seconds"],
    ["below zero", -1, "is negative"],
  ] as const) {
    it(`refuses one ${what} by its name`, () => {
      for (const name of ["validAfter", "validBefore"]) {
        const path = `paymentPayload.payload.authorization.${name}`;
        expect(readWith({ [name]: number })).to.deep.equal({ ok: false, problem: `${path}: ${problem}` });
      }
    });
  }

  it("refuses amounts as numbers, and times that are neither number nor digits", () => {
    for (const [name, value] of [
      ["value", 1_000],
      ["validAfter", "0x0"],
      ["validBefore", null],
      ["validBefore", undefined],
      ["validBefore", true],
    ] as const) {
      const path = `paymentPayload.payload.authorization.${name}`;
      expect(readWith({ [name]: value })).to.deep.equal({ ok: false, problem: `${path}: is missing or malformed` });
    }
  });
});

describe("readEnvelope", () => {
  it("reads version, scheme and network of kinds that it does not know", () => {
    const body = {
      paymentPayload: { x402Version: 2, payload: {} },
      paymentRequirements: { scheme: "upto", network: "solana:1" },
    };
    expect(readEnvelope(body)).to.deep.equal({ ok: true, value: { version: 2, scheme: "upto", network: "solana:1" } });
  });

  it("refuses a version that does not exist", () => {
    const { paymentPayload, paymentRequirements } = bodyV2(signed);
    const read = readEnvelope({ paymentPayload: { ...paymentPayload, x402Version: 3 }, paymentRequirements });
    expect(read).to.deep.equal({ ok: false, problem: "paymentPayload.x402Version: is neither 1 nor 2" });
  });
});

describe("networkEcho, payerOf, isPermit2", () => {
  it("read what an answer repeats, from anything", () => {
    const { paymentPayload } = bodyV2(signed);
    expect([networkEcho(paymentPayload), networkEcho(bodyV1(signed).paymentPayload), networkEcho(5)]).to.deep.equal([
      "eip155:84532",
      "base-sepolia",
      "",
    ]);
    expect([payerOf(paymentPayload), payerOf({ payload: { authorization: { from: "x" } } })]).to.deep.equal([
      signed.from,
      undefined,
    ]);
    expect(isPermit2({ payload: { permit2Authorization: {} } })).to.equal(true);
    expect(isPermit2(paymentPayload)).to.equal(false);
  });
});
