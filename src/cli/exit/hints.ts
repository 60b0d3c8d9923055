import type { DoctorCheck, DoctorReport } from "../../doctor/index.ts";
import type { TributaryError } from "../../errors.ts";
import { WatchError } from "../../settlement/job/watch/types.ts";

const NODE = "--rpc-url (or RPC_URL) names the node";

/**
 * What commands add to the library's hints, which name no command and no option: by the name of the error, and of a
 * WatchError also by its problem.
 */
export const ADDED_TO_ERRORS: Readonly<Record<string, string>> = {
  ChainUnavailableError: `${NODE}; tributary local starts one on this machine.`,
  ChainMismatchError: `${NODE}, and --token the token.`,
  ChannelError: "tributary channels list names the channels, tributary channels show says where one stands.",
  DeploymentFailedError: "Run tributary deploy again for that.",
  DeploymentRefusedError: `${NODE}, and --keystore (or PRIVATE_KEY) the key that pays; tributary local has all it takes.`,
  HardhatKeystoreError: "npx hardhat keystore list shows its names, npx hardhat keystore set NAME sets one.",
  JournalError: "--journal (or DATABASE_URL) names the journal.",
  NoKeystoreError: "tributary keys new makes one.",
  TransactionRefusedError: "Run the command again for that: nothing settles twice.",
  VerificationFailedError: "The key is ETHERSCAN_API_KEY, and the command tributary deploy --verify.",
  "WatchError folder": "To read standard input, pass - as the folder.",
  "WatchError results": "--out names the file of results.",
  "WatchError results-in-folder": "--out names the file of results.",
};

/** The same for what the doctor says to do, by the name of the check. All others are about the node. */
export const ADDED_TO_CHECKS: Readonly<Record<string, string>> = {
  RPC: `${NODE}; tributary local starts one on this machine.`,
  "chain id": `${NODE}, --network the network and --token the token.`,
  router: `tributary deploy deploys it where it is missing, with the same --rpc-url and key.`,
  signer: "The key is PRIVATE_KEY or --keystore FILE (tributary keys new makes one); --max-gas keeps batches small.",
  token: "--token names the token.",
  "EIP-712 domain": `${NODE}, and --token the token.`,
  "token state": "--token names the token.",
  "overload (v, r, s)": "--token names the token.",
  "overload bytes": "--token names the token.",
  "dry run": "tributary deploy deploys a router that is missing.",
};

/** The hint of an error as the user of a command sees it. */
export function hintOf(error: TributaryError): string | undefined {
  const name = error instanceof WatchError ? `${error.name} ${error.problem}` : error.name;
  return joined(error.hint, ADDED_TO_ERRORS[name]);
}

/** The doctor's report as the user of a command sees it. */
export function withHints(report: DoctorReport): DoctorReport {
  const added = ({ name }: DoctorCheck) => ADDED_TO_CHECKS[name] ?? `${NODE}.`;
  const hinted = (check: DoctorCheck) =>
    check.fix === undefined ? check : { ...check, fix: joined(check.fix, added(check)) };
  return { ...report, checks: report.checks.map(hinted) };
}

function joined(hint: string | undefined, added: string | undefined): string | undefined {
  return hint === undefined || added === undefined ? (hint ?? added) : `${hint} ${added}`;
}
