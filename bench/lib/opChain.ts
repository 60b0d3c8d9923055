import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import { type Address, concatHex, encodePacked, type Hex, isHex, numberToHex, zeroHash } from "viem";
import type { DataFeeInputs } from "../../src/fees/index.ts";
import { deriveAccounts, type LocalChainAccount, TEST_MNEMONIC } from "../../src/local/accounts.ts";
import { type Genesis, populate } from "../../src/local/genesis.ts";
import type { DevelopmentNode, Request } from "../../src/local/node.ts";
import { presentable } from "../../src/local/presentation.ts";
import { serveRpc } from "../../src/local/rpcServer.ts";
import { networks } from "../../src/networks.ts";

const ACCOUNTS = 20;
/** Predeploy of the OP stack (specification, "Predeploys"), and the only account that may write it. */
const L1_BLOCK: Address = "0x4200000000000000000000000000000000000015";
const DEPOSITOR: Address = "0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001";
/** `setL1BlockValuesIsthmus()`; its packed arguments follow it. */
const SET_VALUES: Hex = "0x098999be";

export type OpChain = Genesis & {
  readonly rpcUrl: string;
  readonly request: Request;
  readonly accounts: readonly LocalChainAccount[];
  /** Sets the price of data from the next block on. */
  readonly setDataFee: (inputs: DataFeeInputs) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** A chain in process that charges the OP stack's data fee (Isthmus rules), with everything that the local chain has. */
export async function openOpChain(): Promise<OpChain> {
  const { chainId } = networks.baseSepolia;
  const environment = await createHardhatRuntimeEnvironment(
    {
      networks: {
        op: {
          type: "edr-simulated",
          chainType: "op",
          hardfork: "isthmus",
          chainId,
          networkId: chainId,
          blockGasLimit: 120_000_000n,
          initialBaseFeePerGas: 5_000_000n,
          allowBlocksWithSameTimestamp: true,
          mining: { auto: true, interval: 0 },
          accounts: { mnemonic: TEST_MNEMONIC, count: ACCOUNTS, accountsBalance: 10_000n * 10n ** 18n },
        },
      },
    },
    {},
    import.meta.dirname,
  );
  const connection = await environment.network.create({ network: "op", chainType: "op" });
  const node: DevelopmentNode = {
    request: (method, params = []) => connection.provider.request({ method, params: [...params] }),
    onNotification: () => () => undefined,
    close: () => connection.close(),
  };
  const accounts = deriveAccounts(TEST_MNEMONIC, ACCOUNTS);
  const genesis = await populate(node.request, { accounts, usdcPerAccount: 10n ** 12n, fundedCount: 10, bare: false });
  const request = presentable(node.request, true);
  const server = await serveRpc(node, request, 0);
  await node.request("hardhat_impersonateAccount", [DEPOSITOR]);
  await node.request("hardhat_setBalance", [DEPOSITOR, numberToHex(10n ** 20n)]);
  return {
    ...genesis,
    accounts,
    request,
    rpcUrl: `http://127.0.0.1:${server.port}`,
    setDataFee: async (inputs) => {
      const hash = await node.request("eth_sendTransaction", [
        { from: DEPOSITOR, to: L1_BLOCK, data: l1BlockCall(inputs), gas: numberToHex(1_000_000) },
      ]);
      if (!isHex(hash)) throw new Error("the data fee was not set");
    },
    stop: async () => {
      await server.close();
      await node.close();
    },
  };
}

function l1BlockCall({ l1BaseFee, blobBaseFee, baseFeeScalar, blobBaseFeeScalar }: DataFeeInputs): Hex {
  const types = ["uint32", "uint32", "uint64", "uint64", "uint64", "uint256", "uint256", "bytes32", "bytes32"] as const;
  const scalars = [Number(baseFeeScalar), Number(blobBaseFeeScalar)] as const;
  return concatHex([
    SET_VALUES,
    encodePacked(
      [...types, "uint32", "uint64"],
      [...scalars, 0n, 0n, 0n, l1BaseFee, blobBaseFee, zeroHash, zeroHash, 0, 0n],
    ),
  ]);
}
