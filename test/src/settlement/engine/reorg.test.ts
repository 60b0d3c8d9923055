import { expect } from "chai";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../../src/chain/client.ts";
import { openJournal } from "../../../../src/journal/index.ts";
import type { BatchRow } from "../../../../src/journal/ports/batches.ts";
import type { Journal } from "../../../../src/journal/ports/journal.ts";
import type { HistoryRow, PaymentRow } from "../../../../src/journal/ports/payments.ts";
import { type PaymentTerms, signPayment } from "../../../../src/local/payments.ts";
import { createSettlementEngine } from "../../../../src/settlement/engine/engine.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine/types.ts";
import { type Anvil, CHAIN_ID, startAnvil } from "../../../helpers/anvil.ts";
import { startPacedClock } from "../../../helpers/pacedClock.ts";
import { until } from "../../../helpers/until.ts";

const SPEED = 20;
const GENESIS_SECONDS = 1_900_000_000;
const SECONDS_PER_BLOCK = 2;
const PAYEE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

describe("reorgs and finality", () => {
  let anvil: Anvil;
  let snapshot: unknown;
  let lab: Lab;

  before(async () => {
    // The final block is 16 behind the newest one: no reorg of these tests is as deep.
    anvil = await startAnvil({ timestamp: BigInt(GENESIS_SECONDS), slotsPerEpoch: 8 });
    snapshot = await anvil.request("evm_snapshot");
  });
  after(() => anvil?.stop());
  beforeEach(async () => {
    await anvil.request("evm_revert", [snapshot]);
    await anvil.request("anvil_dropAllTransactions");
    snapshot = await anvil.request("evm_snapshot");
    lab = await openLab(anvil);
  });
  afterEach(() => lab.close());

  for (const depth of [1, 2, 3, 4, 5]) {
    it(`keeps a payment settled whose transaction is in the new branch of a reorg of depth ${depth}`, async () => {
      const payment = await lab.settle();
      await lab.mine(depth - 1);
      const batch = await lab.batchOf(payment);
      // In another block of the new branch than before.
      await lab.reorg(depth, [[batch.attempts[0]!.raw, depth - 1]]);
      await lab.mine(1);

      const again = await lab.until(payment.id, (row) => {
        return row.state === "settled" && lab.blockHashOf(row) !== lab.blockHashOf(payment);
      });
      expect(lab.hashOf(again)).to.equal(lab.hashOf(payment));
      expect(await lab.isOnChain(again)).to.equal(true);
      expect((await lab.batchOf(again)).attempts).to.have.length(1);
      expect(await lab.stepsOf(payment)).to.include("settled>submitted reorg");
      expect(await lab.paid()).to.equal(1_000n);
    });

    it(`hands out the same bytes if a reorg of depth ${depth} leaves the transaction out`, async () => {
      const payment = await lab.settle();
      await lab.mine(depth - 1);
      await lab.reorg(depth, []);

      const again = await lab.mineUntil(payment.id, (row) => {
        return row.state === "settled" && lab.blockHashOf(row) !== lab.blockHashOf(payment);
      });
      expect(lab.hashOf(again), "the same bytes").to.equal(lab.hashOf(payment));
      expect(await lab.isOnChain(again)).to.equal(true);
      expect(await lab.stepsOf(payment)).to.include("settled>submitted reorg");
      expect(await lab.paid()).to.equal(1_000n);
    });

    it(`queues payments again if a foreign transaction has their txNonce after a reorg of depth ${depth}`, async () => {
      const payment = await lab.settle();
      await lab.mine(depth - 1);
      const first = await lab.batchOf(payment);
      await lab.reorg(depth, [[await lab.signForeign(first.txNonce), 0]]);

      const again = await lab.mineUntil(payment.id, (row) => row.state === "settled" && row.batchId !== first.id);
      const second = await lab.batchOf(again);
      expect(second.txNonce).to.equal(first.txNonce + 1);
      expect((await lab.journal.batch(first.id))?.state).to.equal("lost");
      expect(await lab.isOnChain(again)).to.equal(true);
      const steps = await lab.stepsOf(payment);
      const way = [
        "settled>submitted reorg",
        "submitted>queued returned",
        "queued>batched batch",
        "submitted>settled transfer",
      ];
      expect(steps.slice(steps.indexOf("settled>submitted reorg")).filter((step) => way.includes(step))).to.deep.equal(
        way,
      );
      expect(await lab.paid()).to.equal(1_000n);
    });
  }

  it("gives nothing back before the foreign transaction is as deep as the policy asks", async () => {
    const payment = await lab.settle();
    const first = await lab.batchOf(payment);
    await lab.reorg(1, [[await lab.signForeign(first.txNonce), 0]]);
    await lab.until(payment.id, (row) => row.state === "submitted");
    // Blocks on top of it: one less than a depth of three.
    await lab.mine(1);
    await lab.rest();
    expect((await lab.journal.payment(payment.id))?.state).to.equal("submitted");
    await lab.mine(1);
    await lab.until(payment.id, (row) => row.state !== "submitted");
  });

  it("raises a settlement from included to safe to final as the chain becomes sure of its block", async () => {
    const payment = await lab.settle();
    expect(lab.levelOf(payment)).to.equal("included");
    // Safe is 8 blocks behind, final 16: the block before is not enough.
    await lab.mine(7);
    await lab.rest();
    expect(lab.levelOf(await lab.journal.payment(payment.id))).to.equal("included");
    await lab.mine(1);
    await lab.until(payment.id, (row) => lab.levelOf(row) === "safe");
    await lab.mine(7);
    await lab.rest();
    expect(lab.levelOf(await lab.journal.payment(payment.id))).to.equal("safe");
    await lab.mine(1);
    const final = await lab.until(payment.id, (row) => lab.levelOf(row) === "final");
    expect((await lab.batchOf(final)).state).to.equal("final");
    expect((await lab.stepsOf(payment)).filter((step) => step === "settled>settled transfer")).to.have.length(2);
  });

  it("proves that a payment can never settle only at a final block", async () => {
    // It is valid for less than the safety margin, so it is never sent.
    const validBefore = (await lab.chainSeconds()) + 100n;
    const payment = await lab.accept({ validBefore, validAfter: validBefore - 4n });
    // No more blocks than that: the engine may be slow, and the one that proves it must not be final yet.
    while ((await lab.chainSeconds()) < validBefore) await lab.mine(1);
    const expired = await lab.until(payment.id, (row) => row.state === "expired");
    expect(expired.evidence).to.include({ kind: "deadline", final: false });

    let proved: PaymentRow | undefined;
    while (proved === undefined) {
      const final = await lab.blockAt("finalized");
      await lab.rest();
      const row = await lab.journal.payment(payment.id);
      const isProved = row?.evidence.kind === "deadline" && row.evidence.final;
      if (final.timestamp < validBefore) expect(isProved, `final block at ${final.timestamp}`).to.equal(false);
      if (isProved) proved = row;
      else await lab.mine(1);
    }
    expect(proved.state).to.equal("expired");
    const { evidence } = proved;
    if (evidence.kind !== "deadline") throw new Error("no negative proof");
    expect(evidence.blockTimestamp >= validBefore).to.equal(true);
    expect(evidence.blockNumber <= (await lab.blockAt("finalized")).number).to.equal(true);
    expect(await lab.paid()).to.equal(0n);
  });
});

type Lab = Awaited<ReturnType<typeof openLab>>;

/** An engine on a node that mines only when told to. The engine's time runs up to twenty times as fast as real time. */
async function openLab(anvil: Anvil) {
  const client = await connectChain(anvil.rpcUrl, { expectedChainId: CHAIN_ID });
  const journal: Journal = await openJournal(":memory:");
  const [, payer, , , , sending] = anvil.accounts;
  if (payer === undefined || sending === undefined) throw new Error("accounts missing");
  const account = privateKeyToAccount(sending.privateKey);
  const startMs = GENESIS_SECONDS * 1000;
  const clock = startPacedClock(() => anvil.request("eth_chainId"), { startMs, speed: SPEED });
  const engine: SettlementEngine = await createSettlementEngine({
    journal,
    chain: { client },
    senders: [account],
    clock,
    policy: {
      confirmations: 1,
      lossConfirmations: 3,
    },
    pace: {
      lingerMs: 200,
      rebroadcastAfterMs: 3_000,
      // Never within these tests, so that the same bytes are what is mined.
      replaceAfterMs: 10_000_000,
      pollMs: 400,
    },
  });
  const payeeBalance = async (): Promise<bigint> => {
    const data = `0x70a08231${PAYEE.slice(2).toLowerCase().padStart(64, "0")}`;
    return BigInt(String(await anvil.request("eth_call", [{ to: anvil.usdc, data }, "latest"])));
  };
  const before = await payeeBalance();
  let timestamp = (await blockAt("latest")).timestamp;

  async function blockAt(tag: "latest" | "finalized"): Promise<{ number: bigint; timestamp: bigint }> {
    const { number, timestamp } = await client.getBlock({ blockTag: tag });
    return { number, timestamp };
  }
  async function mine(blocks: number): Promise<void> {
    for (let i = 0; i < blocks; i += 1) {
      timestamp += BigInt(SECONDS_PER_BLOCK);
      await anvil.request("evm_mine", [Number(timestamp)]);
    }
  }
  /** Reads a payment until it is as wanted, and does `between` between two reads. */
  const watch = (id: number, wanted: (row: PaymentRow) => boolean, between = async () => undefined as unknown) =>
    until(
      async () => {
        const row = await journal.payment(id);
        if (row !== undefined && wanted(row)) return row;
        await between();
      },
      `what payment ${id} is to become: ${String(wanted)}`,
    );
  async function accept(terms: Partial<PaymentTerms> = {}): Promise<PaymentRow> {
    const now = (await blockAt("latest")).timestamp;
    const authorization = await signPayment(
      payer!.privateKey,
      { to: PAYEE, value: 1_000n, validForSeconds: 100_000, ...terms },
      now,
    );
    const [admission] = await engine.accept([{ authorization }]);
    if (admission?.status !== "accepted") throw new Error(`refused: ${admission?.reason}`);
    return admission.row;
  }
  async function stepsOf({ id }: Pick<PaymentRow, "id">): Promise<string[]> {
    return (await journal.history(id)).map(
      ({ from, to, evidence }: HistoryRow) => `${from ?? ""}>${to} ${evidence.kind}`,
    );
  }
  return {
    journal,
    mine,
    accept,
    until: (id: number, wanted: (row: PaymentRow) => boolean) => watch(id, wanted),
    stepsOf,
    blockAt,
    chainSeconds: async () => (await blockAt("latest")).timestamp,
    mineUntil: (id: number, wanted: (row: PaymentRow) => boolean) =>
      watch(id, wanted, async () => {
        await mine(1);
        await clock.sleep(400);
      }),
    /** A payment that is settled in the newest block. */
    settle: async (): Promise<PaymentRow> => {
      const { id } = await accept();
      await watch(id, ({ state }) => state === "submitted");
      await until(async () => Number(((await anvil.request("txpool_status")) as { pending: string }).pending) > 0);
      await mine(1);
      return watch(id, ({ state }) => state === "settled");
    },
    batchOf: async ({ batchId }: PaymentRow): Promise<BatchRow> => {
      const batch = await journal.batch((batchId ?? "0x") as Hex);
      if (batch === undefined) throw new Error("no batch");
      return batch;
    },
    /** Replaces the newest `depth` blocks by as many, which hold these transactions and no others. */
    reorg: (depth: number, transactions: readonly (readonly [raw: Hex, block: number])[]) =>
      anvil.request("anvil_reorg", [depth, transactions]),
    /** The sender's own key, used somewhere else. */
    signForeign: (txNonce: number) =>
      account.signTransaction({
        type: "eip1559",
        chainId: CHAIN_ID,
        nonce: txNonce,
        to: PAYEE,
        value: 1n,
        gas: 21_000n,
        maxFeePerGas: 10n ** 10n,
        maxPriorityFeePerGas: 10n ** 9n,
      }),
    /** Long enough for the engine to look at everything again. */
    rest: () => clock.sleep(3 * 2_000 + 2_000),
    hashOf: ({ evidence }: PaymentRow) => (evidence.kind === "transfer" ? evidence.transactionHash : undefined),
    blockHashOf: ({ evidence }: PaymentRow) => (evidence.kind === "transfer" ? evidence.blockHash : undefined),
    levelOf: (row: PaymentRow | undefined) => (row?.evidence.kind === "transfer" ? row.evidence.level : undefined),
    isOnChain: async ({ evidence }: PaymentRow): Promise<boolean> => {
      if (evidence.kind !== "transfer") return false;
      const receipt = await client.getTransactionReceipt({ hash: evidence.transactionHash });
      return receipt.status === "success" && receipt.blockHash === evidence.blockHash;
    },
    /** What the payee received since the start. */
    paid: async (): Promise<bigint> => (await payeeBalance()) - before,
    close: async () => {
      await engine.close();
      clock.stop();
      await journal.close();
    },
  };
}
