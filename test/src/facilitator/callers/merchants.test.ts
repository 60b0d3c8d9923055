import { createHash } from "node:crypto";
import { expect } from "chai";
import {
  createAuthenticator,
  MerchantsError,
  parseMerchantKeys,
  parseMerchants,
} from "../../../../src/facilitator/callers/merchants.ts";

const KEY = "k".repeat(32);
const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");
const shop = { id: "shop", keySha256: hashOf(KEY) };

describe("parseMerchants", () => {
  it("reads merchants with their settings and defaults", () => {
    const receivers = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"];
    const read = parseMerchants([
      {
        ...shop,
        requestsPerSecond: 5,
        paymentsPerDay: 9,
        gasPerDay: 7,
        payerOpenCap: 3,
        strict: true,
        level: "preconfirmed",
        unbatched: true,
        receivers,
      },
      { id: "other", keySha256: hashOf("other").toUpperCase() },
    ]);
    expect(read).to.deep.equal([
      {
        ...shop,
        rateLimit: { perSecond: 5, burst: 10 },
        paymentsPerDay: 9,
        gasPerDay: 7n,
        payerOpenCap: 3,
        strict: true,
        level: "preconfirmed",
        unbatched: true,
        receivers,
      },
      {
        id: "other",
        level: undefined,
        keySha256: hashOf("other"),
        rateLimit: undefined,
        paymentsPerDay: undefined,
        gasPerDay: undefined,
        payerOpenCap: undefined,
        strict: false,
        unbatched: false,
        receivers: [],
      },
    ]);
  });

  for (const [what, list] of [
    ["no list", { shop }],
    ["a key instead of its hash", [{ id: "shop", keySha256: KEY }]],
    ["an unknown field", [{ ...shop, noBatch: true }]],
    ["an id that could be mistaken in a log", [{ ...shop, id: "a b" }]],
    ["a receiver that is not an address", [{ ...shop, receivers: ["0x12"] }]],
    ["a quota of zero", [{ ...shop, paymentsPerDay: 0 }]],
    ["an id twice", [shop, { ...shop, keySha256: hashOf("x") }]],
    ["a key twice", [shop, { ...shop, id: "other" }]],
  ] as const) {
    it(`refuses ${what}, and quotes no key`, () => {
      expect(() => parseMerchants(list))
        .to.throw(MerchantsError)
        .and.satisfy((error: Error) => !error.message.includes(KEY));
    });
  }
});

describe("parseMerchantKeys", () => {
  it("keeps hashes of keys only", () => {
    const read = parseMerchantKeys(`shop=${KEY}, other=${"=".repeat(40)}`);
    expect(read.map(({ id, keySha256 }) => [id, keySha256])).to.deep.equal([
      ["shop", hashOf(KEY)],
      ["other", hashOf("=".repeat(40))],
    ]);
    expect(JSON.stringify(read)).to.not.include(KEY);
  });

  it("refuses what is not a pair, and keys that could be guessed", () => {
    for (const text of ["shop", "shop=", "=x", `shop=${"k".repeat(31)}`, `shop=${KEY},`, `shop=${KEY},shop=${KEY}x`]) {
      expect(() => parseMerchantKeys(text), text).to.throw(MerchantsError);
    }
  });
});

describe("createAuthenticator", () => {
  const merchants = parseMerchantKeys(`shop=${KEY},other=${"o".repeat(32)}`);
  const authenticate = createAuthenticator(merchants);

  it("knows a merchant by its key, whatever the case of the scheme", () => {
    expect(authenticate(`Bearer ${KEY}`)).to.equal(merchants[0]);
    expect(authenticate(`bearer  ${"o".repeat(32)}`)).to.equal(merchants[1]);
  });

  it("tells a wrong key from a missing one", () => {
    expect(authenticate(`Bearer ${KEY}x`)).to.equal("unknown");
    expect(authenticate(`Bearer ${merchants[0]?.keySha256}`)).to.equal("unknown");
    expect(authenticate(undefined)).to.equal("anonymous");
    expect(authenticate("Basic c2hvcDpr")).to.equal("anonymous");
  });

  it("ignores keys if there are no merchants", () => {
    expect(createAuthenticator([])("Bearer whatever")).to.equal("anonymous");
  });
});
