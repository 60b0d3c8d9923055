import { expect } from "chai";
import { connectChain } from "../../../../src/chain/client.ts";
import { claimCall } from "../../../../src/channels/calls.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../../src/channels/index.ts";
import { type DataFeeInputs, dataFee, sampleTransaction } from "../../../../src/fees/index.ts";
import { DEFAULT_KEEPER_POLICY } from "../../../../src/keeper/due/policy.ts";
import { callDataOf, claimCost, FREE_DATA, readPrices } from "../../../../src/keeper/due/prices.ts";
import { type ChainLab, openChainLab, startDataFeeNode } from "../../../helpers/chainLab.ts";
import { channelOf, idOf, rowOf } from "../../../helpers/channelPayloads.ts";
import { payerOf } from "../../../helpers/facilitator.ts";

const inputs: DataFeeInputs = {
  l1BaseFee: 10_000_000_000n,
  blobBaseFee: 1n,
  baseFeeScalar: 2_269n,
  blobBaseFeeScalar: 1_055_762n,
};

describe("readPrices", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("reads the cost of data if the chain charges for it, and adds it to a claim's cost", async () => {
    const node = await startDataFeeNode(lab.chain.rpcUrl);
    try {
      const client = await connectChain(node.rpcUrl);
      const dear = await readPrices(client, DEFAULT_KEEPER_POLICY, 5);
      expect(dear.data).to.deep.equal(callDataOf(inputs));
      const cheap = await readPrices(lab.client, DEFAULT_KEEPER_POLICY, 5);
      expect(cheap.data).to.deep.equal(FREE_DATA);
      const same = { ...cheap, gasPriceWei: dear.gasPriceWei };
      expect(claimCost(3, dear) > claimCost(3, same)).to.equal(true);
    } finally {
      await node.stop();
    }
  });

  it("is close to the real cost of a claim's data", async () => {
    const payers = Array.from({ length: 30 }, (_, seed) => payerOf(8_000 + seed));
    const rows = await Promise.all(
      payers.map((payer, i) => rowOf(payer, channelOf(payer.address, payerOf(1).address), 1_000n + BigInt(i))),
    );
    const { signature } = await rowOf(payerOf(7_999), channelOf(payerOf(7_999).address, payerOf(1).address), 1n);
    const { claimWei, rowWei } = callDataOf(inputs);
    for (const count of [1, 5, 30]) {
      const some = rows.slice(0, count);
      const effective = { channelId: idOf(some[0]!.voucher.channel), totalClaimed: 1_000n };
      const { data, gas } = claimCall(some, signature, effective);
      const call = { to: BATCH_SETTLEMENT_ADDRESS, data, gas };
      const real = dataFee(sampleTransaction(call, lab.client.chain.id), inputs);
      const expected = claimWei + rowWei * BigInt(count);
      expect(expected > (real * 9n) / 10n && expected < (real * 11n) / 10n, `${count}: ${expected} ${real}`).to.equal(
        true,
      );
    }
  });
});
