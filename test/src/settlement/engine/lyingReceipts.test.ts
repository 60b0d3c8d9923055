import { expect } from "chai";
import { encodeFunctionData } from "viem";
import { connectChain } from "../../../../src/chain/client.ts";
import { mockUSDCArtifact } from "../../../../src/contracts/MockUSDC.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import { type Fault, startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, rowOf, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

type Receipt = Readonly<Record<string, unknown>>;

const SETTLED = ["queued", "batched", "submitted", "settled"];
/** False answers of a node about a receipt. Undefined: it has none. */
const lies: Readonly<Record<string, (receipt: Receipt) => Receipt | undefined>> = {
  "failed, without logs": (receipt) => ({ ...receipt, status: "0x0", logs: [] }),
  "failed, with its logs": (receipt) => ({ ...receipt, status: "0x0" }),
  "without its logs": (receipt) => ({ ...receipt, logs: [] }),
  "without its last log": (receipt) => ({ ...receipt, logs: (receipt.logs as unknown[]).slice(0, -1) }),
  "another transaction's": (receipt) => ({ ...receipt, transactionHash: `0x${"77".repeat(32)}`, logs: [] }),
  "of another block": (receipt) => ({ ...receipt, blockHash: `0x${"77".repeat(32)}` }),
  missing: () => undefined,
};

describe("createSettlementEngine: a node that lies about receipts", () => {
  let chain: LocalChain;
  let lab: EngineLab;

  eachInLab(
    () => startLocalChain(),
    (...opened) => {
      [chain, lab] = opened;
    },
  );

  /** A node that lies about receipts while `isLying` returns true. `isLying` gets the number of lies before. */
  async function behindLiar(lie: (receipt: Receipt) => Receipt | undefined, isLying: (times: number) => boolean) {
    let times = 0;
    const node = await startFaultyNode(chain.rpcUrl, ({ method }): Fault => {
      if (method !== "eth_getTransactionReceipt") return "pass";
      return {
        alter: (receipt) => {
          if (receipt === null || !isLying(times)) return receipt;
          times += 1;
          return lie(receipt as Receipt) ?? null;
        },
      };
    });
    lab.later(node.stop);
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    return { client, times: () => times };
  }
  const once = (times: number) => times === 0;

  for (const [what, lie] of Object.entries(lies)) {
    for (const count of [1, 3]) {
      for (const witnesses of [0, 1]) {
        const who = witnesses === 0 ? "by the only node" : "by one of two nodes";
        it(`settles ${count} whose receipt is once ${what}, ${who}`, async () => {
          const { client, times } = await behindLiar(lie, once);
          const nodes = witnesses === 0 ? [] : [lab.client];
          const engine = await lab.start({ finalityMs: 600_000 }, { chain: { client, nodes } });
          const rows = await acceptAll(engine, await lab.payments(count));
          for (const { id } of rows) {
            const { evidence } = await engine.outcome(id);
            expect(evidence).to.include({ kind: "transfer" });
            expect(await lab.states(id)).to.deep.equal(SETTLED);
          }
          expect(times()).to.equal(1);
        });
      }
    }
  }

  it("concludes nothing while two nodes contradict each other, and settles when they agree", async () => {
    let isLying = true;
    const { client, times } = await behindLiar(lies["failed, without logs"]!, () => isLying);
    const engine = await lab.start({}, { chain: { client, nodes: [lab.client] } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(() => times() > 10);
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    isLying = false;
    expect((await engine.outcome(row!.id)).state).to.equal("settled");
    expect((await lab.states(row!.id)).slice(0, 4)).to.deep.equal(SETTLED);
  });

  it("concludes nothing from a receipt that the same node's logs contradict", async () => {
    let isLying = true;
    const { client, times } = await behindLiar(lies["failed, without logs"]!, () => isLying);
    const engine = await lab.start({}, { chain: { client } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    // The engine waits longer after each look.
    await until(() => {
      lab.clock.jump(100);
      return times() > 20;
    });
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    isLying = false;
    expect((await engine.outcome(row!.id)).state).to.equal("settled");
    expect((await lab.states(row!.id)).slice(0, 4)).to.deep.equal(SETTLED);
  });

  const approve = encodeFunctionData({
    abi: mockUSDCArtifact.abi,
    functionName: "approve",
    args: [`0x${"11".repeat(20)}`, 1n],
  });
  const call = (data: `0x${string}`) =>
    ({ key: "call", to: chain.usdc, data, gas: 90_000n, deadlineSeconds: 4_000_000_000n }) as const;

  it("corrects a call that was called reverted, before it is final", async () => {
    let isLying = true;
    const { client } = await behindLiar(lies["failed, without logs"]!, () => isLying);
    const engine = await lab.start({ finalityMs: 600_000 }, { chain: { client } });
    const { id, state } = rowOf(await engine.submitCall(call(approve)));
    expect(state).to.equal("rejected");
    isLying = false;
    await engine.close();
    await lab.start({}, { chain: { client } });
    await until(async () => (await lab.row(id)).state === "settled");
    expect((await lab.row(id)).evidence).to.include({ kind: "receipt" });
    expect(lab.said("which is corrected").map(({ level }) => level)).to.deep.equal(["error"]);
    await until(async () => {
      const { evidence } = await lab.row(id);
      return evidence.kind === "receipt" && evidence.level === "final";
    });
  });

  it("corrects a call that was called settled and reverted, before it is final", async () => {
    let isLying = true;
    const { client } = await behindLiar(
      (receipt) => ({ ...receipt, status: "0x1" }),
      () => isLying,
    );
    const engine = await lab.start({ finalityMs: 600_000 }, { chain: { client } });
    // Reverts if gas has a price: in a transaction, but not in a pre-flight.
    const to = lab.payee();
    await lab.setCode(to, "0x3a600557005b5f5ffd");
    const { id, state } = rowOf(await engine.submitCall({ ...call("0x"), to }));
    expect(state).to.equal("settled");
    isLying = false;
    await engine.close();
    await lab.start({}, { chain: { client } });
    const row = await until(async () => {
      const now = await lab.row(id);
      return now.state === "rejected" ? now : undefined;
    });
    expect(row.reason).to.equal("reverted");
    expect(lab.said("which is corrected")).to.have.length(1);
  });
});
