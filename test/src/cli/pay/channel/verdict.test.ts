import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from "@x402/core/http";
import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { channelIdOf, voucherTypedData } from "../../../../../src/channels/index.ts";
import { judge } from "../../../../../src/cli/pay/channel/verdict.ts";
import { type ChannelPayment, headersOf, readChannelPayment } from "../../../../../src/cli/pay/channelPayment.ts";
import type { Answer } from "../../../../../src/cli/pay/request.ts";
import { networks } from "../../../../../src/networks.ts";
import { channelOf, depositBody, voucherBody } from "../../../../helpers/channelPayloads.ts";

const { chainId, caip2 } = networks.baseSepolia;
const payer = privateKeyToAccount(`0x${"7".repeat(64)}`);
const stranger = privateKeyToAccount(`0x${"6".repeat(64)}`);
const config = channelOf(payer.address, "0x00000000000000000000000000000000000FeE71");
const channelId = channelIdOf(chainId, config);

describe("judge", () => {
  let payment: ChannelPayment;
  before(async () => {
    payment = readChannelPayment((await voucherBody(payer, config, 3_000n)).paymentPayload);
  });

  const answer = (status: number, headers: Record<string, string> = {}): Answer => {
    return { status, ok: status < 300, headers: new Headers(headers), body: "{}" };
  };
  const receipt = (extra: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
    "payment-response": encodePaymentResponseHeader({
      success: true,
      transaction: "",
      network: caip2,
      extra,
      ...rest,
    } as never),
  });
  type Shown = { readonly charged: bigint; readonly ceiling: bigint; readonly by?: typeof payer; readonly id?: string };
  const correctionOf = async ({ charged, ceiling, by = payer, id = channelId }: Shown): Promise<Answer> => {
    const voucherState = {
      signedMaxClaimable: ceiling.toString(),
      signature: await by.signTypedData(voucherTypedData(chainId, channelId, ceiling)),
    };
    const channelState = { channelId: id, chargedCumulativeAmount: charged.toString() };
    const accepts = [{ scheme: "exact" }, { scheme: "batch-settlement", extra: { channelState, voucherState } }];
    const error = "invalid_batch_settlement_evm_cumulative_amount_mismatch";
    const required = { x402Version: 2, error, resource: { url: "http://127.0.0.1/", description: "", mimeType: "" } };
    return answer(402, { "payment-required": encodePaymentRequiredHeader({ ...required, accepts } as never) });
  };

  it("reads what a sale charged, up to the price", async () => {
    for (const [charged, inAll, expected] of [
      ["1000", "3000", 3_000n],
      ["0", "2000", 2_000n],
      ["250", undefined, 2_250n],
      ["1001", "3001", undefined],
      ["1000", "2999", undefined],
      ["-1", "1999", undefined],
      [undefined, "3000", undefined],
    ] as const) {
      const extra = { chargedAmount: charged, channelState: { chargedCumulativeAmount: inAll } };
      const verdict = await judge(answer(200, receipt(extra)), payment);
      expect(verdict, `${charged} ${inAll}`).to.deep.equal({
        status: "sold",
        charged: expected,
        transaction: undefined,
      });
    }
    expect(await judge(answer(200), payment)).to.deep.include({ status: "sold", charged: undefined });
  });

  it("believes a seller only with a voucher of the payer as proof", async () => {
    const proven = await judge(await correctionOf({ charged: 3_000n, ceiling: 3_000n }), payment);
    expect(proven).to.deep.include({ status: "corrected", correction: { charged: 3_000n, ceiling: 3_000n } });
    for (const lie of [
      { charged: 3_001n, ceiling: 3_000n },
      { charged: 3_000n, ceiling: 3_000n, by: stranger },
      { charged: 3_000n, ceiling: 3_000n, id: `0x${"1".repeat(64)}` },
      { charged: 2n ** 128n, ceiling: 2n ** 128n - 1n },
    ]) {
      expect(await judge(await correctionOf(lie), payment)).to.include({ status: "refused" });
    }
  });

  it("calls unknown what may still be charged", async () => {
    const pending = receipt({}, { success: false, errorReason: "settlement_pending", transaction: "0x12" });
    const busy = receipt({}, { success: false, errorReason: "invalid_batch_settlement_evm_channel_busy" });
    for (const unclear of [{ lost: "it was interrupted" }, answer(502), answer(402, pending), answer(402, busy)]) {
      expect(await judge(unclear, payment)).to.include({ status: "unknown" });
    }
    expect(await judge(answer(404), payment)).to.deep.equal({ status: "refused", why: "status 404" });
  });
});

describe("readChannelPayment", () => {
  it("reads a deposit and the voucher that comes with it, which may also be sent alone", async () => {
    const { paymentPayload } = await depositBody(payer, config, 50_000n, 3_000n);
    const payment = readChannelPayment(paymentPayload);
    expect(payment).to.deep.include({ channelId, config, price: 1_000n, ceiling: 3_000n });
    expect(payment.deposit?.amount).to.equal(50_000n);
    const alone = { ...(await voucherBody(payer, config, 3_000n)).paymentPayload };
    expect(payment.voucherHeaders).to.deep.equal(headersOf(alone));
    expect(readChannelPayment(alone)).to.deep.include({ channelId, ceiling: 3_000n, deposit: undefined });
  });

  it("refuses terms of another channel", async () => {
    const { paymentPayload } = await voucherBody(payer, config, 3_000n);
    const payload = { ...paymentPayload.payload, channelConfig: { ...config, withdrawDelay: 901 } };
    expect(() => readChannelPayment({ ...paymentPayload, payload })).to.throw("It contradicts itself.");
  });
});
