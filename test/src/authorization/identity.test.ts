import { expect } from "chai";
import fc from "fast-check";
import { encodeAbiParameters, keccak256, parseAbiParameters } from "viem";
import { authorizationId, sameTerms, termsDigest } from "../../../src/authorization/identity.ts";
import { anyAuthorization, authorizationOf } from "../../helpers/authorizations.ts";

const authorization = authorizationOf();

describe("authorizationId", () => {
  it("is chain, token, payer and nonce in lower case", () => {
    expect(authorizationId(authorization)).to.equal(
      `84532:0x036cbd53842c5426634e7929541ec2318f3dcf7e:0x70997970c51812dc3a010c7d01b50e0d17dc79c8:0x${"ab".repeat(32)}`,
    );
  });

  it("does not depend on payee, value or validity", () => {
    const variant = { ...authorization, to: authorization.token, value: 1n, validAfter: 5n, validBefore: 6n };
    expect(authorizationId(variant)).to.equal(authorizationId(authorization));
  });

  it("depends on chain, token, payer and nonce", () => {
    const others = [
      { ...authorization, chainId: 8453 },
      { ...authorization, token: authorization.to },
      { ...authorization, from: authorization.to },
      { ...authorization, nonce: `0x${"ac".repeat(32)}` as const },
    ];
    const ids = [authorization, ...others].map(authorizationId);
    expect(new Set(ids).size).to.equal(5);
  });
});

describe("sameTerms and termsDigest", () => {
  it("agree that case does not matter", () => {
    const lower = { ...authorization, to: `0x${authorization.to.slice(2).toLowerCase()}` as const };
    expect(sameTerms(authorization, lower)).to.equal(true);
    expect(termsDigest(lower)).to.equal(termsDigest(authorization));
  });

  for (const change of [
    { chainId: 8453 },
    { token: authorization.to },
    { from: authorization.to },
    { to: authorization.token },
    { value: 1n },
    { validAfter: 1n },
    { validBefore: 1n },
    { nonce: `0x${"00".repeat(32)}` as const },
  ]) {
    it(`agree that ${Object.keys(change)[0]} matters`, () => {
      const other = { ...authorization, ...change };
      expect(sameTerms(authorization, other)).to.equal(false);
      expect(termsDigest(other)).to.not.equal(termsDigest(authorization));
    });
  }
});

describe("termsDigest", () => {
  it("is the digest of the terms as Solidity encodes them", () => {
    const words = parseAbiParameters("uint256, address, address, address, uint256, uint256, uint256, bytes32");
    fc.assert(
      fc.property(anyAuthorization, (terms) => {
        const { chainId, token, from, to, value, validAfter, validBefore, nonce } = terms;
        const encoded = encodeAbiParameters(words, [
          BigInt(chainId),
          token,
          from,
          to,
          value,
          validAfter,
          validBefore,
          nonce,
        ]);
        expect(termsDigest(terms)).to.equal(keccak256(encoded));
      }),
    );
  });
});
