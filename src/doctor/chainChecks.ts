import type { Address } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { readRouterCode } from "../chain/facts/routerCode.ts";
import { MULTICALL3_ADDRESS } from "../chain/multicall3.ts";
import { hasPreconfirmations } from "../chain/preconfirmations.ts";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../channels/index.ts";
import { ROUTER_ADDRESS } from "../deployment.ts";
import { type Network, networkOf, networks } from "../networks.ts";
import { answerOf, checked } from "./ask.ts";
import { type DoctorCheck, failed, passed, warned } from "./report.ts";

/** The OP stack's predeploy that prices a transaction's data (OP-stack specification, "Predeploys"). */
const GAS_PRICE_ORACLE_ADDRESS: Address = "0x420000000000000000000000000000000000000F";

/**
 * The clocks of machine and chain may differ by this many seconds before it is a warning, and before it is a failure.
 */
const SKEW_WARNING_SECONDS = 30;
const SKEW_FAILURE_SECONDS = 300;

const gasPriceOracleAbi = [
  {
    type: "function",
    name: "getL1Fee",
    stateMutability: "view",
    inputs: [{ name: "data", type: "bytes" }],
    outputs: [{ name: "fee", type: "uint256" }],
  },
] as const;

export function checkRouter(client: ChainClient): Promise<DoctorCheck> {
  const name = "router";
  return checked(name, async () => {
    const code = await readRouterCode(client);
    if (code.status === "matches") return passed(name, `${ROUTER_ADDRESS}, code as built`);
    if (code.status === "missing") {
      return failed(name, `no code at ${ROUTER_ADDRESS}`, "Deploy it.");
    }
    const fix = "Send nothing there; use the version of this package that this chain's router belongs to.";
    return failed(name, `other code at ${ROUTER_ADDRESS} (${code.bytes} bytes)`, fix);
  });
}

export function checkMulticall3(client: ChainClient): Promise<DoctorCheck> {
  const name = "Multicall3";
  return checked(name, async () => {
    const code = await client.getCode({ address: MULTICALL3_ADDRESS });
    if (code !== undefined && code !== "0x") return passed(name, MULTICALL3_ADDRESS);
    const fix = "x402 clients may read through it: use a chain that has it (see multicall3.com/deployments).";
    return warned(name, `no code at ${MULTICALL3_ADDRESS}`, fix);
  });
}

/**
 * Checks for x402's channel contracts, which are on Base and Base Sepolia. Operators who serve no channels do not need
 * them.
 */
export function checkChannels(client: ChainClient): Promise<DoctorCheck> {
  const name = "channels";
  return checked(name, async () => {
    for (const address of [BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS]) {
      const code = await client.getCode({ address });
      if (code !== undefined && code !== "0x") continue;
      const isExpected = [networks.base.chainId, networks.baseSepolia.chainId].some((id) => id === client.chain.id);
      if (!isExpected) return passed(name, "this chain lacks x402's channel contracts");
      const fix = "The network has it: check the node, and serve no batch-settlement through this one.";
      return warned(name, `no code at ${address}`, fix);
    }
    return passed(name, BATCH_SETTLEMENT_ADDRESS);
  });
}

/** @param development Whether the chain is one on this machine that begins anew with each start. */
export function checkGasPriceOracle(client: ChainClient, development: boolean): Promise<DoctorCheck> {
  const name = "data fee";
  return checked(name, async () => {
    if (networkOf(client.chain.id)?.opStack !== true) return passed(name, "this chain charges none");
    const fee = await answerOf(
      client.readContract({
        address: GAS_PRICE_ORACLE_ADDRESS,
        abi: gasPriceOracleAbi,
        functionName: "getL1Fee",
        args: [`0x${"ff".repeat(256)}`],
      }),
    );
    if (fee !== undefined) return passed(name, `GasPriceOracle asks ${fee} wei for 256 bytes`);
    if (development) return passed(name, "no GasPriceOracle: a development chain charges none");
    const fix = "This node does not serve an OP-stack chain: use a node of the network.";
    return failed(name, `no answer from GasPriceOracle at ${GAS_PRICE_ORACLE_ADDRESS}`, fix);
  });
}

/**
 * Compares the machine's clock with the newest block's.
 *
 * @param nowSeconds The machine's time in Unix seconds.
 * @param development Whether it is a development chain, which may have no block for hours: a lag means nothing there.
 */
export function checkClock(client: ChainClient, nowSeconds: bigint, development: boolean): Promise<DoctorCheck> {
  const name = "clock";
  return checked(name, async () => {
    const { timestamp } = await client.getBlock({ blockTag: "latest" });
    return judgeClock(Number(timestamp - nowSeconds), development);
  });
}

/** @param aheadSeconds How far the chain is ahead of the machine; negative if it lags behind. */
export function judgeClock(aheadSeconds: number, development: boolean): DoctorCheck {
  const name = "clock";
  const skew = Math.abs(aheadSeconds);
  const found =
    aheadSeconds === 0
      ? "the newest block has the machine's time"
      : `the newest block is ${skew} s ${aheadSeconds > 0 ? "ahead of" : "behind"} the machine`;
  if (skew <= SKEW_WARNING_SECONDS) return passed(name, found);
  if (aheadSeconds < 0 && development) return passed(name, `${found}: a development chain waits for transactions`);
  const fix =
    aheadSeconds > 0
      ? "Set the machine's clock by NTP: authorizations that it makes may be expired on the chain."
      : "Set the machine's clock by NTP, or use a node that is in sync.";
  return skew > SKEW_FAILURE_SECONDS ? failed(name, found, fix) : warned(name, found, fix);
}

/** Says whether the node tells of transactions before their block. Nothing depends on it unless it is asked for. */
export function checkPreconfirmations(client: ChainClient): Promise<DoctorCheck> {
  const name = "preconfirmations";
  return checked(name, async () => {
    const found = await hasPreconfirmations(client);
    if (found === undefined) return passed(name, "cannot be told: nobody sends anything, or the node did not answer");
    return passed(name, found ? "yes, receipts come before their block" : "no, receipts come with their block");
  });
}

/** A wrong chain id is the commonest mistake: the RPC URL is another network's. */
export function judgeChainId(chainId: number, expected: Network | undefined): DoctorCheck {
  const name = "chain id";
  const found = networkOf(chainId);
  const shown = `${chainId}${found === undefined ? "" : ` (${found.title})`}`;
  if (expected !== undefined && expected.chainId !== chainId) {
    const fix = `Use a node of ${expected.title}, chain id ${expected.chainId}.`;
    return failed(name, `${shown}, not ${expected.chainId}`, fix);
  }
  if (found !== undefined) return passed(name, shown);
  return warned(
    name,
    `${shown}, a network that this package does not know`,
    "Check that the URL is right, and name the token.",
  );
}
