import { expect } from "chai";
import { Signature } from "ethers";
import { concatHex, type Hex, hexToBigInt, numberToHex, slice } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { authorizationTypedData } from "../../../src/authorization/typedData.ts";
import { verifySignatureOffline } from "../../../src/authorization/verify.ts";
import { authorizationOf, domain, expectedOf, payer, vectors } from "../../helpers/authorizations.ts";

const curveOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const authorization = authorizationOf();
const signature = await payer.signTypedData(authorizationTypedData(authorization, domain));
const verify = (other: Hex) => verifySignatureOffline({ ...authorization, signature: other }, domain);

describe("verifySignatureOffline", () => {
  it("finds every vector valid", async () => {
    for (const vector of vectors) {
      const signed = expectedOf(vector);
      expect(await verifySignatureOffline(signed, vector.domain), vector.source).to.deep.equal({
        status: "valid",
        signature: signed.signature,
      });
    }
  });

  it("answers with the form that the token takes for a compact signature and for a v of 0 or 1", async () => {
    const { compactSerialized, yParity } = Signature.from(signature);
    const raised = { status: "valid", signature };
    expect(await verify(compactSerialized as Hex)).to.deep.equal(raised);
    expect(await verify(concatHex([slice(signature, 0, 64), numberToHex(yParity, { size: 1 })]))).to.deep.equal(raised);
  });

  it("names the signer of a signature that is not the payer's", async () => {
    const other = privateKeyToAccount(`0x${"42".repeat(32)}`);
    const foreign = await other.signTypedData(authorizationTypedData(authorization, domain));
    expect(await verify(foreign)).to.deep.equal({ status: "mismatch", recovered: other.address });
  });

  for (const change of [{ value: 1001n }, { validBefore: 1n }, { to: payer.address }, { chainId: 8453 }]) {
    it(`finds a mismatch if ${Object.keys(change)[0]} was changed`, async () => {
      const verdict = await verifySignatureOffline({ ...authorization, ...change, signature }, domain);
      expect(verdict.status).to.equal("mismatch");
    });
  }

  it("finds a mismatch under another token name, such as Base's on Base Sepolia", async () => {
    const verdict = await verifySignatureOffline({ ...authorization, signature }, { name: "USD Coin", version: "2" });
    expect(verdict.status).to.equal("mismatch");
  });

  it("finds the mirrored signature with a high s malformed, as the token does", async () => {
    const s = curveOrder - hexToBigInt(slice(signature, 32, 64));
    const v = signature.endsWith("1b") ? "0x1c" : "0x1b";
    const mirrored = concatHex([slice(signature, 0, 32), numberToHex(s, { size: 32 }), v]);
    expect(await verify(mirrored)).to.deep.equal({ status: "malformed", reason: "high-s" });
  });

  it("finds another v and an r that is not a point malformed", async () => {
    expect(await verify(concatHex([slice(signature, 0, 64), "0x1d"]))).to.deep.equal({
      status: "malformed",
      reason: "bad-v",
    });
    const zeros: Hex = `0x${"00".repeat(64)}1b`;
    expect(await verify(zeros)).to.deep.equal({ status: "malformed", reason: "unrecoverable" });
    const tooLargeR = concatHex([numberToHex(curveOrder, { size: 32 }), slice(signature, 32, 65)]);
    expect(await verify(tooLargeR)).to.deep.equal({ status: "malformed", reason: "unrecoverable" });
  });

  for (const other of ["0x", "0x1234", `${signature}00`] as const) {
    it(`leaves ${other.length / 2 - 1} bytes to the chain`, async () => {
      expect(await verify(other)).to.deep.equal({ status: "undecided", reason: "not-65-bytes" });
    });
  }

  it("leaves an ERC-6492 wrapper to the chain", async () => {
    expect(await verify(`0x${"6492".repeat(16)}`)).to.deep.equal({ status: "undecided", reason: "erc6492" });
  });
});
