import { setImmediate as nextTurn } from "node:timers/promises";
import type { FacilitatorEvmSigner } from "@x402/evm";
import type { Abi, Address, Hex } from "viem";
import { gather, settled } from "../../async/gather.ts";
import { recoverSigner } from "../../authorization/recover.ts";
import { unavailable } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { askContract, ContractFaultError } from "../../chain/contract.ts";
import { ChainUnavailableError } from "../../chain/errors.ts";
import { DEFAULT_ERC1271_GAS } from "../../chain/facts/verify.ts";

/** The error that an official scheme gets if a read reverted. The scheme passes the text on, but it does not help the payer. */
export const REVERTED = "the call reverted";

/** The reads of an official scheme in one verification, and whether all of them were answered. */
export type VerificationReads = {
  /** A signer that reads and cannot write. */
  readonly signer: FacilitatorEvmSigner;
  /** The first failure that was not a revert. With one, the verdict says nothing about the payment. */
  readonly failure: () => Error | undefined;
  /** Whether a signature was not recovered here, so that the official code has to look at it. */
  readonly isUnrecovered: () => boolean;
};

/** Code that stands for that of an account without any: it makes an official scheme ask its signer about the signature. */
const STAND_IN: Hex = "0x00";
const ERC1271_MAGIC = "0x1626ba7e";

/**
 * The reads of one verification. Each is a separate eth_call, because calls inside one multicall see each other's changes and
 * spend each other's gas. The client's transport sends the simultaneous reads of many verifications as one JSON-RPC batch.
 * The official code takes a failed read for a verdict, so failures are noted here.
 *
 * The official code recovers the signer of an account without code in JavaScript, but asks its signer object about one with
 * code. So the account that is to be recovered is given some if it has none, and the signer recovers with libsecp256k1 in a
 * fifth of the time. It only ever says yes: if it does not recover the account, `isUnrecovered` asks for a verification
 * without the stand-in. No other account is given code: the official code also asks for that of the asset.
 * @param options.simulate Whether the transfer is simulated. If not, it counts as good, and the engine's pre-flight decides.
 * @param options.recovers The account whose signature of 65 bytes is recovered here. By default, none is.
 */
export function createVerificationReads(
  client: ChainClient,
  options: {
    readonly simulate: boolean;
    readonly recovers?: Address | undefined;
    readonly addresses: () => readonly Address[];
  },
): VerificationReads {
  const codes = new Map<string, Promise<Hex | undefined>>();
  const standIns = new Set<string>();
  let failure: Error | undefined;
  let isUnrecovered = false;

  const failed = (error: unknown): Error => {
    if (error instanceof ContractFaultError) return new Error(REVERTED);
    // The cause is left out: it holds the node's URL, and its text would become part of an answer.
    const known = error instanceof ChainUnavailableError ? error : unavailable("what was asked", error);
    failure ??= known;
    return new Error(known.shortMessage);
  };
  const refuse = (): never => {
    throw new Error("verification sends nothing");
  };

  return {
    failure: () => failure,
    isUnrecovered: () => isUnrecovered,
    signer: {
      getAddresses: options.addresses,
      getCode: ({ address }) => {
        const known = codes.get(address.toLowerCase());
        if (known !== undefined) return known;
        // The error is noted, not thrown: the official code may stop before it awaits this promise, and an unhandled rejection
        // ends the process.
        const asked = readCode(client, address)
          .catch((error: unknown) => {
            failed(unavailable("an account's code", error));
            return undefined;
          })
          .then((code) => {
            const isRecovered = options.recovers?.toLowerCase() === address.toLowerCase();
            if (!isRecovered || failure !== undefined || (code !== undefined && code !== "0x")) return code;
            standIns.add(address.toLowerCase());
            return STAND_IN;
          });
        codes.set(address.toLowerCase(), asked);
        return asked;
      },
      readContract: async ({ address, abi, functionName, args = [] }) => {
        if (functionName === "isValidSignature" && standIns.has(address.toLowerCase())) {
          const [digest, signature] = args as readonly [Hex, Hex];
          if ((await recoverSigner(digest, signature)) === address.toLowerCase()) return ERC1271_MAGIC;
          isUnrecovered = true;
          return "0x";
        }
        if (!options.simulate && functionName === "transferWithAuthorization") return undefined;
        return readContract(client, { address, abi, functionName, args }).catch((error: unknown) => {
          throw failed(error);
        });
      },
      verifyTypedData: refuse,
      writeContract: refuse,
      sendTransaction: refuse,
      waitForTransactionReceipt: refuse,
    },
  };
}

/** The most accounts whose code one request asks for. */
const MAX_GATHERED = 500;
const codeReaders = new WeakMap<ChainClient, (address: Address) => Promise<Hex | undefined>>();

/** An account's code. Verifications that ask while a request is under way share the next one. */
function readCode(client: ChainClient, address: Address): Promise<Hex | undefined> {
  const known = codeReaders.get(client);
  if (known !== undefined) return known(address);
  const read = gather<Address, Hex | undefined>(
    (addresses) => Promise.all(addresses.map((one) => settled(client.getCode({ address: one })))),
    MAX_GATHERED,
    { pause: nextTurn },
  );
  codeReaders.set(client, read);
  return read(address);
}

/** The gas of a read. It may be a simulated transfer, perhaps with the deployment of a wallet before it. */
const READ_GAS = 5_000_000n;

/** {@link askContract} with the interface of x402 signers. */
export function readContract(
  client: ChainClient,
  { address, abi, functionName, args }: Parameters<FacilitatorEvmSigner["readContract"]>[0],
): Promise<unknown> {
  const gas = functionName === "isValidSignature" ? DEFAULT_ERC1271_GAS : READ_GAS;
  // The official packages' types allow anything as an ABI.
  return askContract(client, "what a contract says", { address, abi: abi as Abi, functionName, args, gas });
}
