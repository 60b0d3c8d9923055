import { expect } from "chai";
import { type Address, zeroAddress } from "viem";
import { resolveFacilitatorPolicy } from "../../../../src/facilitator/admission/policy.ts";
import { findFault } from "../../../../src/facilitator/admission/rules.ts";
import type { Ask } from "../../../../src/facilitator/admission/types.ts";
import { networks } from "../../../../src/networks.ts";

const { chainId, caip2, usdc } = networks.base;
const PAYER: Address = "0x1111111111111111111111111111111111111111";
const PAYEE: Address = "0x2222222222222222222222222222222222222222";
const NOW = 1_800_000_000n;

describe("findFault", () => {
  const policy = { ...resolveFacilitatorPolicy(chainId), assets: [{ address: usdc.address, minimum: 10n }] };
  const ask: Ask = {
    kind: "payment",
    network: caip2,
    tokens: [usdc.address],
    amount: 10n,
    payer: PAYER,
    payee: PAYEE,
    deadlineSeconds: NOW + 86_400n,
    fingerprint: "",
  };
  const faultOf = (change: Partial<Ask>, worthwhile = 0n) =>
    findFault({ ...ask, ...change }, { policy, chainId, nowSeconds: NOW, worthwhile });

  it("finds nothing wrong at every bound, in either name of the network", () => {
    expect(faultOf({})).to.equal(undefined);
    expect(faultOf({ network: "base" })).to.equal(undefined);
    expect(faultOf({}, 10n)).to.equal(undefined);
  });

  const requirements = "invalid_payment_requirements";
  const cases: readonly [string, Partial<Ask>, string, RegExp][] = [
    ["another network", { network: "eip155:1" }, "invalid_network", /on eip155:8453/],
    ["another asset", { tokens: [PAYER] }, requirements, /is not settled here/],
    ["an amount below the minimum", { amount: 9n }, requirements, /of 9 is below the minimum of 10/],
    ["a payment of zero", { amount: 0n }, "invalid_exact_evm_authorization_value", /moves nothing/],
    ["a deposit of zero", { kind: "deposit", amount: 0n }, requirements, /moves nothing/],
    ["a claim below the minimum", { kind: "claim", amount: 9n }, requirements, /the claim of 9/],
    ["a sweep below the minimum", { kind: "sweep", amount: 9n }, requirements, /the sweep of 9/],
    ["a payer who pays themselves", { payee: PAYER }, requirements, /the same account/],
    ["a zero-address payee", { payee: zeroAddress }, requirements, /the zero address/],
    [
      "a deadline too far ahead",
      { deadlineSeconds: NOW + 86_401n },
      "invalid_exact_evm_payload_authorization_valid_before",
      /more than 86400 s from now/,
    ],
    [
      "a deposit's deadline too far ahead",
      { kind: "deposit", deadlineSeconds: NOW + 86_401n },
      "invalid_batch_settlement_evm_payload_authorization_valid_before",
      /more than 86400 s from now/,
    ],
  ];
  for (const [name, change, reason, message] of cases) {
    it(`refuses ${name}`, () => {
      const fault = faultOf(change);
      expect(fault?.reason).to.equal(reason);
      expect(fault?.message).to.match(message);
    });
  }

  it("refuses what is not worth its gas, except a refund", () => {
    expect(faultOf({}, 11n)?.message).to.match(/below the minimum of 11/);
    expect(faultOf({ kind: "refund" }, 11n)).to.equal(undefined);
  });
});
