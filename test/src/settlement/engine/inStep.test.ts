import { expect } from "chai";
import type { Hex } from "viem";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine/types.ts";
import { acceptAll, type EngineLab, openEngineLab, until } from "../../../helpers/engineLab.ts";

describe("createSettlementEngine: in step with the blocks", () => {
  let chain: LocalChain;
  let lab: EngineLab;
  let engine: SettlementEngine;
  let isMining = true;
  let mining: Promise<void>;

  before(async () => {
    chain = await startLocalChain({ blockTimeSeconds: 3_600 });
  });
  beforeEach(async () => {
    lab = await openEngineLab(chain);
    isMining = true;
    mining = mine();
  });
  afterEach(async () => {
    isMining = false;
    await mining;
    await lab.close();
  });
  after(() => chain.stop());

  /** A block each second of the engine's clock, which is as slow as the machine. */
  async function mine(): Promise<void> {
    while (isMining) {
      await lab.clock.sleep(1_000);
      await chain.request("evm_mine");
    }
  }

  const start = async (webSocketUrl?: string): Promise<void> => {
    // Without steps, each payment would go after 5 ms.
    engine = await lab.start({ inStep: true }, { chain: { client: lab.client, webSocketUrl } });
    await until(async () => engine.cutOff().periodMs !== undefined, "a rhythm");
  };
  const transactionsOf = async (rows: readonly { readonly id: number }[]): Promise<Hex[]> => {
    const evidence = await Promise.all(rows.map(async ({ id }) => (await engine.outcome(id)).evidence));
    return evidence.map((one) => {
      if (one.kind !== "transfer") throw new Error(`no transfer: ${one.kind}`);
      return one.transactionHash;
    });
  };
  /** The number of the block that a payment which comes in now waits for. */
  const newest = async (): Promise<bigint> => lab.client.getBlockNumber();

  for (const [how, url] of [
    ["asking for them", () => undefined],
    ["a subscription to them", () => chain.webSocketUrl],
  ] as const) {
    it(`lets payments share a transaction that came one by one before a block, by ${how}`, async () => {
      await start(url());
      // On a busy machine a block may come in the middle, so they come after a block, and the look is repeated.
      await until(async () => {
        const before = await newest();
        await until(async () => (await newest()) > before);
        const began = await newest();
        const rows = [];
        for (let i = 0; i < 5; i += 1) {
          rows.push(...(await acceptAll(engine, await lab.payments(1))));
          await lab.clock.sleep(40);
        }
        const isOneBlock = (await newest()) === began;
        const transactions = new Set(await transactionsOf(rows));
        return isOneBlock && transactions.size === 1;
      }, "five payments in one transaction");
      await until(async () => engine.cutOff().inTime + engine.cutOff().late > 0, "a batch that was sent in step");
    });
  }

  it("says when a round for a block is over", async () => {
    await start();
    const [row] = await acceptAll(engine, await lab.payments(1));
    const { id } = row!;
    await until(async () => (await engine.status(id))?.state !== "queued", "its batch");
    await engine.roundOver();
    expect((await engine.status(id))?.batchId).to.not.equal(undefined);
  });

  it("sends at once what is urgent", async () => {
    await start();
    const inStep = (): number => engine.cutOff().inTime + engine.cutOff().late;
    // If the moment of the next block was near anyway, the look is repeated.
    await until(async () => {
      const before = inStep();
      const block = await newest();
      await until(async () => (await newest()) > block);
      // It takes all that its payer has.
      const payer = await lab.payer(1_000n);
      const [urgent] = await acceptAll(engine, [await lab.sign(payer, { to: lab.payee(), value: 1_000n })]);
      expect((await engine.outcome(urgent!.id)).state).to.equal("settled");
      return inStep() === before;
    }, "a payment that waited for no moment");
  });

  it("waits for no block once it is told that no more will come", async () => {
    await start();
    engine.flush();
    const rows = await acceptAll(engine, await lab.payments(3));
    await Promise.all(rows.map(({ id }) => engine.outcome(id)));
    expect(engine.cutOff().inTime + engine.cutOff().late).to.equal(0);
  });

  it("goes by its linger again when the chain mines on demand", async () => {
    await start();
    isMining = false;
    await until(async () => engine.cutOff().periodMs === undefined, "no rhythm");
    await chain.request("evm_setAutomine", [true]);
    const rows = await acceptAll(engine, await lab.payments(3));
    await Promise.all(rows.map(({ id }) => engine.outcome(id)));
    await chain.request("evm_setAutomine", [false]);
  });
});
