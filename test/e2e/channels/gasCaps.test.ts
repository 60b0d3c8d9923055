import { expect } from "chai";
import { type Address, concatHex, type Hex } from "viem";
import { connectChain } from "../../../src/chain/client.ts";
import { findBadRows, MAX_CLAIM_CALLS, NOT_EXAMINED } from "../../../src/chain/sending/claims.ts";
import type { VoucherClaim } from "../../../src/channels/index.ts";
import { ACCEPT_ALL, freshAddress, startFaultyNode } from "../../helpers/chainLab.ts";
import { type ChannelDesk, ERR, openChannelDesk } from "../../helpers/channelDesk.ts";
import { claimBody, depositBody, idOf, rowOf } from "../../helpers/channelPayloads.ts";
import { payerOf } from "../../helpers/facilitator.ts";

/** Counts down from 400,000, which takes 10 million gas, and then accepts any signature. */
const LOOP: Hex = concatHex(["0x62061a805b60019003806004575b50", ACCEPT_ALL]);

describe("batch-settlement on the facilitator: gas that strangers may take", () => {
  let desk: ChannelDesk;
  before(async () => {
    desk = await openChannelDesk();
  });
  after(() => desk.lab.stop());

  const setCode = (address: Address, code: Hex) => desk.lab.chain.request("hardhat_setCode", [address, code]);
  const openedWith = async (changes: Parameters<ChannelDesk["fresh"]>[0]) => {
    const channel = await desk.fresh(changes);
    const { body } = await desk.facilitator.settle(await depositBody(channel.payer, channel.config, 10_000n));
    expect(body.success).to.equal(true);
    return channel;
  };

  it("spends none of it on claims whose authorizer loops, and little on one that answers at once", async () => {
    const { facilitator, sentBy, lab } = desk;
    const looper = freshAddress(70_001);
    const { payer, config } = await openedWith({ receiverAuthorizer: looper });
    await setCode(looper, LOOP);
    const sent = await sentBy(async () => {
      for (const total of [1n, 2n, 3n]) {
        const { body } = await facilitator.settle(await claimBody([await rowOf(payer, config, total)], true));
        expect(body).to.include({ success: false, errorReason: ERR("claim_simulation_failed") });
      }
    });
    expect(sent).to.equal(0);

    await setCode(looper, ACCEPT_ALL);
    const { body } = await facilitator.settle(await claimBody([await rowOf(payer, config, 3n)], true));
    expect(body.success).to.equal(true);
    const { gas } = await lab.client.getTransaction({ hash: body.transaction as Hex });
    expect(gas < 330_000n, `${gas}`).to.equal(true);
  });

  it("spends none of it on a deposit of a wallet that loops", async () => {
    const { facilitator, fresh, sentBy } = desk;
    const { payer, config } = await fresh({ payerAuthorizer: payerOf(9_900).address });
    const body = await depositBody(payer, config, 10_000n);
    await setCode(payer.address, LOOP);
    const sent = await sentBy(async () => expect((await facilitator.settle(body)).body.success).to.equal(false));
    expect(sent).to.equal(0);
  });

  it("spends no more on a claim than it is worth, above the floor, if ether has a price", async () => {
    const { lab, funded } = desk;
    const { payer, config } = await funded();
    const body = await claimBody([await rowOf(payer, config, 1n)], true);
    const etherMicroUsd = 3_000_000_000n;
    const strict = await lab.serve({ policy: { etherMicroUsd, gasFloor: 0n } });
    const refused = await strict.settle(body);
    expect(refused.body).to.include({ success: false, errorReason: ERR("claim_simulation_failed") });
    expect(refused.body.errorMessage).to.match(
      /^it may take [0-9]+ gas, more than the [0-9]+ allowed for what it moves$/,
    );
    const usual = await lab.serve({ policy: { etherMicroUsd } });
    expect((await usual.settle(body)).body.success).to.equal(true);
  });

  describe("findBadRows", () => {
    /** How many eth_calls it takes. */
    async function counted<T>(work: (client: Awaited<ReturnType<typeof connectChain>>) => Promise<T>) {
      let calls = 0;
      const node = await startFaultyNode(desk.lab.chain.rpcUrl, ({ method }) => {
        if (method === "eth_call") calls += 1;
        return "pass";
      });
      try {
        const client = await connectChain(node.rpcUrl, { pollingIntervalMs: 20 });
        calls = 0;
        return { result: await work(client), calls };
      } finally {
        await node.stop();
      }
    }

    it("finds 200 bad rows with 2 eth_calls", async () => {
      const { payer, config } = await desk.funded();
      const good = await rowOf(payer, config, 200n);
      const rows: VoucherClaim[] = Array.from({ length: 200 }, (_, i) => {
        return { ...good, voucher: { ...good.voucher, maxClaimableAmount: BigInt(200 + i) }, totalClaimed: 150n };
      });
      const { result, calls } = await counted((client) => findBadRows(client, rows.slice(1)));
      expect(result).to.have.length(199);
      expect(new Set(result.map(({ reason }) => reason))).to.deep.equal(new Set(["InvalidSignature"]));
      expect(calls).to.equal(2);
      const mixed = await counted((client) => findBadRows(client, rows));
      expect(mixed.result.map(({ index }) => index)).to.not.include(0);
      expect(mixed.calls).to.equal(3);
    });

    it("asks 16 times about wallets that spoil a claim, and leaves the rows of keys alone", async () => {
      const rows: VoucherClaim[] = [];
      const { payer, config } = await desk.funded();
      const spoilt = await openedWith({ payerAuthorizer: "0x0000000000000000000000000000000000000000" });
      const wallet = await rowOf(spoilt.payer, spoilt.config, 500n);
      for (let i = 0; i < 40; i += 1) rows.push(i % 2 === 0 ? wallet : await rowOf(payer, config, BigInt(i + 1)));
      // INVALID, which uses all gas at once.
      await setCode(spoilt.payer.address, "0xfe");
      const { result, calls } = await counted((client) => findBadRows(client, rows));
      expect(result.map(({ index }) => index)).to.deep.equal(Array.from({ length: 20 }, (_, i) => 2 * i));
      expect(result.map(({ reason }) => reason)).to.include(NOT_EXAMINED);
      expect(calls).to.be.at.most(MAX_CLAIM_CALLS + 3);
      expect(idOf(config)).to.not.equal(idOf(spoilt.config));
    });
  });
});
