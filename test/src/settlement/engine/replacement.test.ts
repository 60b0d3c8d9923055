import { expect } from "chai";
import { encodeFunctionData, erc20Abi, type Hex } from "viem";
import { encodeTransfer } from "../../../../src/authorization/encode.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine/types.ts";
import { type Anvil, startAnvil } from "../../../helpers/anvil.ts";
import { acceptAll, type EngineLab, sleep, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

/** Replaces nothing, and sends nothing again, until a minute has passed. */
const WHEN_TOLD = { replaceAfterMs: 60_000, rebroadcastAfterMs: 600_000 };
const MINUTE_MS = 60_000;

describe("createSettlementEngine: replacement", () => {
  let anvil: Anvil;
  let lab: EngineLab;

  eachInLab(startAnvil, (...opened) => {
    [anvil, lab] = opened;
  });

  const pool = async (): Promise<number> => {
    const { pending, queued } = (await anvil.request("txpool_status")) as { pending: string; queued: string };
    return Number(pending) + Number(queued);
  };
  /** Waits until a payment's transaction has reached the node. */
  const submitted = async (id: number) => {
    await until(async () => (await lab.row(id)).state === "submitted");
    const { batchId } = await lab.row(id);
    const newest = (await lab.openBatches()).find((batch) => batch.id === batchId)?.attempts.at(-1);
    await handedOut(newest?.hash);
  };
  const handedOut = (hash: Hex | undefined) =>
    until(() => lab.said("handed out").some(({ fields }) => fields.hash === hash));
  /** Waits until the engine has noticed that the transactions are mined. */
  const settled = async (engine: SettlementEngine, id: number) => {
    const row = await engine.outcome(id);
    expect(row.state).to.equal("settled");
    if (row.evidence.kind !== "transfer") throw new Error("no transfer");
    return row.evidence;
  };

  it("replaces a transaction that is not mined, with 12.5 % more in both fee fields, under the same txNonce and batch id", async () => {
    const engine = await lab.start();
    const [row] = await acceptAll(engine, await lab.payments(1));
    const batch = await until(async () => {
      const [open] = await lab.openBatches();
      return (open?.attempts.length ?? 0) > 1 ? open : undefined;
    });
    const [first, second] = batch.attempts;
    expect(second!.maxFeePerGas * 1000n >= first!.maxFeePerGas * 1125n).to.equal(true);
    expect(second!.maxPriorityFeePerGas * 1000n >= first!.maxPriorityFeePerGas * 1125n).to.equal(true);
    await handedOut(second!.hash);
    expect(await pool()).to.equal(1);
    await anvil.mine();
    const { transactionHash } = await settled(engine, row!.id);
    const [mined] = await lab.journal.batches({
      ...{ chainId: 84532, sender: lab.account.address, states: ["mined", "final"] },
    });
    expect(mined?.id).to.equal(batch.id);
    expect(mined?.attempts.map(({ hash }) => hash)).to.include(transactionHash);
    expect(await lab.journal.lastTxNonce(84532, lab.account.address)).to.equal(0);
  });

  it("only sends the same bytes again at the fee ceiling", async () => {
    const engine = await lab.start({ fees: { floorWei: 1n, ceilingWei: 20_000_000n } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(() => lab.said("ceiling leaves no room").length > 0);
    const handedOut = lab.said("handed out").length;
    await until(() => lab.said("handed out").length > handedOut);
    const [batch] = await lab.openBatches();
    expect(batch!.attempts.length <= 6).to.equal(true);
    expect(batch!.attempts.every(({ maxFeePerGas }) => maxFeePerGas <= 20_000_000n)).to.equal(true);
    expect(lab.said("ceiling leaves no room").length <= 3).to.equal(true);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("drops from a replacement what was settled elsewhere meanwhile, and finds that transaction", async () => {
    const engine = await lab.start(WHEN_TOLD);
    const authorizations = await lab.payments(3);
    const rows = await acceptAll(engine, authorizations);
    await submitted(rows[0]!.id);
    const [batch] = await lab.openBatches();
    expect(batch!.attempts[0]!.paymentIds).to.have.length(3);
    await anvil.request("anvil_dropAllTransactions");
    // Somebody else settles the second one.
    const elsewhere = await directTransfer(authorizations[1]!);
    await anvil.mine();
    expect((await lab.receipt(elsewhere))?.status).to.equal("success");
    lab.clock.jump(MINUTE_MS);
    const replaced = await until(async () => {
      const [open] = await lab.openBatches();
      const newest = open?.attempts.at(-1);
      return newest?.paymentIds.length === 2 ? open : undefined;
    });
    expect(replaced.id).to.equal(batch!.id);
    expect(replaced.txNonce).to.equal(batch!.txNonce);
    expect(replaced.attempts.at(-1)!.paymentIds).to.have.members([rows[0]!.id, rows[2]!.id]);
    // It stays with the batch: the first attempt may still be mined.
    expect((await lab.row(rows[1]!.id)).state).to.equal("submitted");
    await until(async () =>
      lab.said("handed out").some(({ fields }) => fields.hash === replaced.attempts.at(-1)!.hash),
    );
    await anvil.mine();
    await settled(engine, rows[0]!.id);
    await settled(engine, rows[2]!.id);
    expect((await lab.row(rows[1]!.id)).state).to.equal("submitted");
    await anvil.mine(2);
    await until(async () => (await lab.row(rows[1]!.id)).state === "queued");
    await anvil.mine(3);
    const other = await engine.outcome(rows[1]!.id);
    expect(other.state).to.equal("settled-elsewhere");
    expect(other.evidence).to.include({ kind: "nonce-use", use: "settled", transactionHash: elsewhere });
  });

  it("spends the txNonce on a no-op when everything was settled elsewhere", async () => {
    const engine = await lab.start(WHEN_TOLD);
    const [authorization] = await lab.payments(1);
    const [row] = await acceptAll(engine, [authorization!]);
    await submitted(row!.id);
    await anvil.request("anvil_dropAllTransactions");
    await directTransfer(authorization!);
    await anvil.mine();
    lab.clock.jump(MINUTE_MS);
    const noop = await until(async () => (await lab.openBatches())[0]?.attempts.find(({ kind }) => kind === "noop"));
    expect(noop.paymentIds).to.deep.equal([]);
    await handedOut(noop.hash);
    await anvil.mine(4);
    expect((await engine.outcome(row!.id)).state).to.equal("settled-elsewhere");
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(1);
  });

  it("reads outcomes from an older attempt when that is the one that is mined", async () => {
    const engine = await lab.start(WHEN_TOLD);
    const rows = await acceptAll(engine, await lab.payments(2));
    await submitted(rows[0]!.id);
    const [batch] = await lab.openBatches();
    const [first] = batch!.attempts;
    // One payer is emptied, so the replacement leaves out their payment; then they are funded again and the first is mined.
    const payer = rows[1]!.work.kind === "authorization" ? rows[1]!.work.authorization.from : "0x";
    await lab.mint(payer, 0n);
    lab.clock.jump(MINUTE_MS);
    const replaced = await until(async () => {
      const newest = (await lab.openBatches())[0]?.attempts.at(-1);
      return newest?.paymentIds.length === 1 ? newest : undefined;
    });
    await handedOut(replaced.hash);
    await lab.mint(payer, 10n ** 12n);
    await anvil.request("anvil_dropAllTransactions");
    await anvil.request("evm_setAutomine", [true]);
    try {
      await anvil.request("eth_sendRawTransaction", [first!.raw]).catch(() => undefined);
      for (const { id } of rows) expect((await settled(engine, id)).transactionHash).to.equal(first!.hash);
    } finally {
      await anvil.request("evm_setAutomine", [false]);
    }
  });

  it("holds what a mined replacement left out, so that a reorg may still bring back the attempt that settles it", async () => {
    const engine = await lab.start(WHEN_TOLD);
    const rows = await acceptAll(engine, await lab.payments(2));
    const [kept, dropped] = rows;
    await submitted(kept!.id);
    const [first] = (await lab.openBatches())[0]!.attempts;
    await anvil.request("anvil_dropAllTransactions");
    // One payer moves their money away, so the replacement leaves out their payment. The reorg undoes that too.
    const payer = dropped!.work.kind === "authorization" ? dropped!.work.authorization.from : "0x";
    const all = await lab.balanceOf(payer);
    const away = { abi: erc20Abi, functionName: "transfer", args: [lab.payee(), all] } as const;
    await lab.sendAs(payer, anvil.usdc, encodeFunctionData(away), { maxFeePerGas: "0x174876e800" });
    await anvil.mine();
    expect(await lab.balanceOf(payer)).to.equal(0n);
    lab.clock.jump(MINUTE_MS);
    const replaced = await until(async () => {
      const newest = (await lab.openBatches())[0]?.attempts.at(-1);
      return newest?.paymentIds.length === 1 ? newest : undefined;
    });
    await handedOut(replaced.hash);
    await anvil.mine();
    expect((await settled(engine, kept!.id)).transactionHash).to.equal(replaced.hash);
    await anvil.mine();
    await sleep(300);
    expect(await lab.states(dropped!.id)).to.deep.equal(["queued", "batched", "submitted"]);

    await anvil.request("anvil_reorg", [3, [[first!.raw, 0]]]);
    await anvil.mine();
    for (const { id } of rows) {
      await until(async () => {
        const { state, evidence } = await lab.row(id);
        return state === "settled" && evidence.kind === "transfer" && evidence.transactionHash === first!.hash;
      });
    }
    expect(await lab.states(dropped!.id)).to.deep.equal(["queued", "batched", "submitted", "settled"]);
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(1);
  });

  it("settles an underpriced replacement race: raises the fee until a node takes it", async () => {
    // From outside, with a higher fee, under the txNonce that ours will have: it is replaced once ours pays more.
    const engine = await lab.start({ replaceAfterMs: 200, fees: { tipCeilingWei: 5_000_000_000n } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    await anvil.request("anvil_dropAllTransactions");
    const nowFee = (await lab.openBatches())[0]!.attempts.at(-1)!.maxFeePerGas;
    const fee = `0x${(nowFee * 2n).toString(16)}`;
    await lab.sendAs(lab.account.address, lab.payee(), "0x", {
      nonce: "0x0",
      maxFeePerGas: fee,
      maxPriorityFeePerGas: `0x${(nowFee / 4n).toString(16)}`,
    });
    await until(() => lab.said("handed out").some(({ fields }) => fields.answer === "underpriced"));
    await until(async () => {
      const { pending } = (await anvil.request("txpool_content")) as {
        pending: Record<string, Record<string, { hash: Hex }>>;
      };
      const mine = Object.entries(pending).find(
        ([sender]) => sender.toLowerCase() === lab.account.address.toLowerCase(),
      );
      const hash = mine?.[1]["0"]?.hash;
      return (await lab.openBatches())[0]?.attempts.some((attempt) => attempt.hash === hash) === true;
    });
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("drops from a replacement what would be late, and proves afterwards that it never settled", async () => {
    const engine = await lab.start(WHEN_TOLD);
    const [late] = await lab.payments(1, { validBefore: (await lab.nowSeconds()) + 300n });
    const [long] = await lab.payments(1);
    const rows = await acceptAll(engine, [late!, long!]);
    await submitted(rows[0]!.id);
    await anvil.request("anvil_dropAllTransactions");
    await anvil.request("evm_setNextBlockTimestamp", [Number(rows[0]!.deadlineSeconds) - 4]);
    await anvil.mine();
    lab.clock.jump(MINUTE_MS);
    const replacement = await until(async () => {
      const newest = (await lab.openBatches())[0]?.attempts.at(-1);
      return newest?.paymentIds.length === 1 ? newest : undefined;
    });
    expect(replacement.paymentIds).to.deep.equal([rows[1]!.id]);
    await handedOut(replacement.hash);
    await anvil.mine();
    await settled(engine, rows[1]!.id);
    await anvil.mine(2);
    await until(async () => (await lab.row(rows[0]!.id)).state === "queued");
    await anvil.request("evm_setNextBlockTimestamp", [Number(rows[0]!.deadlineSeconds) + 4]);
    // A proof needs both clocks.
    lab.clock.jump(5 * MINUTE_MS);
    await anvil.mine(6);
    await until(async () => {
      const { state, evidence } = await lab.row(rows[0]!.id);
      return state === "expired" && evidence.kind === "deadline" && evidence.final;
    });
  });

  async function directTransfer(authorization: Parameters<typeof encodeTransfer>[0]): Promise<Hex> {
    return lab.sendAs(lab.accountAt(9).address, anvil.usdc, encodeTransfer(authorization), {
      maxFeePerGas: "0x174876e800",
      maxPriorityFeePerGas: "0x2540be400",
    });
  }
});
