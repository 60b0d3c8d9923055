import { expect } from "chai";
import { type Address, concatHex, encodeAbiParameters, encodeFunctionData, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { sender } from "../../src/local/transaction.ts";
import { PATIENT, until } from "../helpers/engineLab.ts";
import { authorize, bodyV1, bodyV2, type FacilitatorLab, openFacilitatorLab, payerOf } from "../helpers/facilitator.ts";

const EMPTY_ASSET: Address = "0x00000000000000000000000000000000000a55e7";
const OTHER_PAYEE: Address = "0x00000000000000000000000000000000000Fee02";
/** Contracts that are bad tokens, each at its own address. */
const ODD_ASSETS: readonly (readonly [what: string, address: Address, code: Hex, reason: string])[] = (
  [
    ["answers nothing", "0x00", "invalid_exact_evm_eip3009_not_supported"],
    ["reverts", "0x5f5ffd", "invalid_exact_evm_eip3009_not_supported"],
    ["is invalid", "0xfe", "invalid_exact_evm_transaction_simulation_failed"],
    ["answers a megabyte", "0x621000005ff3", "invalid_exact_evm_eip3009_not_supported"],
    ["answers with all ones", `0x7f${"ff".repeat(32)}5f5260205ff3`, "invalid_exact_evm_eip3009_not_supported"],
    ["answers with zeros", "0x60205ff3", "invalid_exact_evm_eip3009_not_supported"],
    // It has a balance, an unused nonce and a transfer, but neither a name nor a version.
    [
      "says no EIP-712 domain",
      "0x5f3560e01c806370a08231146025578063e94a01021460355763e3ee160e146035575f80fd5b67ffffffffffffffff5f5260205ff35b60205ff3",
      "invalid_exact_evm_eip3009_not_supported",
    ],
  ] as const
).map(([what, code, reason], index) => [
  what,
  `0x${(0x0dd_a55e70 + index).toString(16).padStart(40, "0")}`,
  code,
  reason,
]);
const now = () => BigInt(Math.floor(Date.now() / 1000));

/** What is wrong, the reasons in x402 v2 and v1, and the bodies. */
type Case = readonly [name: string, v2: string, v1: string, body: () => Promise<{ two: object; one: object }>];

describe("rejections of /verify and /settle", () => {
  let lab: FacilitatorLab;
  let facilitator: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  let rich: PrivateKeyAccount;
  let poor: PrivateKeyAccount;
  let blocked: PrivateKeyAccount;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    rich = await lab.payer(1);
    poor = payerOf(2);
    blocked = await lab.payer(3);
    const data = encodeFunctionData({
      abi: mockUSDCArtifact.abi,
      functionName: "blacklist",
      args: [blocked.address],
    });
    await sender(lab.chain.request)({ from: lab.chain.accounts[0]!.address, to: lab.chain.usdc, data });
    const assets = [
      { address: lab.chain.usdc, minimum: 10n },
      { address: EMPTY_ASSET, minimum: 0n },
      { address: lab.chain.multicall3, minimum: 0n },
      ...ODD_ASSETS.map(([, address]) => ({ address, minimum: 0n })),
    ];
    for (const [, address, code] of ODD_ASSETS) await lab.chain.request("hardhat_setCode", [address, code]);
    facilitator = await lab.serve({ policy: { assets } });
  });
  after(() => lab.stop());

  /** Both versions of a payment with the same change. */
  const both = async (payer: PrivateKeyAccount, terms = {}, requirements = {}, signature?: Hex) => {
    const signed = await authorize(payer, terms);
    return {
      two: bodyV2(signed, requirements, {}, signature),
      one: bodyV1(signed, requirements, {}, signature),
    };
  };
  /** A payment signed under another EIP-712 domain, or for another token, than the token's own. */
  const foreign = async (change: { name?: string; version?: string; token?: Address }) => {
    const { token, ...domain } = change;
    const signed = await authorize(rich);
    const terms = { ...signed, ...(token === undefined ? {} : { token }) };
    const full = { name: "USDC", version: "2", ...domain };
    const again = await signAuthorization(rich, { authorization: terms, domain: full });
    return { two: bodyV2(again, { extra: full }), one: bodyV1(again, { extra: full }) };
  };

  const cases: readonly Case[] = [
    [
      "another scheme in the payload",
      "invalid_exact_evm_scheme",
      "invalid_scheme",
      async () => {
        const signed = await authorize(rich);
        return { two: bodyV2(signed, {}, { scheme: "upto" }), one: bodyV1(signed, {}, { scheme: "upto" }) };
      },
    ],
    [
      "no EIP-712 domain",
      "invalid_exact_evm_missing_eip712_domain",
      "invalid_payment_requirements",
      () => both(rich, {}, { extra: {} }),
    ],
    [
      "another network in the payload",
      "invalid_exact_evm_network_mismatch",
      "invalid_network",
      async () => {
        const signed = await authorize(rich);
        return { two: bodyV2(signed, {}, { network: "eip155:8453" }), one: bodyV1(signed, {}, { network: "base" }) };
      },
    ],
    [
      "a counterfactual wallet whose factory is not on the list",
      "eip6492_factory_not_allowed",
      "invalid_exact_evm_payload_undeployed_smart_wallet",
      async () => {
        const signed = await authorize(poor);
        const wrapped = concatHex([
          encodeAbiParameters(
            [{ type: "address" }, { type: "bytes" }, { type: "bytes" }],
            [OTHER_PAYEE, "0x1234", signed.signature],
          ),
          `0x${"6492".repeat(16)}`,
        ]);
        return { two: bodyV2(signed, {}, {}, wrapped), one: bodyV1(signed, {}, {}, wrapped) };
      },
    ],
    [
      "a signature by somebody else",
      "invalid_exact_evm_signature",
      "invalid_exact_evm_payload_signature",
      async () => {
        const other = await authorize(poor);
        return both(rich, {}, {}, other.signature);
      },
    ],
    [
      "a signature of 3 bytes",
      "invalid_exact_evm_signature",
      "invalid_exact_evm_payload_signature",
      () => both(rich, {}, {}, "0x123456"),
    ],
    [
      "another recipient",
      "invalid_exact_evm_recipient_mismatch",
      "invalid_exact_evm_payload_recipient_mismatch",
      () => both(rich, {}, { payTo: OTHER_PAYEE }),
    ],
    [
      "a deadline that is too near",
      "invalid_exact_evm_payload_authorization_valid_before",
      "invalid_exact_evm_payload_authorization_valid_before",
      () => both(rich, { validBefore: now() + 3n }),
    ],
    [
      "an authorization that is not valid yet",
      "invalid_exact_evm_payload_authorization_valid_after",
      "invalid_exact_evm_payload_authorization_valid_after",
      () => both(rich, { validAfter: now() + 60n }),
    ],
    [
      "too small a value",
      "invalid_exact_evm_payload_authorization_value_mismatch",
      "invalid_exact_evm_payload_authorization_value",
      () => both(rich, {}, { amount: "1001", maxAmountRequired: "1001" }),
    ],
    [
      "too large a value",
      "invalid_exact_evm_payload_authorization_value_mismatch",
      "invalid_exact_evm_payload_authorization_value",
      () => both(rich, {}, { amount: "999", maxAmountRequired: "999" }),
    ],
    [
      "a token name that is not the token's",
      "invalid_exact_evm_token_name_mismatch",
      "invalid_payment_requirements",
      () => foreign({ name: "Other" }),
    ],
    [
      "a token version that is not the token's",
      "invalid_exact_evm_token_version_mismatch",
      "invalid_payment_requirements",
      () => foreign({ version: "1" }),
    ],
    ["a payer without money", "invalid_exact_evm_insufficient_balance", "insufficient_funds", () => both(poor)],
    [
      "an asset that is not served",
      "invalid_payment_requirements",
      "invalid_payment_requirements",
      () => foreign({ token: OTHER_PAYEE }),
    ],
    [
      "an amount below the minimum",
      "invalid_payment_requirements",
      "invalid_payment_requirements",
      () => both(rich, { value: 9n }),
    ],
    [
      "a network that is not served",
      "invalid_network",
      "invalid_network",
      () => both(rich, {}, { network: "eip155:1" }),
    ],
    [
      "a scheme that is not served",
      "unsupported_scheme",
      "unsupported_scheme",
      () => both(rich, {}, { scheme: "upto" }),
    ],
    [
      "a Permit2 payload",
      "unsupported_payload_type",
      "invalid_payload",
      async () => {
        const { two, one } = await both(rich);
        const payload = { signature: "0x12", permit2Authorization: {} };
        return {
          two: { ...two, paymentPayload: { ...(two as { paymentPayload: object }).paymentPayload, payload } },
          one: { ...one, paymentPayload: { ...(one as { paymentPayload: object }).paymentPayload, payload } },
        };
      },
    ],
  ];

  for (const [name, v2, v1, body] of cases) {
    it(`says ${v2} to ${name}`, async () => {
      const { two, one } = await body();
      for (const [version, bodies, reason] of [
        [2, two, v2],
        [1, one, v1],
      ] as const) {
        const verified = await facilitator.verify(bodies);
        expect(verified.status).to.equal(200);
        expect(verified.body.isValid, `v${version}`).to.equal(false);
        expect(verified.body.invalidReason, `v${version} /verify`).to.equal(reason);
        const settled = await facilitator.settle(bodies);
        expect(settled.status).to.equal(200);
        expect(settled.body.success).to.equal(false);
        expect(settled.body.errorReason, `v${version} /settle`).to.equal(reason);
        expect(settled.body.transaction).to.equal("");
        expect(settled.body.network).to.be.a("string");
      }
      expect((await facilitator.journal.count()).settled).to.equal(undefined);
    });
  }

  for (const [name, words, body] of [
    ["an empty payer", "the payer has 0, of which unsettled payments take 0 and this one 1000", () => authorize(poor)],
    [
      "a nonce that was used elsewhere",
      "its nonce was used or cancelled before it was submitted",
      async () => {
        const signed = await authorize(rich);
        expect((await (await lab.serve()).settle(bodyV2(signed))).body.success).to.equal(true);
        return signed;
      },
    ],
    ["a payee whom the token blocks", "the token blocks the payee", () => authorize(rich, { to: blocked.address })],
  ] as const) {
    it(`says in the same words on /verify and on /settle what is wrong with ${name}`, async () => {
      const signed = await body();
      for (const ask of [bodyV2(signed), bodyV1(signed)]) {
        expect((await facilitator.verify(ask)).body.invalidMessage).to.equal(words);
        expect((await facilitator.settle(ask)).body.errorMessage).to.equal(words);
      }
    });
  }

  it("says asset_not_deployed_contract for an asset without code", async () => {
    const { two } = await foreign({ token: EMPTY_ASSET });
    expect((await facilitator.verify(two)).body.invalidReason).to.equal("asset_not_deployed_contract");
    expect((await facilitator.settle(two)).body.errorReason).to.equal("asset_not_deployed_contract");
  });

  it("says invalid_exact_evm_eip3009_not_supported for a contract that is not a token", async () => {
    const { two } = await foreign({ token: lab.chain.multicall3 });
    expect((await facilitator.verify(two)).body.invalidReason).to.equal("invalid_exact_evm_eip3009_not_supported");
    expect((await facilitator.settle(two)).body.errorReason).to.equal("invalid_exact_evm_eip3009_not_supported");
  });

  for (const [what, token, , reason] of ODD_ASSETS) {
    it(`says ${reason} for a contract that ${what}, and keeps good payments of the same moment`, async () => {
      const [{ two }, { one }] = await Promise.all([foreign({ token }), foreign({ token })]);
      for (const body of [two, one]) expect((await facilitator.verify(body)).status).to.equal(200);
      const good = bodyV2(await authorize(rich, { value: 10n }));
      const [odd, oddV1, fine] = await Promise.all([two, one, good].map((body) => facilitator.settle(body)));
      expect(fine?.body.success).to.equal(true);
      expect([odd?.status, oddV1?.status]).to.deep.equal([200, 200]);
      expect(odd?.body).to.include({ success: false, errorReason: reason, transaction: "" });
      expect(oddV1?.body).to.include({ success: false, transaction: "" });
    });
  }

  it("says that the simulation failed for a payer whom the token blocks, and on /settle what the token said", async () => {
    const { two, one } = await both(blocked);
    expect((await facilitator.verify(two)).body.invalidReason).to.equal(
      "invalid_exact_evm_transaction_simulation_failed",
    );
    expect((await facilitator.verify(one)).body.invalidReason).to.equal("invalid_payment");
    const { body } = await facilitator.settle(two);
    expect(body.errorReason).to.equal("invalid_exact_evm_transaction_failed");
    expect(body.errorMessage).to.equal("Blacklistable: account is blacklisted");
  });

  it("refuses a payee whom the token blocks before anything is stored, on both endpoints", async () => {
    const body = bodyV2(await authorize(rich, { to: blocked.address }));
    const reason = "invalid_exact_evm_transaction_simulation_failed";
    expect((await facilitator.verify(body)).body).to.include({ isValid: false, invalidReason: reason });
    const before = await facilitator.journal.count();
    expect((await facilitator.settle(body)).body).to.include({
      success: false,
      errorReason: reason,
      errorMessage: "the token blocks the payee",
    });
    expect(await facilitator.journal.count()).to.deep.equal(before);
  });

  it("answers 400 in the shape of each endpoint to what it cannot read", async () => {
    const signed = await authorize(rich);
    const good = bodyV2(signed);
    const { paymentPayload } = good;
    const broken: readonly [unknown, string][] = [
      ["not json", "invalid_payload"],
      ["[]", "invalid_payload"],
      [{}, "invalid_payload"],
      [{ ...good, paymentPayload: { ...paymentPayload, x402Version: 3 } }, "invalid_x402_version"],
      [bodyV2({ ...signed, nonce: "0x12" }), "invalid_payload"],
      [bodyV2(signed, { amount: "1e3" }), "invalid_payload"],
      [bodyV2(signed, { amount: 1000 }), "invalid_payload"],
      [bodyV2(signed, { amount: (2n ** 256n).toString() }), "invalid_payload"],
      [bodyV2(signed, { payTo: "0x12" }), "invalid_payload"],
      [bodyV2(signed, {}, {}, "0x123"), "invalid_payload"],
      [bodyV2(signed, {}, {}, `0x${"00".repeat(8193)}`), "invalid_payload"],
    ];
    for (const [body, reason] of broken) {
      const verified = await facilitator.verify(body);
      expect(verified.status).to.equal(400);
      expect(verified.body).to.include({ isValid: false, invalidReason: reason });
      const settled = await facilitator.settle(body);
      expect(settled.status).to.equal(400);
      expect(settled.body).to.include({ success: false, errorReason: reason, transaction: "" });
      expect(settled.body.network).to.be.a("string");
    }
  });

  it("never repeats a signature or the node's address in an answer", async () => {
    const signed = await authorize(rich, { value: 11n });
    const texts = await Promise.all(
      [bodyV2(signed, { payTo: OTHER_PAYEE }), bodyV2(signed, { payTo: 5 }), bodyV2(await authorize(poor))].map(
        async (body) => JSON.stringify([(await facilitator.verify(body)).body, (await facilitator.settle(body)).body]),
      ),
    );
    for (const text of texts) {
      expect(text).to.not.include(signed.signature.slice(2));
      expect(text).to.not.include("127.0.0.1");
    }
  });

  it("answers 413 to a body above a megabyte, and reads one just below", async () => {
    const signed = await authorize(rich);
    const padded = (length: number) => ({ ...bodyV2(signed), padding: "x".repeat(length) });
    const large = await facilitator.verify(padded(1_048_576));
    expect(large.status).to.equal(413);
    expect(large.body).to.include({ isValid: false, invalidReason: "invalid_payload" });
    expect((await facilitator.verify(padded(1_040_000))).body.isValid).to.equal(true);
  });

  it("takes addresses in any case and fields that it does not know", async () => {
    const signed = await authorize(rich, { value: 12n });
    const upper = (text: string) => `0x${text.slice(2).toUpperCase()}`;
    const odd = { ...signed, from: upper(signed.from) as Address, to: signed.to.toLowerCase() as Address };
    const { status, body } = await facilitator.verify({
      ...bodyV2(odd, { asset: upper(signed.token), payTo: upper(signed.to), someday: [1] }),
      future: { a: 1 },
    });
    expect(status).to.equal(200);
    expect(body).to.deep.equal({ isValid: true, payer: signed.from });
  });

  it("answers 429 with Retry-After above the rate limit", async () => {
    const standing = { ...lab.clock, now: () => 1_000_000 };
    const limited = await lab.serve({ clock: standing, rateLimit: { perSecond: 1, burst: 2 } });
    const body = bodyV2(await authorize(rich));
    const answers = [await limited.verify(body), await limited.verify(body), await limited.settle(body)];
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 429]);
    expect(answers[2]?.headers.get("retry-after")).to.equal("1");
    expect(answers[2]?.body).to.include({ success: false, transaction: "" });
  });

  it("refuses a payer's next payment above the unsettled cap", async () => {
    const capped = await lab.serve({ engine: { ...PATIENT, payerUnsettledCap: 1_500n } });
    const payments = await Promise.all([1_000n, 1_001n].map((value) => authorize(rich, { value })));
    const first = capped.settle(bodyV2(payments[0]!));
    await until(async () => (await capped.journal.count()).queued === 1);
    const second = await capped.settle(bodyV2(payments[1]!));
    expect(second.body.errorReason).to.equal("invalid_transaction_state");
    capped.facilitator.engine.flush();
    expect((await first).body.success).to.equal(true);
  });
});
