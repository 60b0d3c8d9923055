import { expect } from "chai";
import { type Address, type Hex, zeroAddress } from "viem";
import { MAX_SIGNERS_GAS } from "../../../../src/gas/budget.ts";
import type { ChannelFault, ChannelRow } from "../../../../src/journal/index.ts";
import { type ComposePort, composeClaims } from "../../../../src/keeper/calls/compose.ts";
import { DEFAULT_KEEPER_POLICY } from "../../../../src/keeper/due/policy.ts";
import { ACCEPT_ALL } from "../../../helpers/chainLab.ts";
import { type ChannelDesk, openChannelDesk } from "../../../helpers/channelDesk.ts";
import { authorizer, depositBody, idOf, rowOf } from "../../../helpers/channelPayloads.ts";

/** INVALID: uses all of its gas. */
const BURN: Hex = "0xfe";
const CHARGED = 5_000n;

describe("composeClaims: payers who sign for themselves", () => {
  let desk: ChannelDesk;
  before(async () => {
    desk = await openChannelDesk();
  });
  after(() => desk.lab.stop());

  const setCode = (address: Address, code: Hex) => desk.lab.chain.request("hardhat_setCode", [address, code]);
  const portOf = (change: Partial<ComposePort> = {}): ComposePort => ({
    client: desk.lab.client,
    maxRows: 100,
    signerGas: DEFAULT_KEEPER_POLICY.maxSignerGas,
    gasFloor: 0n,
    etherMicroUsd: 0n,
    senders: [authorizer.address],
    nowMs: 0,
    deadlineSeconds: 1n,
    ...change,
  });
  const compose = (rows: readonly ChannelRow[], change: Partial<ComposePort> = {}) =>
    composeClaims(portOf(change), { kind: "signature", key: authorizer }, rows);

  /** A channel of 10,000 units that a payer without code signs for, and its row. */
  async function opened(code?: Hex, fault?: ChannelFault): Promise<ChannelRow> {
    const { payer, config } = await desk.fresh({ payerAuthorizer: zeroAddress });
    const { body } = await desk.facilitator.settle(await depositBody(payer, config, 10_000n));
    expect(body.success).to.equal(true);
    const { signature } = await rowOf(payer, config, CHARGED);
    if (code !== undefined) await setCode(payer.address, code);
    return {
      channelId: idOf(config),
      chainId: desk.lab.client.chain.id,
      record: {
        channelId: idOf(config),
        channelConfig: config,
        chargedCumulativeAmount: CHARGED.toString(),
        signedMaxClaimable: CHARGED.toString(),
        signature,
        balance: "10000",
        totalClaimed: "0",
        withdrawRequestedAt: 0,
        refundNonce: 0,
        lastRequestTimestamp: 0,
      },
      claimed: 0n,
      earning: { day: 0, base: 0n },
      withdrawal: undefined,
      fault,
      isDeleted: false,
      unclaimedSinceMs: 0,
      version: 1,
    };
  }

  it("with code go alone, with 200,000 gas for their check on top of the claim's own", async () => {
    const { calls, bad } = await compose([await opened(ACCEPT_ALL), await opened(ACCEPT_ALL)]);
    expect([calls.length, bad]).to.deep.equal([2, []]);
    for (const { gas, proof, claims } of calls) {
      expect(gas > 300_000n && gas < 340_000n, `${gas}`).to.equal(true);
      expect([proof, claims.length]).to.deep.equal([undefined, 1]);
    }
  });

  it("whose code takes more are left out, and nothing is sent for them", async () => {
    const row = await opened(BURN);
    const { calls, bad } = await compose([row]);
    expect([calls, bad.map(({ channelId }) => channelId)]).to.deep.equal([[], [row.channelId]]);
  });

  it("are claimed with at most the gas that the claim is worth", async () => {
    const row = await opened(ACCEPT_ALL);
    // A price of ether at which 5,000 units buy almost nothing, and one at which they buy enough.
    expect(await compose([row], { etherMicroUsd: 10n ** 15n })).to.deep.equal({
      calls: [],
      bad: [{ channelId: row.channelId, reason: "ClaimCostsTooMuch" }],
    });
    expect((await compose([row], { etherMicroUsd: 10n ** 15n, gasFloor: MAX_SIGNERS_GAS })).calls).to.have.length(1);
    expect((await compose([row], { etherMicroUsd: 10n ** 6n })).calls).to.have.length(1);
  });

  it("without code go 8 to a claim that nothing else shares, and alone when their claim failed before", async () => {
    const rows: ChannelRow[] = [];
    for (let i = 0; i < 9; i += 1) rows.push(await opened());
    const faulty = await opened(undefined, { reason: "its claim failed", charged: CHARGED, atMs: 0, gas: 1n });
    const { calls } = await compose([...rows, faulty]);
    expect(calls.map(({ claims }) => claims.length)).to.deep.equal([8, 1, 1]);
    expect(calls.map(({ proof }) => proof)).to.deep.equal([undefined, undefined, undefined]);
  });
});
