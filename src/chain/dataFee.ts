import { type Address, type Hex, parseAbi, serializeTransaction } from "viem";
import type { DataFeeInputs } from "../fees/index.ts";
import { ask } from "./ask.ts";
import type { ChainClient } from "./client.ts";
import { hasCode } from "./facts.ts";
import type { PreparedCall } from "./preflight.ts";

/** The predeploy of OP-stack chains that says what data costs (OP-stack specification, "Predeploys"). */
export const GAS_PRICE_ORACLE_ADDRESS: Address = "0x420000000000000000000000000000000000000F";

const oracleAbi = parseAbi([
  "function l1BaseFee() view returns (uint256)",
  "function blobBaseFee() view returns (uint256)",
  "function baseFeeScalar() view returns (uint32)",
  "function blobBaseFeeScalar() view returns (uint32)",
]);

/**
 * What data costs on an OP-stack chain now; undefined on a chain that charges nothing for it.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function readDataFeeInputs(client: ChainClient): Promise<DataFeeInputs | undefined> {
  if (!(await hasCode(client, GAS_PRICE_ORACLE_ADDRESS))) return undefined;
  const oracle = { address: GAS_PRICE_ORACLE_ADDRESS, abi: oracleAbi } as const;
  const [l1BaseFee, blobBaseFee, baseFeeScalar, blobBaseFeeScalar] = await ask(
    "the price of data",
    Promise.all([
      client.readContract({ ...oracle, functionName: "l1BaseFee" }),
      client.readContract({ ...oracle, functionName: "blobBaseFee" }),
      client.readContract({ ...oracle, functionName: "baseFeeScalar" }),
      client.readContract({ ...oracle, functionName: "blobBaseFeeScalar" }),
    ]),
  );
  return {
    l1BaseFee,
    blobBaseFee,
    baseFeeScalar: BigInt(baseFeeScalar),
    blobBaseFeeScalar: BigInt(blobBaseFeeScalar),
  };
}

/** 32 bytes that do not compress, as a signature's do not. */
const NOISE: Hex = "0x9c1185a5c5e9fc54612808977ee8f548b2258d31a3f5b2d7e0c49a6b83f1d20e";

/** The bytes of a call as a signed transaction, with a signature of the usual length: what a data fee is charged for. */
export function sampleTransaction(call: Pick<PreparedCall, "to" | "data" | "gas">, chainId: number): Hex {
  const fees = { maxFeePerGas: 10_000_000n, maxPriorityFeePerGas: 1_000_000n };
  return serializeTransaction(
    { type: "eip1559", chainId, nonce: 1000, to: call.to, data: call.data, gas: call.gas, ...fees },
    { r: NOISE, s: NOISE, yParity: 1 },
  );
}
