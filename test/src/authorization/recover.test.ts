import { expect } from "chai";
import fc from "fast-check";
import { bytesToHex, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { recoverInJavaScript, recoverSigner } from "../../../src/authorization/recover.ts";

const bytes = (count: number) =>
  fc.uint8Array({ minLength: count, maxLength: count }).map((value): Hex => bytesToHex(value));
const curveOrder = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

describe("recoverSigner", () => {
  it("finds who signed", async () => {
    await fc.assert(
      fc.asyncProperty(bytes(32), fc.bigInt({ min: 1n, max: 2n ** 255n }), async (digest, key) => {
        const account = privateKeyToAccount(`0x${key.toString(16).padStart(64, "0")}`);
        const signature = await account.sign({ hash: digest });
        expect(await recoverSigner(digest, signature)).to.equal(account.address.toLowerCase());
      }),
    );
  });

  it("agrees with viem's JavaScript on bytes that nobody signed", async () => {
    await fc.assert(
      fc.asyncProperty(bytes(32), bytes(64), fc.constantFrom("1b", "1c"), async (digest, rs, v) => {
        const signature: Hex = `${rs}${v}`;
        expect(await recoverSigner(digest, signature)).to.equal(await recoverInJavaScript(digest, signature));
      }),
    );
  });

  for (const [what, r, s] of [
    ["r is zero", "00".repeat(32), "01".repeat(32)],
    ["s is zero", "01".repeat(32), "00".repeat(32)],
    ["r is the curve's order", curveOrder, "01".repeat(32)],
    ["s is the curve's order", "01".repeat(32), curveOrder],
    ["r is not a point", `${"00".repeat(31)}05`, "01".repeat(32)],
  ]) {
    it(`finds nobody if ${what}`, async () => {
      const digest: Hex = `0x${"11".repeat(32)}`;
      for (const v of ["1b", "1c"]) {
        expect(await recoverSigner(digest, `0x${r}${s}${v}`)).to.equal(undefined);
        expect(await recoverInJavaScript(digest, `0x${r}${s}${v}`)).to.equal(undefined);
      }
    });
  }
});
