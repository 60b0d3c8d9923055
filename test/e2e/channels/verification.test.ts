import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import { expect } from "chai";
import { createVerificationReads } from "../../../src/facilitator/node/reads.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { type ChannelDesk, type Deep, ERR, openChannelDesk } from "../../helpers/channelDesk.ts";
import {
  bodyOf,
  type ChannelBody,
  claimBody,
  depositBody,
  idOf,
  rowOf,
  voucherBody,
} from "../../helpers/channelPayloads.ts";
import { payerOf } from "../../helpers/facilitator.ts";

describe("batch-settlement on the facilitator: verification", () => {
  let desk: ChannelDesk;
  before(async () => {
    desk = await openChannelDesk();
  });
  after(() => desk.lab.stop());

  /** The official class on the same chain, without anything of this project around it. */
  const official = async (body: ChannelBody) => {
    const { signer } = createVerificationReads(desk.lab.client, { simulate: true, addresses: () => [] });
    return new BatchSettlementEvmScheme(signer).verify(body.paymentPayload, body.paymentRequirements);
  };
  type Change = (body: { paymentPayload: { payload: Deep; accepted: Deep }; paymentRequirements: Deep }) => void;
  const inConfig = (change: Deep): Change => {
    return ({ paymentPayload }) => Object.assign(paymentPayload.payload.channelConfig as Deep, change);
  };
  const inRequirements = (change: Deep): Change => {
    return ({ paymentRequirements }) => Object.assign(paymentRequirements, change);
  };
  const inExtra = (change: Deep): Change => {
    return ({ paymentRequirements }) => Object.assign(paymentRequirements.extra as Deep, change);
  };
  const inDeposit = (change: Deep): Change => {
    return ({ paymentPayload }) => {
      const { authorization } = paymentPayload.payload.deposit as { authorization: { erc3009Authorization: Deep } };
      Object.assign(authorization.erc3009Authorization, change);
    };
  };
  const wrong: readonly [string, string, Change][] = [
    ["another salt", "channel_id_mismatch", inConfig({ salt: `0x${"11".repeat(32)}` })],
    ["another payee", "receiver_mismatch", inRequirements({ payTo: freshAddress(1) })],
    ["another authorizer", "receiver_authorizer_mismatch", inExtra({ receiverAuthorizer: freshAddress(1) })],
    ["another delay", "withdraw_delay_mismatch", inExtra({ withdrawDelay: 901 })],
    ["no domain of the token", "missing_eip712_domain", inExtra({ name: undefined })],
    ["an expired authorization", "payload_authorization_valid_before", inDeposit({ validBefore: "1" })],
    ["an early authorization", "payload_authorization_valid_after", inDeposit({ validAfter: "4102444800" })],
    ["another signature", "receive_authorization_signature", inDeposit({ signature: `0x${"11".repeat(65)}` })],
  ];
  for (const [what, name, change] of wrong) {
    it(`refuses a deposit with ${what} as the official class does`, async () => {
      const { facilitator, fresh } = desk;
      const { payer, config } = await fresh();
      const body = structuredClone(await depositBody(payer, config, 10_000n));
      change(body as unknown as Parameters<Change>[0]);
      const answer = await facilitator.verify(body);
      expect(answer.status).to.equal(200);
      expect(answer.body).to.include({ isValid: false, invalidReason: ERR(name), payer: payer.address });
      expect((await official(body)).invalidReason).to.equal(ERR(name));
      expect((await facilitator.settle(body)).body).to.include({ success: false, errorReason: ERR(name) });
    });
  }

  it("judges vouchers and refunds as the official class does, and returns the channel", async () => {
    const { facilitator, fresh, funded } = desk;
    const { payer, config } = await funded();
    const other = await fresh();
    const bodies = [
      await voucherBody(payer, config, 1_000n),
      await voucherBody(payer, config, 10_001n),
      await voucherBody(payerOf(1), config, 1_000n),
      await voucherBody(other.payer, other.config, 1_000n),
    ];
    const answers = await Promise.all(bodies.map((body) => facilitator.verify(body)));
    expect(answers.map(({ body }) => body.invalidReason)).to.deep.equal([
      undefined,
      ERR("cumulative_exceeds_balance"),
      ERR("voucher_signature"),
      ERR("channel_not_found"),
    ]);
    expect(answers[0]?.body.extra).to.deep.equal({
      channelId: idOf(config),
      balance: "10000",
      totalClaimed: "0",
      withdrawRequestedAt: 0,
      refundNonce: "0",
    });
    for (const [index, body] of bodies.entries()) {
      expect((await official(body)).invalidReason).to.equal(answers[index]?.body.invalidReason);
    }
    await facilitator.settle(await claimBody([await rowOf(payer, config, 1_000n)], true));
    expect((await facilitator.verify(bodies[0])).body.invalidReason).to.equal(ERR("cumulative_below_claimed"));
    const refund = structuredClone(bodies[0]) as unknown as { paymentPayload: { payload: Deep } };
    refund.paymentPayload.payload.type = "refund";
    expect((await facilitator.verify(refund)).body.isValid).to.equal(true);
  });

  it("names what is malformed, and never answers 500", async () => {
    const { facilitator, fresh } = desk;
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    const { payload } = body.paymentPayload;
    const { channelConfig: _, ...unnamed } = payload;
    const row = await rowOf(payer, config, 1n);
    const cases: readonly [unknown, string][] = [
      [bodyOf(config, { type: "gift" }), "payload_type"],
      [bodyOf(config, unnamed), "deposit_payload"],
      [bodyOf(config, { ...payload, deposit: { amount: "-1", authorization: {} } }), "deposit_payload"],
      [
        bodyOf(config, { ...payload, deposit: { amount: "1", authorization: { permit2Authorization: {} } } }),
        "erc3009_authorization_required",
      ],
      [bodyOf(config, { type: "claim", claims: [] }), "claim_payload"],
      [bodyOf(config, { type: "claim", claims: new Array(201).fill(row) }), "claim_payload"],
      [bodyOf(config, { type: "settle", receiver: "me", token: config.token }), "settle_payload"],
      [bodyOf(config, { type: "refund", channelConfig: config }), "refund_payload"],
      [bodyOf(config, { type: "voucher", channelConfig: config }), "payload_type"],
    ];
    for (const [one, name] of cases) {
      // Bigints occur in the rows that are refused because there are too many.
      const text = JSON.stringify(one, (__, value) => (typeof value === "bigint" ? value.toString() : value));
      const answer = await facilitator.settle(JSON.parse(text));
      expect([answer.status, answer.body.errorReason], name).to.deep.equal([200, ERR(name)]);
    }
    const strange = await facilitator.verify({
      ...body,
      paymentRequirements: { ...body.paymentRequirements, extra: { receiverAuthorizer: 5 } },
    });
    expect([strange.status, strange.body.isValid]).to.deep.equal([200, false]);
    const token = await facilitator.verify({
      ...body,
      paymentRequirements: { ...body.paymentRequirements, asset: freshAddress(1) },
    });
    expect(token.body.invalidReason).to.equal("invalid_payment_requirements");
  });

  it("does not answer for a node that is down", async () => {
    const { lab, facilitator, fresh } = desk;
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    const { call } = lab.client;
    Object.assign(lab.client, {
      call: () => Promise.reject(new Error("away")),
    });
    try {
      const answer = await facilitator.verify(body);
      expect([answer.status, answer.body.invalidReason]).to.deep.equal([503, "unexpected_verify_error"]);
    } finally {
      Object.assign(lab.client, { call });
    }
  });
});
