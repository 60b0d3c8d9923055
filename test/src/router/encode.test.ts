import { expect } from "chai";
import fc from "fast-check";
import { type Hex, numberToHex, size } from "viem";
import { decodeBatch, decodeSettle } from "../../../src/router/decode.ts";
import { encodeBatch, encodeSettle } from "../../../src/router/encode.ts";
import { RouterEncodingError } from "../../../src/router/errors.ts";
import { MAX_ITEMS, MAX_PAYEES, type RouterItem } from "../../../src/router/wire.ts";
import { runs } from "../../helpers/randomness.ts";
import { anyItems, CHAIN_ID, hexOf, TOKEN } from "../../helpers/routerItems.ts";

const signature: Hex = `0x${"11".repeat(32)}${"22".repeat(32)}1c`;
const authorization = {
  chainId: CHAIN_ID,
  token: TOKEN,
  from: `0x${"aa".repeat(20)}`,
  to: `0x${"bb".repeat(20)}`,
  value: 3n,
  validAfter: 4n,
  validBefore: 5n,
  nonce: `0x${"cc".repeat(32)}`,
  signature,
} as const;
const compact: RouterItem = { form: "compact", authorization };
const wide: RouterItem & { form: "wide" } = { form: "wide", authorization, gasAllowance: 6n, overload: "vrs" };

describe("encodeBatch", () => {
  it("packs a compact item as the format says", () => {
    expect(encodeBatch([compact])).to.equal(
      [
        "0x0100010001",
        "bb".repeat(20),
        "4000",
        "aa".repeat(20),
        "000000000000000300000004",
        "00000005",
        "cc".repeat(32),
        "11".repeat(32),
        "22".repeat(32),
      ].join(""),
    );
  });

  it("packs a wide item of each overload as the format says", () => {
    const word = (n: number) => n.toString(16).padStart(64, "0");
    const rest = `00000006${"aa".repeat(20)}${word(3)}${word(4)}${word(5)}${"cc".repeat(32)}`;
    const [header, payee] = ["0x0100010001", "bb".repeat(20)];
    expect(encodeBatch([wide])).to.equal(`${header}${payee}c000${rest}0041${signature.slice(2)}`);
    const short = { ...wide, overload: "bytes", authorization: { ...authorization, signature: "0xdead" } } as const;
    expect(encodeBatch([short])).to.equal(`${header}${payee}8000${rest}0002dead`);
  });

  it("names each payee once, in the order of appearance, however its address is written", () => {
    const to = (address: Hex): RouterItem => ({ form: "compact", authorization: { ...authorization, to: address } });
    const [first, second]: [Hex, Hex] = [`0x${"ab".repeat(20)}`, `0x${"cd".repeat(20)}`];
    const batch = encodeBatch([to(first), to(second), to(`0x${"AB".repeat(20)}`)]);
    expect(batch.slice(0, 2 + 2 * (5 + 40))).to.equal(`0x0100020003${"ab".repeat(20)}${"cd".repeat(20)}`);
    const heads = [0, 1, 2].map((i) => batch.slice(2 + 2 * (45 + 134 * i)).slice(0, 4));
    expect(heads).to.deep.equal(["4000", "4001", "4000"]);
  });

  it("writes the parity of v, in capitals too", () => {
    const head = (v: string) =>
      encodeBatch([
        { form: "compact", authorization: { ...authorization, signature: `${signature.slice(0, -2)}${v}` as Hex } },
      ]).slice(52, 56);
    expect(["1b", "1B", "1c", "1C"].map(head)).to.deep.equal(["0000", "0000", "4000", "4000"]);
  });

  it("is undone by decodeBatch", () => {
    fc.assert(
      fc.property(anyItems(30), (items) => {
        expect(decodeBatch(encodeBatch(items), { chainId: CHAIN_ID, token: TOKEN })).to.deep.equal(normal(items));
      }),
    );
  });

  it("counts as many items and payees as the format can", () => {
    const items = Array.from(
      { length: MAX_PAYEES },
      (_, i): RouterItem => ({
        form: "compact",
        authorization: { ...authorization, to: numberToHex(i + 1, { size: 20 }) },
      }),
    );
    const batch = encodeBatch(items);
    expect(size(batch)).to.equal(5 + MAX_PAYEES * (20 + 134));
    const decoded = decodeBatch(batch, { chainId: CHAIN_ID, token: TOKEN });
    expect(decoded.at(-1)?.authorization.to.toLowerCase()).to.equal(numberToHex(MAX_PAYEES, { size: 20 }));
  });

  const cases: readonly (readonly [string, () => unknown, RegExp])[] = [
    ["there are no items", () => encodeBatch([]), /at least one item/],
    ["there are too many items", () => encodeBatch(Array(MAX_ITEMS + 1).fill(compact)), /65536 items/],
    [
      "there are too many payees",
      () =>
        encodeBatch(
          Array.from(
            { length: MAX_PAYEES + 1 },
            (_, i): RouterItem => ({
              form: "compact",
              authorization: { ...authorization, to: numberToHex(i + 1, { size: 20 }) },
            }),
          ),
        ),
      /4097 payees/,
    ],
    ["a value does not fit the compact form", () => encodeCompact({ value: 2n ** 64n }), /Item 0 does not fit/],
    ["a value is negative", () => encodeCompact({ value: -1n }), /Item 0 does not fit/],
    ["a time does not fit the compact form", () => encodeCompact({ validBefore: 2n ** 32n }), /Item 0 does not fit/],
    ["a signature is not that of an account without code", () => encodeCompact({ signature: "0x1b" }), /does not fit/],
    [
      "a v is neither 27 nor 28",
      () => encodeCompact({ signature: `${signature.slice(0, -2)}00` as Hex }),
      /does not fit/,
    ],
    ["a wide value is beyond 256 bits", () => encodeWide({ value: 2n ** 256n }), /beyond 256 bits/],
    ["a wide time is negative", () => encodeWide({ validAfter: -1n }), /beyond 256 bits/],
    ["an allowance is beyond 32 bits", () => encodeBatch([{ ...wide, gasAllowance: 2n ** 32n }]), /beyond 32 bits/],
    ["an allowance is negative", () => encodeBatch([{ ...wide, gasAllowance: -1n }]), /beyond 32 bits/],
    ["a (v, r, s) signature is not 65 bytes long", () => encodeWide({ signature: "0x1122" }), /exactly 65/],
    [
      "a signature is too long",
      () =>
        encodeBatch([
          { ...wide, overload: "bytes", authorization: { ...authorization, signature: `0x${"00".repeat(8193)}` } },
        ]),
      /at most 8192/,
    ],
    ["a nonce has the wrong size", () => encodeCompact({ nonce: "0x11" }), /wrong size/],
    ["a payer has the wrong size", () => encodeWide({ from: "0x11" }), /wrong size/],
    ["a payee is not an address", () => encodeCompact({ to: "0x11" }), /not an address/],
  ];
  for (const [what, encode, message] of cases) {
    it(`throws when ${what}`, () => {
      expect(encode).to.throw(RouterEncodingError, message);
    });
  }

  function encodeCompact(change: Partial<RouterItem["authorization"]>) {
    return encodeBatch([{ form: "compact", authorization: { ...authorization, ...change } }]);
  }

  function encodeWide(change: Partial<RouterItem["authorization"]>) {
    return encodeBatch([{ ...wide, authorization: { ...authorization, ...change } }]);
  }
});

describe("encodeSettle", () => {
  it("is undone by decodeSettle", () => {
    fc.assert(
      fc.property(anyItems(12), hexOf(32), fc.bigInt(0n, 2n ** 256n - 1n), (items, batchId, gasAllowance) => {
        const call = { token: TOKEN, batchId, gasAllowance, items: normal(items) };
        expect(decodeSettle(encodeSettle(call), CHAIN_ID)).to.deep.equal(call);
      }),
      runs(50, 1000),
    );
  });

  it("throws when an item is for another token", () => {
    const other = { ...compact, authorization: { ...authorization, token: `0x${"ee".repeat(20)}` as const } };
    const call = { token: TOKEN, batchId: `0x${"00".repeat(32)}`, gasAllowance: 1n, items: [compact, other] } as const;
    expect(() => encodeSettle(call)).to.throw(RouterEncodingError, /Item 1 is for token 0xee/);
  });
});

/** Items as they come back: hexadecimal in lower case. */
function normal(items: readonly RouterItem[]): RouterItem[] {
  return items.map((item) => {
    const { nonce, signature } = item.authorization;
    const lower = { nonce: nonce.toLowerCase() as Hex, signature: signature.toLowerCase() as Hex };
    return { ...item, authorization: { ...item.authorization, ...lower } };
  });
}
