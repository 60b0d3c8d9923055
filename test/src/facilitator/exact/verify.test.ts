import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/facilitator";
import { expect } from "chai";
import { concatHex, type Hex, hexToBigInt, numberToHex, slice } from "viem";
import type { SignedAuthorization } from "../../../../src/authorization/types.ts";
import { connectChain } from "../../../../src/chain/client.ts";
import { type VerifyPort, verifyExact } from "../../../../src/facilitator/exact/verify.ts";
import { createVerificationReads } from "../../../../src/facilitator/node/reads.ts";
import { readExact } from "../../../../src/facilitator/wire/body.ts";
import { ACCEPT_ALL, type ChainLab, openChainLab } from "../../../helpers/chainLab.ts";
import { authorize, bodyV1, bodyV2, payerOf } from "../../../helpers/facilitator.ts";

/** The order of secp256k1. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const partsOf = (signature: Hex) => ({
  r: slice(signature, 0, 32),
  s: slice(signature, 32, 64),
  v: slice(signature, 64),
});

describe("verifyExact", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
    await lab.chain.fund(payerOf(1).address, 1_000_000n);
  });
  after(() => lab.chain.stop());

  /** What changes the signature of a good payment. */
  const CASES: readonly (readonly [string, (signed: SignedAuthorization) => Hex | Promise<Hex>])[] = [
    ["as it is", ({ signature }) => signature],
    ["of somebody else", async (signed) => (await authorize(payerOf(2), signed)).signature],
    ["of other terms", async (signed) => (await authorize(payerOf(1), { ...signed, value: 2_000n })).signature],
    [
      "with a recovery byte of 0 or 1",
      ({ signature }) => {
        const { r, s, v } = partsOf(signature);
        return concatHex([r, s, numberToHex(hexToBigInt(v) - 27n, { size: 1 })]);
      },
    ],
    [
      "with the other recovery byte",
      ({ signature }) => {
        const { r, s, v } = partsOf(signature);
        return concatHex([r, s, numberToHex(55n - hexToBigInt(v), { size: 1 })]);
      },
    ],
    [
      "with the high s",
      ({ signature }) => {
        const { r, s, v } = partsOf(signature);
        const high = numberToHex(ORDER - hexToBigInt(s), { size: 32 });
        return concatHex([r, high, numberToHex(55n - hexToBigInt(v), { size: 1 })]);
      },
    ],
    ["of zeros", () => concatHex([numberToHex(0n, { size: 64 }), "0x1b"])],
    ["of the largest numbers", () => concatHex([numberToHex(2n ** 512n - 1n, { size: 64 }), "0x1c"])],
    ["that is too short", ({ signature }) => slice(signature, 0, 63)],
    ["in the compact form", ({ signature }) => slice(signature, 0, 64)],
  ];

  for (const version of [1, 2] as const) {
    for (const [name, change] of CASES) {
      it(`gives the official verdict on a signature ${name} (v${version})`, async () => {
        const signed = await authorize(payerOf(1));
        const body = (version === 1 ? bodyV1 : bodyV2)(signed, {}, {}, await change(signed));
        const ours = await verify(body, true);
        expect(ours).to.deep.equal(await official(version, body));
        if (name === "as it is") expect(ours).to.deep.equal({ isValid: true });
      });
    }
  }

  it("asks the wallet of a payer with code, and recovers nothing", async () => {
    const payer = await lab.payerWithCode(0xc0de, ACCEPT_ALL);
    const signed = { ...(await authorize(payerOf(2))), from: payer.address };
    expect(await verify(bodyV2(signed), true)).to.deep.equal(await official(2, bodyV2(signed)));
    await lab.chain.request("hardhat_setCode", [payer.address, "0x00"]);
    const own = { ...(await authorize(payer)), from: payer.address };
    const verdict = await verify(bodyV2(own), true);
    expect(verdict).to.deep.equal(await official(2, bodyV2(own)));
    expect(verdict.isValid).to.equal(false);
  });

  /** Our verdict. The operator's rules let everything through. */
  async function verify(body: ReturnType<typeof bodyV1> | ReturnType<typeof bodyV2>, simulate: boolean) {
    const request = readExact(body.paymentPayload, body.paymentRequirements);
    if (!request.ok) throw new Error(request.problem);
    const admission = { fault: async () => undefined } as unknown as VerifyPort["admission"];
    const policy = { factories: [] } as unknown as VerifyPort["policy"];
    const port = { client: lab.client, policy, addresses: () => [lab.account.address], admission };
    const { isValid, ...rest } = await verifyExact(port, request.value, { simulate });
    return isValid ? { isValid } : { isValid, reason: "reason" in rest ? rest.reason : undefined };
  }

  /** What the official classes say, with a client of their own. */
  async function official(version: 1 | 2, body: ReturnType<typeof bodyV1> | ReturnType<typeof bodyV2>) {
    const client = await connectChain(lab.chain.rpcUrl);
    const { signer } = createVerificationReads(client, { simulate: true, addresses: () => [lab.account.address] });
    const scheme = version === 1 ? new ExactEvmSchemeV1(signer) : new ExactEvmScheme(signer);
    const { isValid, invalidReason } = await scheme.verify(
      body.paymentPayload as unknown as Parameters<ExactEvmScheme["verify"]>[0],
      body.paymentRequirements as unknown as Parameters<ExactEvmScheme["verify"]>[1],
    );
    return isValid ? { isValid } : { isValid, reason: invalidReason };
  }
});
