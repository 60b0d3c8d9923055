import type { HardhatViemHelpers } from "@nomicfoundation/hardhat-viem/types";
import {
  type Address,
  BaseError,
  ContractFunctionRevertedError,
  encodeFunctionData,
  getAddress,
  type Hex,
  isAddressEqual,
  keccak256,
  type Log,
  multicall3Abi,
  parseEventLogs,
  toHex,
} from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import type { Authorization, SignedAuthorization } from "../../src/authorization/types.ts";
import { settlementRouterArtifact } from "../../src/contracts/SettlementRouter.ts";
import { genuineMulticall3Code } from "../../src/local/bytecode.ts";
import { encodeBatch } from "../../src/router/encode.ts";
import type { RouterItem } from "../../src/router/wire.ts";
import { deployUsdc, fundedAccount, makeAuthorization, usdcDomain, usdcTypes } from "./usdc.ts";

/** EIP-7825: the most gas that a transaction may ask for. */
export const TRANSACTION_GAS_CAP = 2n ** 24n;

/** The default allowance of a compact item in tests: the planner's default. */
export const DEFAULT_ALLOWANCE = 100_000n;

/** Which of the funded accounts sends what a JSON-RPC account cannot sign. The fixture's roles are lower. */
const RELAYER = 9;

/** Where Multicall3 is on every chain that has it. */
export const MULTICALL3: Address = "0xcA11bde05977b3631167028862bE2a173976CA11";

export const BATCH_ID: Hex = `0x${"b1".repeat(32)}`;

/** An account whose key nobody has. */
export function testAddress(label: string): Address {
  return getAddress(`0x${keccak256(toHex(`address ${label}`)).slice(26)}`);
}

/** 32 bytes that look random and are the same in every run. */
export function testBytes32(label: string): Hex {
  return keccak256(toHex(`bytes32 ${label}`));
}

/** An account whose key follows from the label, so that signatures and gas are the same in every run. */
export function testAccount(label: string): PrivateKeyAccount {
  return privateKeyToAccount(keccak256(toHex(`key ${label}`)));
}

export function testAccounts(count: number, label = "payer"): PrivateKeyAccount[] {
  return Array.from({ length: count }, (_, i) => testAccount(`${label} ${i}`));
}

/** Signs with the account's key: 65 bytes r ‖ s ‖ v. */
export async function signed(account: PrivateKeyAccount, terms: Authorization): Promise<SignedAuthorization> {
  const signature = await account.signTypedData({
    domain: usdcDomain(terms),
    types: usdcTypes,
    primaryType: "TransferWithAuthorization",
    message: terms,
  });
  return { ...terms, signature };
}

export function compact(authorization: SignedAuthorization): RouterItem {
  return { form: "compact", authorization };
}

export function wide(
  authorization: SignedAuthorization,
  overload: "vrs" | "bytes" = "bytes",
  gasAllowance = DEFAULT_ALLOWANCE,
): RouterItem {
  return { form: "wide", authorization, overload, gasAllowance };
}

/** The custom error or panic that a call reverts with, and its arguments. */
export async function readRevert(call: Promise<unknown>): Promise<{ name: string; args: readonly unknown[] }> {
  try {
    await call;
  } catch (error) {
    const reverted = error instanceof BaseError ? error.walk((e) => e instanceof ContractFunctionRevertedError) : null;
    if (!(reverted instanceof ContractFunctionRevertedError) || reverted.data === undefined) throw error;
    return { name: reverted.data.errorName, args: reverted.data.args ?? [] };
  }
  throw new Error("the call did not revert");
}

/** The bit of item `index`. */
export function hasFailed(failures: Hex, index: number): boolean {
  const byte = Number.parseInt(failures.slice(2 + 2 * (index >> 3), 4 + 2 * (index >> 3)), 16);
  return ((byte >> (index & 7)) & 1) === 1;
}

/** Indices of the items whose bit is set. */
export function failedIndices(failures: Hex, attempted: bigint): number[] {
  return Array.from({ length: Number(attempted) }, (_, i) => i).filter((i) => hasFailed(failures, i));
}

export type SettleOptions = { token?: Address; gas?: bigint; gasAllowance?: bigint; batchId?: Hex };

/** Arguments of `settle` for these items, with defaults where a test does not care. */
export function settleArgs(token: Address, items: readonly RouterItem[], options: SettleOptions = {}) {
  const { batchId = BATCH_ID, gasAllowance = DEFAULT_ALLOWANCE } = options;
  return [options.token ?? token, batchId, gasAllowance, encodeBatch(items)] as const;
}

export function settleData(token: Address, items: readonly RouterItem[], options: SettleOptions = {}): Hex {
  const args = settleArgs(token, items, options);
  return encodeFunctionData({ abi: settlementRouterArtifact.abi, functionName: "settle", args });
}

export type RouterFixture = Awaited<ReturnType<typeof deployRouter>>;

/** MockUSDC behind its proxy, the router, and Multicall3 as a minter so that many accounts are funded at once. */
export async function deployRouter(viem: HardhatViemHelpers) {
  const fixture = await deployUsdc(viem);
  const { usdc, roles, chainId } = fixture;
  const router = await viem.deployContract("SettlementRouter");
  const publicClient = await viem.getPublicClient();
  const sender = roles.minter;

  const multicall3Code = genuineMulticall3Code();
  if (!multicall3Code) throw new Error("Multicall3's code was not found");
  await (await viem.getTestClient()).setCode({ address: MULTICALL3, bytecode: multicall3Code });
  await usdc.write.configureMinter([MULTICALL3, 10n ** 30n], { account: roles.masterMinter.account });

  /** Sends a transaction that may revert and returns its receipt. */
  const send = async (call: { to: Address; data: Hex; gas: bigint }) => {
    const relayer = fundedAccount(RELAYER);
    const serializedTransaction = await relayer.signTransaction({
      type: "eip1559",
      chainId,
      nonce: await publicClient.getTransactionCount({ address: relayer.address }),
      maxFeePerGas: 10n ** 11n,
      ...call,
    });
    // The node mines one that reverts, but answers with an error: the hash is known beforehand.
    const hash = keccak256(serializedTransaction);
    await publicClient.sendRawTransaction({ serializedTransaction }).catch(() => {});
    return { hash, receipt: await publicClient.getTransactionReceipt({ hash }) };
  };

  /** Calls `target` with each data in one transaction, through Multicall3. */
  const callMany = async (target: Address, calls: readonly Hex[], allowFailure = false) => {
    const data = encodeFunctionData({
      abi: multicall3Abi,
      functionName: "aggregate3",
      args: [calls.map((callData) => ({ target, allowFailure, callData }))],
    });
    const hash = await sender.sendTransaction({ to: MULTICALL3, data, gas: TRANSACTION_GAS_CAP });
    return publicClient.getTransactionReceipt({ hash });
  };

  return {
    ...fixture,
    router,
    publicClient,
    sender,
    callMany,
    send,

    /** Mints `amount` to each of them. */
    async fund(accounts: readonly Address[], amount: bigint): Promise<void> {
      for (let i = 0; i < accounts.length; i += 200) {
        const calls = accounts
          .slice(i, i + 200)
          .map((to) => encodeFunctionData({ abi: usdc.abi, functionName: "mint", args: [to, amount] }));
        const receipt = await callMany(usdc.address, calls);
        if (receipt.status !== "success") throw new Error("minting failed");
      }
    },

    /** Makes accounts delegate to code (EIP-7702), in one transaction per 100. */
    async delegate(accounts: readonly PrivateKeyAccount[], code: Address): Promise<void> {
      const relayer = fundedAccount(RELAYER);
      for (let i = 0; i < accounts.length; i += 100) {
        const chunk = accounts.slice(i, i + 100);
        const authorizationList = await Promise.all(
          chunk.map(async (account) => {
            const nonce = await publicClient.getTransactionCount({ address: account.address });
            return account.signAuthorization({ address: code, chainId, nonce });
          }),
        );
        const serialized = await relayer.signTransaction({
          type: "eip7702",
          chainId,
          nonce: await publicClient.getTransactionCount({ address: relayer.address }),
          to: relayer.address,
          gas: 100_000n + 50_000n * BigInt(chunk.length),
          maxFeePerGas: 10n ** 11n,
          authorizationList,
        });
        const hash = await publicClient.sendRawTransaction({ serializedTransaction: serialized });
        await publicClient.getTransactionReceipt({ hash });
      }
    },

    /** Signs one payment per label: distinct nonces, the same in every run. */
    pay(
      payer: PrivateKeyAccount,
      to: Address,
      value: bigint,
      terms: Partial<Authorization> & { label?: string } = {},
    ): Promise<SignedAuthorization> {
      const { label = "0", ...overrides } = terms;
      const nonce = testBytes32(`nonce ${payer.address} ${label}`);
      return signed(payer, makeAuthorization(fixture, { from: payer.address, to, value, nonce, ...overrides }));
    },

    /** Sends a batch with explicit gas and returns its receipt. */
    async settle(items: readonly RouterItem[], options: SettleOptions = {}) {
      const data = settleData(usdc.address, items, options);
      const hash = await sender.sendTransaction({ to: router.address, data, gas: options.gas ?? TRANSACTION_GAS_CAP });
      const receipt = await publicClient.getTransactionReceipt({ hash });
      return { hash, data, receipt };
    },

    /** The router's own events among these logs, in order. */
    routerEvents(logs: readonly Log[]) {
      return parseEventLogs({
        abi: router.abi,
        logs: logs.filter((log) => isAddressEqual(log.address, router.address)),
      });
    },

    /** What `settle` returns for a batch that need not be well formed, by eth_call. */
    async call(
      args: ReturnType<typeof settleArgs>,
      gas = TRANSACTION_GAS_CAP,
      account: Address = sender.account.address,
    ) {
      const { result } = await publicClient.simulateContract({
        address: router.address,
        abi: router.abi,
        functionName: "settle",
        args,
        gas,
        account,
      });
      return { attempted: result[0], failures: result[1] };
    },

    /** What `settle` would return, by eth_call. */
    preflight(items: readonly RouterItem[], options: SettleOptions = {}) {
      return this.call(settleArgs(usdc.address, items, options), options.gas);
    },
  };
}
