import { expect } from "chai";
import { network } from "hardhat";
import { encodeFunctionData, type Hex, multicall3Abi, numberToHex, size } from "viem";
import { MULTICALL3_ADDRESS } from "../../src/chain/multicall3.ts";
import { batchSettlementAbi as abi } from "../../src/channels/abi.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS, DEPOSIT_GAS, REFUND_GAS, SWEEP_GAS } from "../../src/channels/gas.ts";
import { BATCH_SETTLEMENT_ADDRESS, type ChannelConfig, type VoucherClaim } from "../../src/channels/index.ts";
import { countBytes } from "../../src/gas/index.ts";
import { genuineMulticall3Code } from "../../src/local/bytecode.ts";
import { deployChannels, payer, receiver } from "../helpers/channels.ts";
import { openGasSnapshot } from "../helpers/gas.ts";

const SIZES = [1, 10, 100] as const;
const BALANCE = 1_000_000n;

describe("gas of channels", () => {
  const snapshot = openGasSnapshot(new URL("channels.json", import.meta.url), 0.001);
  let f: Awaited<ReturnType<typeof deployChannels>>;
  let send: (data: Hex, account?: Hex, to?: Hex) => Promise<number>;
  let rewind: () => Promise<void>;
  /** Channels of one payer with one receiver, each claimed from before. */
  let configs: ChannelConfig[];

  before(async () => {
    const { viem, networkHelpers } = await network.create();
    f = await deployChannels(viem, networkHelpers);
    const client = await viem.getPublicClient();
    const [sender] = await viem.getWalletClients();
    await networkHelpers.setCode(MULTICALL3_ADDRESS, genuineMulticall3Code() ?? "0x");
    await f.mint(payer.address, 200n * BALANCE);
    configs = Array.from({ length: 100 }, (_, i) => f.configOf({ salt: numberToHex(i + 1, { size: 32 }) }));
    for (const config of configs) await f.deposit(config, BALANCE);
    await f.claim(await rowsOf(100, 1_000n));
    await f.settlement.write.settle([receiver.address, f.usdc.address]);
    send = async (data, account = sender!.account.address, to = BATCH_SETTLEMENT_ADDRESS) => {
      const wallet = await viem.getWalletClient(account);
      const hash = await wallet.sendTransaction({ to, data, gas: 2n ** 24n });
      const { status, gasUsed } = await client.getTransactionReceipt({ hash });
      expect(status).to.equal("success");
      await rewind();
      return Number(gasUsed);
    };
    let state = await networkHelpers.takeSnapshot();
    rewind = async () => {
      await state.restore();
      state = await networkHelpers.takeSnapshot();
    };
  });
  after(() => snapshot.finish());

  const rowsOf = (count: number, total: bigint): Promise<VoucherClaim[]> =>
    Promise.all(configs.slice(0, count).map((config) => f.row(config, total)));
  const claimData = (rows: readonly VoucherClaim[]) => encodeFunctionData({ abi, functionName: "claim", args: [rows] });
  const signedData = async (rows: readonly VoucherClaim[]) =>
    encodeFunctionData({ abi, functionName: "claimWithSignature", args: [rows, await f.signClaims(rows)] });
  const sweepData = () => encodeFunctionData({ abi, functionName: "settle", args: [receiver.address, f.usdc.address] });
  const depositData = async (config: ChannelConfig) =>
    encodeFunctionData({ abi, functionName: "deposit", args: [...(await f.depositArgs(config, BALANCE))] });
  const refundData = async (config: ChannelConfig) =>
    encodeFunctionData({
      abi,
      functionName: "refundWithSignature",
      args: [config, BALANCE, 0n, await f.signRefund(config, 0n, BALANCE)],
    });
  /** The part of a transaction's gas that the same call inside another transaction would use. */
  const executionOf = (total: number, data: Hex): number => {
    const { zero, nonZero } = countBytes(data);
    return total - 21_000 - 4 * zero - 16 * nonZero;
  };
  const perRow = async (dataOf: (rows: readonly VoucherClaim[]) => Hex | Promise<Hex>, account?: Hex) => {
    const totals: number[] = [];
    for (const count of SIZES) totals.push(await send(await dataOf(await rowsOf(count, 2_000n)), account));
    const [one = 0, ten = 0, hundred = 0] = totals;
    const bytes = async (count: number) => size(await dataOf(await rowsOf(count, 2_000n)));
    return {
      gasPerClaimOf1: one,
      gasPerClaimOf10: ten / 10,
      gasPerClaimOf100: hundred / 100,
      gasSlope: (hundred - ten) / 90,
      calldataBytes: ((await bytes(100)) - (await bytes(10))) / 90,
    };
  };

  it("of claims, alone and many at once", async () => {
    snapshot.check("claim", await perRow(claimData, receiver.address));
    snapshot.check("claimWithSignature", await perRow(signedData));
  });

  it("of deposits, sweeps and refunds, each in its own transaction", async () => {
    const fresh = f.configOf({ salt: numberToHex(1_000, { size: 32 }) });
    const [first, topUp] = [await send(await depositData(fresh)), await send(await depositData(configs[0]!))];
    const refund = await send(await refundData(configs[0]!));
    await f.claim(await rowsOf(1, 3_000n));
    const sweep = await send(sweepData());
    snapshot.check("one transaction each", { firstDeposit: first, topUp, refund, sweep });
  });

  it("of deposits that share a transaction", async () => {
    const dataOf = async (count: number) => {
      const calls = await Promise.all(
        Array.from({ length: count }, async (_, i) => ({
          target: BATCH_SETTLEMENT_ADDRESS,
          allowFailure: true,
          callData: await depositData(f.configOf({ salt: numberToHex(2_000 + i, { size: 32 }) })),
        })),
      );
      return encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [calls] });
    };
    const few = await send(await dataOf(10), undefined, MULTICALL3_ADDRESS);
    const many = await send(await dataOf(40), undefined, MULTICALL3_ADDRESS);
    snapshot.check("first deposits of one payer, shared", { gasPerDeposit: (many - few) / 30 });
  });

  it("stays within what calls are given, first writes counted", async () => {
    const fresh = f.configOf({
      salt: numberToHex(3_000, { size: 32 }),
      receiver: "0x00000000000000000000000000000000000fee77",
    });
    const deposit = await depositData(fresh);
    expect(executionOf(await send(deposit), deposit)).to.be.below(0.85 * Number(DEPOSIT_GAS));

    await f.deposit(fresh, BALANCE);
    const claim = await signedData([await f.row(fresh, 500n)]);
    expect(executionOf(await send(claim), claim)).to.be.below(0.85 * Number(CLAIM_GAS + CLAIM_ROW_GAS));

    await f.deposit(fresh, BALANCE);
    const refund = await refundData(fresh);
    expect(executionOf(await send(refund), refund)).to.be.below(0.85 * Number(REFUND_GAS));

    await f.deposit(fresh, BALANCE);
    await f.claim([await f.row(fresh, 500n)]);
    const sweep = encodeFunctionData({ abi, functionName: "settle", args: [fresh.receiver, f.usdc.address] });
    expect(executionOf(await send(sweep), sweep)).to.be.below(0.85 * Number(SWEEP_GAS));

    const many = await signedData(await rowsOf(100, 4_000n));
    const gas = executionOf(await send(many), many);
    expect(gas).to.be.below(0.85 * Number(CLAIM_GAS + 100n * CLAIM_ROW_GAS));
  });
});
