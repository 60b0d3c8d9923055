import { expect } from "chai";
import { numberToHex } from "viem";
import { connectChain } from "../../../../src/chain/client.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import { startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

const GWEI = 10n ** 9n;

describe("createSettlementEngine: a node that lies about prices", () => {
  let chain: LocalChain;
  let lab: EngineLab;

  eachInLab(
    () => startLocalChain(),
    (...opened) => {
      [chain, lab] = opened;
    },
  );

  /** What a payment's transaction paid per gas above the base fee, with a node that gives these answers. */
  async function tipPaid(answers: Readonly<Record<string, unknown>>): Promise<bigint> {
    const node = await startFaultyNode(chain.rpcUrl, ({ method }) =>
      method in answers ? { result: answers[method] } : "pass",
    );
    lab.later(node.stop);
    const engine = await lab.start({}, { chain: { client: await connectChain(node.rpcUrl) } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    const { state, evidence } = await engine.outcome(row!.id);
    expect(state).to.equal("settled");
    if (evidence.kind !== "transfer") throw new Error("no transfer");
    const { effectiveGasPrice } = await lab.client.getTransactionReceipt({ hash: evidence.transactionHash });
    const { baseFeePerGas } = await lab.client.getBlock({ blockHash: evidence.blockHash });
    return effectiveGasPrice - (baseFeePerGas ?? 0n);
  }

  it("pays at most half a gwei as a tip if the node suggests 90 and shows no history", async () => {
    const empty = { oldestBlock: "0x0", baseFeePerGas: [], gasUsedRatio: [], reward: [] };
    const tip = await tipPaid({ eth_maxPriorityFeePerGas: numberToHex(90n * GWEI), eth_feeHistory: empty });
    expect(tip).to.equal(GWEI / 2n);
  });

  it("pays no more if the history lies in the same way", async () => {
    const reward = numberToHex(90n * GWEI);
    const history = { oldestBlock: "0x0", baseFeePerGas: ["0x1", "0x1"], gasUsedRatio: [0.5], reward: [[reward]] };
    expect(await tipPaid({ eth_maxPriorityFeePerGas: reward, eth_feeHistory: history })).to.equal(GWEI / 2n);
  });
});
