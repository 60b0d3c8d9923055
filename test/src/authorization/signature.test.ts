import { expect } from "chai";
import { AbiCoder, Signature } from "ethers";
import fc from "fast-check";
import { concatHex, type Hex, slice } from "viem";
import {
  findSignatureDefect,
  isErc6492,
  lowerS,
  normaliseSignature,
  splitSignature,
  unwrapErc6492,
} from "../../../src/authorization/signature.ts";
import { payee, vectors } from "../../helpers/authorizations.ts";
import { compact, highS, rawV } from "../../helpers/signatureForms.ts";

const signatures = vectors.map((vector) => vector.expected.signature);
const suffix: Hex = `0x${"6492".repeat(16)}`;

function wrap(factory: string, factoryData: string, signature: string): Hex {
  const body = AbiCoder.defaultAbiCoder().encode(["address", "bytes", "bytes"], [factory, factoryData, signature]);
  return `0x${body.slice(2)}${suffix.slice(2)}`;
}

describe("normaliseSignature", () => {
  it("expands ethers' compact form and raises v", () => {
    for (const signature of signatures) {
      const { compactSerialized, yParity } = Signature.from(signature);
      expect(normaliseSignature(compactSerialized as Hex)).to.equal(signature);
      expect(normaliseSignature(concatHex([slice(signature, 0, 64), `0x0${yParity}`]))).to.equal(signature);
      expect(normaliseSignature(signature)).to.equal(signature);
    }
  });

  it("has both parities among the vectors", () => {
    expect(new Set(signatures.map((signature) => signature.slice(-2)))).to.deep.equal(new Set(["1b", "1c"]));
  });

  for (const other of ["0x", "0x00", `0x${"11".repeat(63)}`, `0x${"11".repeat(65)}`, `0x${"11".repeat(66)}`] as const) {
    it(`leaves ${other.length / 2 - 1} other bytes alone`, () => {
      expect(normaliseSignature(other)).to.equal(other);
    });
  }
});

describe("lowerS", () => {
  it("takes the signature in the lower half, and leaves everything else alone", () => {
    for (const signature of signatures) {
      expect(lowerS(highS(signature))).to.equal(signature);
      for (const other of [signature, rawV(signature), compact(signature), "0x12"] as const) {
        expect(lowerS(other)).to.equal(other);
      }
    }
    expect(lowerS(`0x${"11".repeat(32)}${"ff".repeat(32)}1b`)).to.equal(`0x${"11".repeat(32)}${"ff".repeat(32)}1b`);
  });
});

describe("splitSignature", () => {
  it("equals ethers' parts", () => {
    for (const signature of signatures) {
      const { v, r, s } = Signature.from(signature);
      expect(splitSignature(signature)).to.deep.equal({ v, r, s });
    }
  });
});

describe("findSignatureDefect", () => {
  const r = "11".repeat(32);
  const half = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
  const halfPlusOne = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1";

  it("takes s up to half the curve's order and not one more", () => {
    expect(findSignatureDefect(`0x${r}${half}1b`)).to.equal(undefined);
    expect(findSignatureDefect(`0x${r}${halfPlusOne}1b`)).to.equal("high-s");
  });

  it("takes v 27 and 28 only", () => {
    expect(findSignatureDefect(`0x${r}${half}1c`)).to.equal(undefined);
    for (const v of ["00", "01", "1a", "1d", "ff"]) {
      expect(findSignatureDefect(`0x${r}${half}${v}`)).to.equal("bad-v");
    }
  });
});

describe("unwrapErc6492", () => {
  it("takes apart what ethers encoded", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (data, inner) => {
        const factoryData = `0x${Buffer.from(data).toString("hex")}`;
        const signature = `0x${Buffer.from(inner).toString("hex")}`;
        const wrapped = wrap(payee, factoryData, signature);
        expect(isErc6492(wrapped)).to.equal(true);
        expect(unwrapErc6492(wrapped)).to.deep.equal({ factory: payee, factoryData, signature });
      }),
    );
  });

  it("leaves everything else alone", () => {
    for (const signature of signatures) expect(unwrapErc6492(signature)).to.equal(undefined);
    expect(unwrapErc6492("0x")).to.equal(undefined);
    expect(isErc6492("0x6492")).to.equal(false);
  });

  it("answers undefined for a wrapper with a broken body", () => {
    expect(isErc6492(suffix)).to.equal(true);
    expect(unwrapErc6492(suffix)).to.equal(undefined);
    expect(unwrapErc6492(concatHex([`0x${"ff".repeat(96)}`, suffix]))).to.equal(undefined);
  });
});
