import type { ServerResponse } from "node:http";
import { expect } from "chai";
import { type Address, getAddress } from "viem";
import { type CliResult, runCli, withFolder } from "../helpers/cli.ts";
import { channelTerms, demand, openSeller, type Seller, sellWith } from "../helpers/seller.ts";

const A = getAddress("0x000000000000000000000000000000000000fe91");
const B = getAddress("0x000000000000000000000000000000000000fe92");
const PRICE = 1_000n;

/** A received voucher, and the payee of its channel. */
type Came = {
  readonly type: "deposit" | "voucher" | "refund";
  readonly receiver: Address;
  readonly channelId: string;
  readonly ceiling: bigint;
  readonly signature: string;
};

describe("tributary pay --refund and a seller that lies", () => {
  let seller: Seller;
  let lab: Seller["lab"];
  let url: string;
  let came: Came[] = [];
  /** The payee of each answer in turn; the last one answers all further requests. */
  let payees: Address[] = [];
  let refund: (response: ServerResponse, came: Came) => void;

  const ask = (response: ServerResponse, payTo: Address, error: string, extra: Record<string, unknown> = {}): void => {
    demand(response, url, error, channelTerms(payTo, PRICE, extra));
  };

  before(async () => {
    const askWhomToPay = (response: ServerResponse): void =>
      ask(response, (payees.length > 1 ? payees.shift() : payees[0]) ?? A, "payment required");
    seller = await openSeller(askWhomToPay, (response, header) => {
      const { type, voucher, channelConfig } = JSON.parse(Buffer.from(header, "base64").toString()).payload;
      const one: Came = {
        type,
        receiver: getAddress(channelConfig.receiver),
        channelId: voucher.channelId,
        ceiling: BigInt(voucher.maxClaimableAmount),
        signature: voucher.signature,
      };
      came.push(one);
      if (type === "refund") return refund(response, one);
      const channelState = { chargedCumulativeAmount: one.ceiling.toString() };
      sellWith(response, { extra: { chargedAmount: PRICE.toString(), channelState } });
    });
    ({ lab, url } = seller);
  });
  after(() => seller.close());
  beforeEach(() => {
    came = [];
  });

  const pay = (cwd: string, ...args: string[]): Promise<CliResult> =>
    runCli(["pay", url, "--scheme", "batch-settlement", ...args], { cwd, env: { RPC_URL: lab.chain.rpcUrl } });
  /** Leaves 4 prices charged in the channel to A and one in the channel to B. */
  const buy = async (cwd: string): Promise<void> => {
    for (const payee of [A, A, A, A, B]) {
      payees = [payee];
      const { code, stderr } = await pay(cwd);
      expect(code, stderr).to.equal(0);
    }
    expect(most(A)).to.equal(4n * PRICE);
    expect(most(B)).to.equal(PRICE);
  };
  const most = (receiver: Address): bigint =>
    came.reduce((most, one) => (one.receiver === receiver && one.ceiling > most ? one.ceiling : most), 0n);

  it("signs for the channel of the first answer, whatever payee later ones name", () =>
    withFolder(async (folder) => {
      await buy(folder);
      payees = [A, B];
      refund = (response) => response.writeHead(402).end();
      const { code, stderr } = await pay(folder, "--refund");
      expect(code, stderr).to.equal(3);
      expect(came.filter(({ type }) => type === "refund")).to.have.lengthOf(1);
      expect(most(B)).to.equal(PRICE);
      expect(most(A)).to.equal(4n * PRICE);
    }));

  it("signs nothing more if it is told what was charged in another channel", () =>
    withFolder(async (folder) => {
      await buy(folder);
      payees = [B];
      const proof = came[3]!;
      refund = (response) =>
        ask(response, A, "invalid_batch_settlement_evm_cumulative_amount_mismatch", {
          channelState: { channelId: proof.channelId, chargedCumulativeAmount: proof.ceiling.toString() },
          voucherState: { signedMaxClaimable: proof.ceiling.toString(), signature: proof.signature },
        });
      const { code, stderr } = await pay(folder, "--refund");
      expect(code, stderr).to.equal(3);
      expect(most(B)).to.equal(PRICE);
    }));

  for (const [what, receipt] of Object.entries({
    "names a sum": { amount: "4000", transaction: `0x${"12".repeat(32)}` },
    "names no number": { amount: "all of it", transaction: "\u001b[2J" },
  })) {
    it(`believes no refund that the chain does not show, if the seller ${what}`, () =>
      withFolder(async (folder) => {
        payees = [A];
        expect((await pay(folder)).code).to.equal(0);
        refund = (response) => sellWith(response, receipt);
        const { code, stdout, stderr } = await pay(folder, "--refund");
        expect(code, stderr).to.equal(4);
        expect(stdout).to.equal("");
        expect(stderr).to.include("The seller says that it refunded the channel, but the chain does not show it.");
        expect(stderr).not.to.include("\u001b");
      }));
  }
});
