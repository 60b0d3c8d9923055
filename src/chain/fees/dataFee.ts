import { type Address, parseAbi } from "viem";
import type { DataFeeInputs } from "../../fees/index.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { hasCode } from "../facts/facts.ts";

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
 * @throws ChainUnavailableError if the node does not answer.
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
