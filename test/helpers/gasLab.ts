import { network } from "hardhat";
import { type Address, encodeAbiParameters, encodeFunctionData, type Hex, keccak256, numberToHex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import type { PlannedBatch } from "../../src/batch/index.ts";
import { encodeSettle } from "../../src/router/index.ts";
import { deployUsdc, FAR_FUTURE, split } from "./usdc.ts";

export type GasLab = Awaited<ReturnType<typeof openGasLab>>;

/** The terms that a payment of the lab may choose; a generator with a seed decides the rest. */
export type LabTerms = {
  readonly payer: number;
  readonly payee: Address;
  readonly value: bigint;
  readonly validBefore?: bigint;
  readonly validAfter?: bigint;
};

/** Slot of the balances in USDC's storage. */
const BALANCES_SLOT = 9n;

/**
 * A chain in process with MockUSDC behind its proxy and the router, whose balances are written straight into storage, and
 * payers without number. Everything about it follows from `seed`, so that gas can be compared from run to run.
 */
export async function openGasLab(seed = 1) {
  const { viem, networkHelpers } = await network.create();
  const fixture = await deployUsdc(viem);
  const router = await viem.deployContract("SettlementRouter");
  const client = await viem.getPublicClient();
  const [wallet] = await viem.getWalletClients();
  if (wallet === undefined) throw new Error("accounts missing");
  const { usdc, chainId } = fixture;
  const random = makeRandom(seed);
  const payers = new Map<number, PrivateKeyAccount>();

  const randomHex = (bytes: number): Hex => {
    let hex = "";
    while (hex.length < 2 * bytes)
      hex += random(2 ** 16)
        .toString(16)
        .padStart(4, "0");
    return `0x${hex.slice(0, 2 * bytes)}`;
  };

  return {
    ...fixture,
    viem,
    networkHelpers,
    client,
    wallet,
    router: router.address,
    token: usdc.address,
    random,
    randomHex,
    payer,
    payee,
    setBalance,
    sign,
    send,
    sendBatch,
    traceTransaction,
  };

  /** Payer `index`, always the same account for the same seed. */
  function payer(index: number): PrivateKeyAccount {
    let account = payers.get(index);
    if (account === undefined) {
      account = privateKeyToAccount(keccak256(numberToHex(seed * 1_000_000 + index, { size: 32 })));
      payers.set(index, account);
    }
    return account;
  }

  /** Payee `index`, an address without a key. */
  function payee(index: number): Address {
    return `0x${keccak256(numberToHex(seed * 1_000_000 + index, { size: 31 })).slice(26)}`;
  }

  async function setBalance(account: Address, value: bigint): Promise<void> {
    const slot = keccak256(encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [account, BALANCES_SLOT]));
    await networkHelpers.setStorageAt(usdc.address, slot, numberToHex(value, { size: 32 }));
  }

  async function sign({ payer: index, payee: to, value, ...times }: LabTerms): Promise<SignedAuthorization> {
    const account = payer(index);
    const { validAfter = 0n, validBefore = FAR_FUTURE } = times;
    const terms = { chainId, token: usdc.address, from: account.address, to, value, validAfter, validBefore };
    return signAuthorization(account, {
      authorization: { ...terms, nonce: randomHex(32) },
      domain: { name: "USDC", version: "2" },
    });
  }

  /** Sends a transaction with this gas limit and waits for its receipt. */
  async function send(transaction: { to: Address; data: Hex; gas: bigint }) {
    const hash = await wallet!.sendTransaction(transaction);
    return client.waitForTransactionReceipt({ hash });
  }

  /** Sends one batch of a plan with the gas limit that the plan gives it. */
  async function sendBatch(batch: PlannedBatch) {
    const gas = batch.gasLimit;
    if (batch.kind === "direct") return send({ to: batch.token, data: encodeDirect(batch), gas });
    return send({ to: router.address, data: encodeSettle({ ...batch, batchId: randomHex(32) }), gas });
  }

  /** The steps of a transaction: gas left before each, what it costs, and how deep in calls it is. */
  async function traceTransaction(
    hash: Hex,
  ): Promise<{ structLogs: { depth: number; gas: number; gasCost: number }[] }> {
    const quiet = { disableStack: true, disableMemory: true, disableStorage: true };
    return client.request<{
      Method: "debug_traceTransaction";
      Parameters: [Hex, typeof quiet];
      ReturnType: { structLogs: { depth: number; gas: number; gasCost: number }[] };
    }>({ method: "debug_traceTransaction", params: [hash, quiet] });
  }

  function encodeDirect({ items: [item] }: PlannedBatch): Hex {
    if (item === undefined) throw new Error("a direct batch has an item");
    const a = item.authorization;
    const args = [a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce] as const;
    const { abi } = usdc;
    const functionName = "transferWithAuthorization";
    if (item.form === "wide" && item.overload === "bytes") {
      return encodeFunctionData({ abi, functionName, args: [...args, a.signature] });
    }
    const { v, r, s } = split(a.signature);
    return encodeFunctionData({ abi, functionName, args: [...args, v, r, s] });
  }
}

/** Whole numbers below `limit`, the same ones for the same seed (a linear congruential generator's upper bits). */
export function makeRandom(seed: number): (limit: number) => number {
  let state = BigInt(seed) * 2_862_933_555_777_941_757n + 3_037_000_493n;
  return (limit) => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & ((1n << 64n) - 1n);
    return Number((state >> 33n) % BigInt(limit));
  };
}
