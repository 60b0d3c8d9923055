import { expect } from "chai";
import fc from "fast-check";
import { parseAuthorization } from "../../../src/authorization/parse.ts";
import { serialiseAuthorization } from "../../../src/authorization/serialise.ts";
import { signAuthorization } from "../../../src/authorization/sign.ts";
import type { SignedAuthorization } from "../../../src/authorization/types.ts";
import { verifySignatureOffline } from "../../../src/authorization/verify.ts";
import { knownTokenDomain, networkOf, networks } from "../../../src/networks.ts";
import { anyAuthorization, authorizationOf, domain, payer } from "../../helpers/authorizations.ts";

/** The same payment as other programs would write it down. */
function writeDown(signed: SignedAuthorization): string[] {
  const { chainId, token, signature, ...terms } = signed;
  const authorization = {
    ...terms,
    value: terms.value.toString(),
    validAfter: terms.validAfter.toString(),
    validBefore: terms.validBefore.toString(),
  };
  const payload = { signature, authorization };
  const network = networkOf(chainId) ?? networks.base;
  const v1 = { x402Version: 1, scheme: "exact", network: network.v1Name, payload };
  const accepted = {
    scheme: "exact",
    network: network.caip2,
    amount: authorization.value,
    asset: token,
    payTo: signed.to,
    maxTimeoutSeconds: 60,
    extra: { name: network.usdc.name, version: network.usdc.version },
  };
  const v2 = { x402Version: 2, accepted, payload };
  const split = {
    chainId,
    asset: token.toLowerCase(),
    ...authorization,
    r: signature.slice(0, 66),
    s: `0x${signature.slice(66, 130)}`,
    v: Number.parseInt(signature.slice(130), 16),
  };
  const jsons = [v1, v2, split].map((record) => JSON.stringify(record));
  return [serialiseAuthorization(signed), ...jsons, ...jsons.map((json) => Buffer.from(json).toString("base64"))];
}

describe("serialiseAuthorization", () => {
  it("writes one line with decimal strings and the CAIP-2 network", async () => {
    const signed = await signAuthorization(payer, { authorization: authorizationOf(), domain });
    const line = serialiseAuthorization(signed);
    expect(line).to.not.include("\n");
    expect(JSON.parse(line)).to.deep.equal({
      network: "eip155:84532",
      token: signed.token,
      from: signed.from,
      to: signed.to,
      value: "1000",
      validAfter: "0",
      validBefore: "1900000000",
      nonce: signed.nonce,
      signature: signed.signature,
    });
  });

  it("is read back as signed, and so is every other form", async () => {
    await fc.assert(
      fc.asyncProperty(anyAuthorization, async (authorization) => {
        const tokenDomain = knownTokenDomain(authorization.chainId, authorization.token) ?? domain;
        const signed = await signAuthorization(payer, { authorization, domain: tokenDomain });
        for (const text of writeDown(signed)) {
          expect(parseAuthorization(text).authorization).to.deep.equal(signed);
        }
        expect(await verifySignatureOffline(signed, tokenDomain)).to.deep.equal({
          status: "valid",
          signature: signed.signature,
        });
      }),
      { numRuns: 50 },
    );
  });
});
