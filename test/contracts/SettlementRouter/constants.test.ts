import { readFileSync } from "node:fs";
import { expect } from "chai";
import { toFunctionSelector } from "viem";
import * as wire from "../../../src/router/wire.ts";

/** The value of a constant in a Solidity file. */
function constant(file: string, name: string): number {
  const source = readFileSync(new URL(`../../../contracts/${file}`, import.meta.url), "utf8");
  const match = new RegExp(`uint256 internal constant ${name} = (0x[0-9a-f]+|[0-9_]+);`).exec(source);
  if (!match?.[1]) throw new Error(`${file} has no constant ${name}`);
  return Number(match[1].replaceAll("_", ""));
}

describe("constants of SettlementRouter", () => {
  it("has the toolkit's reserve", () => {
    expect(BigInt(constant("SettlementRouter.sol", "RESERVE_GAS"))).to.equal(wire.ROUTER_RESERVE_GAS);
  });

  it("has the selectors of both overloads", () => {
    const terms = "address,address,uint256,uint256,uint256,bytes32";
    expect(constant("SettlementRouter.sol", "TRANSFER_VRS")).to.equal(
      Number(toFunctionSelector(`transferWithAuthorization(${terms},uint8,bytes32,bytes32)`)),
    );
    expect(constant("SettlementRouter.sol", "TRANSFER_BYTES")).to.equal(
      Number(toFunctionSelector(`transferWithAuthorization(${terms},bytes)`)),
    );
  });

  it("has the toolkit's format", () => {
    const format = (name: string) => constant("libraries/BatchFormat.sol", name);
    expect(format("VERSION")).to.equal(wire.WIRE_VERSION);
    expect(format("HEADER_BYTES")).to.equal(wire.HEADER_BYTES);
    expect(format("PAYEE_BYTES")).to.equal(wire.PAYEE_BYTES);
    expect(format("COMPACT_BYTES")).to.equal(wire.COMPACT_BYTES);
    expect(format("WIDE_BYTES")).to.equal(wire.WIDE_BYTES);
    expect(format("WIDE_BIT")).to.equal(wire.WIDE_BIT);
    expect(format("SIGNATURE_BIT")).to.equal(wire.SIGNATURE_BIT);
    expect(format("RESERVED_BITS")).to.equal(wire.RESERVED_BITS);
    expect(format("PAYEE_MASK")).to.equal(wire.PAYEE_MASK);
    expect(format("PAYEE_MASK") + 1).to.equal(wire.MAX_PAYEES);
    expect(format("MAX_SIGNATURE_BYTES")).to.equal(wire.MAX_SIGNATURE_BYTES);
    expect(format("ECDSA_SIGNATURE_BYTES")).to.equal(wire.ECDSA_SIGNATURE_BYTES);
    // Every bit of a head has one meaning.
    expect(wire.WIDE_BIT + wire.SIGNATURE_BIT + wire.RESERVED_BITS + wire.PAYEE_MASK).to.equal(0xffff);
  });
});
