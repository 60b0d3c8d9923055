import { expect } from "chai";
import { numberToHex } from "viem";
import { type ChainClient, connectChain } from "../../../../src/chain/client.ts";
import { signTransaction } from "../../../../src/chain/sending/submit.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine/types.ts";
import { startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

describe("createSettlementEngine: a node that lies about transaction counts", () => {
  let chain: LocalChain;
  let lab: EngineLab;

  eachInLab(
    () => startLocalChain(),
    (...opened) => {
      [chain, lab] = opened;
    },
  );

  /** The node's answers for the key's counts, by block tag; the truth if undefined. */
  type Lie = (tag: unknown) => number | undefined;
  async function behindLiar(): Promise<{
    client: ChainClient;
    tell: (lie: Lie | undefined) => void;
    lies: () => number;
  }> {
    let lie: Lie | undefined;
    let lies = 0;
    const node = await startFaultyNode(chain.rpcUrl, ({ method, params: [address, tag] }) => {
      const mine = String(address).toLowerCase() === lab.account.address.toLowerCase();
      const answer = method === "eth_getTransactionCount" && mine ? lie?.(tag) : undefined;
      if (answer === undefined) return "pass";
      lies += 1;
      return { result: numberToHex(answer) };
    });
    lab.later(node.stop);
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const tell = (next: Lie | undefined): void => {
      lie = next;
    };
    return { client, tell, lies: () => lies };
  }
  const batches = () =>
    lab.journal.batches({
      chainId: 84532,
      sender: lab.account.address,
      states: ["open", "mined", "final", "lost"],
    });
  const pay = async (engine: SettlementEngine): Promise<number> => {
    const [row] = await acceptAll(engine, await lab.payments(1));
    return row!.id;
  };
  const settles = async (engine: SettlementEngine, id: number) =>
    expect((await engine.outcome(id)).state).to.equal("settled");
  const paused = (engine: SettlementEngine) => engine.accounts()[0]?.paused;
  const alerts = () => lab.said("cannot be true").filter(({ level }) => level === "error");

  for (const far of [60, 2 ** 31]) {
    it(`asks again if one answer is ${far} too high, and signs no no-op`, async () => {
      const { client, tell } = await behindLiar();
      const engine = await lab.start({}, { chain: { client } });
      let once = true;
      tell((tag) => {
        if (!once || tag !== "pending") return undefined;
        once = false;
        return far;
      });
      await settles(engine, await pay(engine));
      expect(once).to.equal(false);
      expect((await batches()).map(({ txNonce }) => txNonce)).to.deep.equal([0]);
      expect(alerts()).to.deep.equal([]);
    });

    for (const tag of ["pending", "latest"]) {
      it(`signs nothing while the ${tag} count stays ${far} too high, says so once, and then continues`, async () => {
        const { client, tell, lies } = await behindLiar();
        const first = await lab.start({}, { chain: { client } });
        await settles(first, await pay(first));
        await until(async () => (await lab.openBatches()).length === 0);
        tell((asked) => (asked === tag ? far : undefined));
        const id = await pay(first);
        await until(() => paused(first) === "node-fault");
        const seen = lies();
        await until(() => lies() > seen + 20);
        expect(alerts()).to.have.length(1);
        expect(await batches()).to.have.length(1);
        // Another process is as careful, and continues once the node is honest.
        await first.close();
        const second = await lab.start({}, { chain: { client } });
        await until(() => paused(second) === "node-fault");
        expect(await batches()).to.have.length(1);
        tell(undefined);
        await settles(second, id);
        expect(paused(second)).to.equal(undefined);
        expect((await batches()).map(({ txNonce }) => txNonce)).to.deep.equal([0, 1]);
      });
    }
  }

  it("signs above what the journal knows if the key itself signed that far elsewhere", async () => {
    const engine = await lab.start();
    await settles(engine, await pay(engine));
    const fees = { maxFeePerGas: 10n ** 9n, maxPriorityFeePerGas: 10n ** 6n };
    for (let txNonce = 1; txNonce <= 20; txNonce += 1) {
      const call = { to: lab.account.address, data: "0x", gas: 21_000n, txNonce, fees } as const;
      const { raw } = await signTransaction(lab.client, lab.account, call);
      await lab.client.sendRawTransaction({ serializedTransaction: raw });
    }
    await settles(engine, await pay(engine));
    expect((await batches()).map(({ txNonce }) => txNonce)).to.deep.equal([0, 21]);
    expect(alerts()).to.deep.equal([]);
  });

  it("believes another node if the first one has no old state to prove it with", async () => {
    const { client, tell } = await behindLiar();
    const engine = await lab.start({}, { chain: { client, nodes: [lab.client] } });
    await settles(engine, await pay(engine));
    await lab.cheat("setNonce", [lab.account.address, numberToHex(40)]);
    tell((tag) => (tag === "latest" || tag === "pending" ? 40 : 0));
    await settles(engine, await pay(engine));
    expect((await batches()).map(({ txNonce }) => txNonce)).to.deep.equal([0, 40]);
  });

  it("follows the journal if a node is behind, and fills nothing that is mined", async () => {
    const { client, tell } = await behindLiar();
    const engine = await lab.start({ finalityMs: 600_000 }, { chain: { client } });
    for (let i = 0; i < 3; i += 1) await settles(engine, await pay(engine));
    tell(() => 0);
    await settles(engine, await pay(engine));
    expect((await batches()).map(({ txNonce }) => txNonce)).to.deep.equal([0, 1, 2, 3]);
    expect(lab.said("filling a txNonce gap")).to.deep.equal([]);
    expect(alerts()).to.deep.equal([]);
  });

  it("believes no count in a new journal that another node contradicts", async () => {
    const { client, tell } = await behindLiar();
    tell(() => 5_000);
    const engine = await lab.start({}, { chain: { client, nodes: [lab.client] } });
    const id = await pay(engine);
    await until(() => paused(engine) === "node-fault");
    expect(await batches()).to.deep.equal([]);
    tell(undefined);
    await settles(engine, id);
    expect((await batches()).map(({ txNonce }) => txNonce)).to.deep.equal([0]);
  });
});
