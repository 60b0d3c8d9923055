import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import fc from "fast-check";
import { keccak256, toBytes } from "viem";
import { authorizationTypedData, eip3009Types, hashAuthorization } from "../../../src/authorization/typedData.ts";
import { anyAuthorization, authorizationOf, domain, expectedOf, vectors } from "../../helpers/authorizations.ts";

describe("eip3009Types", () => {
  // The type hashes that EIP-3009 states.
  const typeHashes = {
    TransferWithAuthorization: "0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267",
    ReceiveWithAuthorization: "0xd099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8",
    CancelAuthorization: "0x158b0a9edf7a828aad02f63cd515c68ef2f50ba807396f6d12842833a1597429",
  } as const;

  for (const name of ["TransferWithAuthorization", "ReceiveWithAuthorization", "CancelAuthorization"] as const) {
    it(`has the type hash of ${name}`, () => {
      const fields = eip3009Types[name].map((field) => `${field.type} ${field.name}`).join(",");
      expect(keccak256(toBytes(`${name}(${fields})`))).to.equal(typeHashes[name]);
    });
  }
});

describe("authorizationTypedData", () => {
  it("binds the terms to the token's domain", () => {
    const { chainId, token, ...message } = authorizationOf();
    const typedData = authorizationTypedData({ chainId, token, ...message }, domain);
    expect(typedData.domain).to.deep.equal({ name: "USDC", version: "2", chainId, verifyingContract: token });
    expect(typedData.message).to.deep.equal(message);
    expect(typedData.primaryType).to.equal("TransferWithAuthorization");
  });
});

describe("hashAuthorization", () => {
  it("equals the digest of every vector", () => {
    for (const vector of vectors) {
      expect(hashAuthorization(expectedOf(vector), vector.domain), vector.source).to.equal(vector.digest);
    }
  });

  it("equals ethers' digest for any terms and domain", () => {
    const types = { TransferWithAuthorization: [...eip3009Types.TransferWithAuthorization] };
    fc.assert(
      fc.property(
        anyAuthorization,
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        (authorization, name, version) => {
          const { chainId, token, ...message } = authorization;
          const ethersDomain = { name, version, chainId, verifyingContract: token };
          expect(hashAuthorization(authorization, { name, version })).to.equal(
            TypedDataEncoder.hash(ethersDomain, types, message),
          );
        },
      ),
    );
  });
});
