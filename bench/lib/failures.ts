import { type Address, encodeFunctionData, numberToHex } from "viem";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import type { RouterItem } from "../../src/router/index.ts";
import type { GasLab } from "./gasLab.ts";
import type { Mint } from "./payments.ts";
import type { Table } from "./results.ts";
import { setBalances } from "./token.ts";
import { WAY } from "./ways.ts";

const GOOD = 20;
const BAD = 10;
/** Payers of failing items have their own numbers. */
const FIRST = 1_000;
/** Runtime code that loops until its gas is gone. */
const BURNING_CODE = "0x5b600056";
const ALLOWANCE = 100_000n;

type Kind = {
  readonly name: string;
  readonly make: (i: number) => SignedAuthorization;
  readonly isWide?: true;
};

/**
 * What a failed item adds to a batch of good ones, by the reason of its failure: one transaction of 20 good and 10 bad items,
 * compared with one of the 20 good items alone.
 */
export async function measureFailures(
  lab: GasLab,
  mint: Mint,
): Promise<{ table: Table; figures: Record<string, number> }> {
  const { chain } = lab;
  const good: SignedAuthorization[] = [];
  for (let i = 0; i < GOOD; i += 1) good.push(mint.sign(5_000 + i, { payer: i }));
  const accounts = (first: number): Address[] => Array.from({ length: BAD }, (_, i) => mint.payer(first + i));
  await lab.fund(accounts(FIRST));
  await setBalances(chain.request, accounts(FIRST + 100), 1n);
  await lab.fund([...accounts(FIRST + 200), ...accounts(FIRST + 300), ...accounts(FIRST + 400)]);
  const abi = mockUSDCArtifact.abi;
  const owner = chain.accounts[0]!.address;
  const asOwner = async (data: `0x${string}`) => {
    await chain.request("eth_sendTransaction", [{ from: owner, to: chain.usdc, data, gas: numberToHex(200_000) }]);
  };
  for (const account of accounts(FIRST + 200)) {
    await asOwner(encodeFunctionData({ abi, functionName: "blacklist", args: [account] }));
  }
  for (const account of accounts(FIRST + 300)) await chain.request("hardhat_setCode", [account, BURNING_CODE]);

  const used: SignedAuthorization[] = [];
  for (let i = 0; i < BAD; i += 1) used.push(mint.sign(8_000 + i, { payer: FIRST + 400 + i }));
  for (const payment of used) {
    const { to, data } = lab.single(payment);
    await chain.request("eth_sendTransaction", [{ from: owner, to, data, gas: numberToHex(200_000) }]);
  }

  const kinds: Kind[] = [
    { name: "expired", make: (i) => mint.sign(7_000 + i, { payer: FIRST + i, validBefore: 1_700_000_002n }) },
    { name: "not valid yet", make: (i) => mint.sign(7_100 + i, { payer: FIRST + i, validAfter: 4_102_444_000n }) },
    { name: "nonce used", make: (i) => used[i]! },
    {
      name: "bad signature",
      make: (i) => {
        const other = mint.sign(7_300 + i, { payer: FIRST + i + 1 });
        return { ...mint.sign(7_300 + i, { payer: FIRST + i }), signature: other.signature };
      },
    },
    { name: "balance too low", make: (i) => mint.sign(7_400 + i, { payer: FIRST + 100 + i }) },
    { name: "payer blocked", make: (i) => mint.sign(7_500 + i, { payer: FIRST + 200 + i }) },
    { name: "payer's code burns all gas", isWide: true, make: (i) => mint.sign(7_600 + i, { payer: FIRST + 300 + i }) },
  ];

  const alone = {
    router: (await lab.send([lab.router(good.map(compact))], false)).gas,
    multicall: (await lab.send([lab.multicall(good)], false)).gas,
  };
  const figures: Record<string, number> = {};
  const rows: (string | number)[][] = [];
  for (const { name, make, isWide } of kinds) {
    const bad: SignedAuthorization[] = [];
    for (let i = 0; i < BAD; i += 1) bad.push(make(i));
    const items = bad.map((authorization): RouterItem => {
      if (isWide !== true) return compact(authorization);
      return { form: "wide", authorization, overload: "bytes", gasAllowance: ALLOWANCE };
    });
    // The bad items are in the middle, so that good items pay for first accesses and still come after the bad ones.
    const [before, behind] = [good.slice(0, GOOD / 2), good.slice(GOOD / 2)];
    const around = [...before.map(compact), ...items, ...behind.map(compact)];
    const router = await lab.send([lab.router(around, ALLOWANCE)], false);
    const multicall = await lab.send([lab.multicall([...before, ...bad, ...behind])], false);
    const single = await lab.send(bad.map(lab.single), false);
    const ours = Math.round((router.gas - alone.router) / BAD);
    const theirs = Math.round((multicall.gas - alone.multicall) / BAD);
    figures[`failing ${name} ${WAY.tributary}`] = ours;
    figures[`failing ${name} ${WAY.multicall}`] = theirs;
    rows.push([
      name,
      Math.round(single.gas / BAD),
      theirs,
      ours,
      `${multicall.settled} of ${GOOD}`,
      `${router.settled} of ${GOOD}`,
    ]);
  }
  return {
    figures,
    table: {
      title: "Gas of a failing item",
      columns: [
        "why",
        WAY.single,
        `${WAY.multicall}, more`,
        `${WAY.tributary}, more`,
        `good ones settled, ${WAY.multicall}`,
        `good ones settled, ${WAY.tributary}`,
      ],
      rows,
      note:
        `Ten bad items among twenty good ones, compared with the twenty alone, under a gas limit of 2^24; MockUSDC. A single ` +
        `transaction has a limit of 200,000, an item of a payer with code an allowance of ${ALLOWANCE}.`,
    },
  };
}

function compact(authorization: SignedAuthorization): RouterItem {
  return { form: "compact", authorization };
}
