import type { ServerResponse } from "node:http";
import { encodePaymentResponseHeader } from "@x402/core/http";
import { expect } from "chai";
import type { Address } from "viem";
import { type ChannelPayment, readChannelPayment } from "../../src/cli/pay/channelPayment.ts";
import { networks } from "../../src/networks.ts";
import { runCli, withFolder } from "../helpers/cli.ts";
import { channelTerms, demand, openSeller, type Seller, sellWith } from "../helpers/seller.ts";

const { caip2 } = networks.baseSepolia;
const PAYEE: Address = "0x00000000000000000000000000000000000fee97";
const PRICE = 1_000n;

/** A received payment, as it was read, with its voucher's signature. */
type Came = { readonly payment: ChannelPayment; readonly signature: string };
type Till = (response: ServerResponse, came: Came) => void;

describe("tributary pay and a seller that lies about its channel", () => {
  let seller: Seller;
  let lab: Seller["lab"];
  let url: string;
  let till: Till;
  let came: Came[] = [];
  /** Changes of an offer. */
  let terms: Record<string, unknown> = {};

  const ask = (response: ServerResponse, error = "payment required", extra: Record<string, unknown> = {}): void => {
    demand(response, url, error, { ...channelTerms(PAYEE, PRICE, extra), ...terms });
  };
  const sell: Till = (response, { payment }) => {
    const channelState = { chargedCumulativeAmount: payment.ceiling.toString() };
    sellWith(response, { extra: { chargedAmount: PRICE.toString(), channelState } });
  };
  const drop: Till = (response) => response.destroy();
  /** Refuses, and claims that `charged` was charged with the voucher of a received payment. */
  const claim =
    (charged: bigint, by: () => Came): Till =>
    (response, { payment: { channelId } }) => {
      const { payment, signature } = by();
      ask(response, "invalid_batch_settlement_evm_cumulative_amount_mismatch", {
        channelState: { channelId, chargedCumulativeAmount: charged.toString() },
        voucherState: { signedMaxClaimable: payment.ceiling.toString(), signature },
      });
    };

  before(async () => {
    seller = await openSeller(ask, (response, header) => {
      const payload = JSON.parse(Buffer.from(header, "base64").toString());
      const one = { payment: readChannelPayment(payload), signature: payload.payload.voucher.signature };
      came.push(one);
      till(response, one);
    });
    ({ lab, url } = seller);
  });
  after(() => seller.close());
  beforeEach(() => {
    came = [];
    terms = {};
  });

  const pay = (cwd: string, ...args: string[]) =>
    runCli(["pay", url, "--scheme", "batch-settlement", ...args], { cwd, env: { RPC_URL: lab.chain.rpcUrl } });
  const buy = async (cwd: string): Promise<string> => {
    const { code, stdout, stderr } = await pay(cwd);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const ceilings = () => came.map(({ payment }) => payment.ceiling);

  it("signs no voucher above one that the seller has and never answered", () =>
    withFolder(async (folder) => {
      till = sell;
      await buy(folder);
      till = drop;
      expect((await pay(folder)).code).to.equal(4);
      expect(ceilings()).to.deep.equal([1_000n, 2_000n]);

      // It claims a lower total, and once that is signed for, that it had charged the voucher anyway.
      let turn = 0;
      till = (response, one) => {
        turn += 1;
        const word = turn === 1 ? claim(500n, () => came[0]!) : claim(2_000n, () => came[1]!);
        word(response, one);
      };
      const { code, stderr } = await pay(folder);
      expect(code, stderr).to.equal(3);
      expect(stderr).to.include("It was paid, but the server did not sell");
      expect(ceilings().slice(2)).to.deep.equal([2_000n, 1_500n]);
      till = sell;
      expect((await pay(folder)).code).to.equal(3);
      expect(ceilings()).to.have.length(4);
    }));

  it("continues from the total of a seller without a memory, which costs no more", () =>
    withFolder(async (folder) => {
      till = sell;
      for (let purchase = 0; purchase < 2; purchase += 1) await buy(folder);
      till = (response, one) =>
        one.payment.ceiling === 3_000n ? claim(0n, () => came[0]!)(response, one) : sell(response, one);
      await buy(folder);
      expect(ceilings()).to.deep.equal([1_000n, 2_000n, 3_000n, 1_000n]);
    }));

  it("remembers no charge above the price, and no two charges in one", () =>
    withFolder(async (folder) => {
      till = (response, { payment }) => {
        const extra = { chargedAmount: "5000", channelState: { chargedCumulativeAmount: "5000" } };
        const receipt = { success: true, transaction: "", network: caip2, extra };
        response.writeHead(200, { "payment-response": encodePaymentResponseHeader(receipt as never) });
        response.end(`up to ${payment.ceiling}`);
      };
      for (let purchase = 0; purchase < 2; purchase += 1) {
        expect(await buy(folder)).to.equal("up to 1000\n");
      }
    }));

  it("signs one deposit if the seller changes its total once it has the deposit", () =>
    withFolder(async (folder) => {
      till = sell;
      for (let purchase = 0; purchase < 5; purchase += 1) await buy(folder);
      const deposits = () => new Set(came.flatMap(({ payment: { deposit } }) => deposit?.nonce ?? []));
      expect(deposits().size).to.equal(1);

      // The channel is empty now. The seller proves what it says next with a voucher of the payer.
      till = (response, one) =>
        one.payment.ceiling === 6_000n ? claim(4_500n, () => came[4]!)(response, one) : drop(response, one);
      expect((await pay(folder)).code).to.equal(4);
      expect(ceilings().slice(5)).to.deep.equal([6_000n, 5_500n]);
      expect(came[6]?.payment.deposit).to.deep.equal(came[5]?.payment.deposit);

      till = claim(4_000n, () => came[4]!);
      for (let run = 0; run < 2; run += 1) {
        const { code, stderr } = await pay(folder);
        expect(code, stderr).to.equal(3);
        expect(stderr).to.include("The server did not sell");
      }
      expect(deposits().size).to.equal(2);
      till = sell;
      await buy(folder);
      expect(ceilings().slice(7)).to.deep.equal([5_500n, 5_500n, 5_500n]);
    }));

  it("counts the deposit that came with a payment which was charged but not served", () =>
    withFolder(async (folder) => {
      till = (response, one) => claim(one.payment.ceiling, () => one)(response, one);
      const paid = await pay(folder);
      expect(paid.code, paid.stderr).to.equal(3);
      expect(paid.stderr).to.include("It was paid, but the server did not sell");
      till = sell;
      const { code, stderr } = await pay(folder, "--again");
      expect(code, stderr).to.equal(0);
      expect(came.map(({ payment: { deposit } }) => deposit?.amount)).to.deep.equal([5_000n, undefined]);
    }));

  for (const [scheme, why] of [
    ["exact", "The payment that the server asks for cannot be kept; nothing was paid."],
    ["batch-settlement", "What the server asks for cannot be signed; nothing was paid."],
  ] as const) {
    it(`says if it cannot pay what an offer asks for, with the scheme ${scheme}`, () =>
      withFolder(async (folder) => {
        // An address with a wrong checksum.
        terms = { scheme, payTo: "0x00000000000000000000000000000000000feE97" };
        const { code, stderr } = await pay(folder, "--scheme", scheme);
        expect(code, stderr).to.equal(1);
        expect(stderr).to.include(why).and.include("0x00000000000000000000000000000000000feE97");
        expect(came).to.have.length(0);
      }));
  }
});
