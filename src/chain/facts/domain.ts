import { type Address, parseAbi } from "viem";
import { knownTokenDomain, type TokenDomain } from "../../networks.ts";
import type { ChainClient } from "../client.ts";
import { askContract, ContractFaultError } from "../contract.ts";
import { ChainMismatchError } from "../errors.ts";

const domainAbi = parseAbi(["function name() view returns (string)", "function version() view returns (string)"]);
/** Reading a name or a version takes a few thousand gas. */
const DOMAIN_GAS = 1_000_000n;
const domains = new WeakMap<ChainClient, Map<string, Promise<TokenDomain>>>();

/**
 * The token's EIP-712 domain: the known one, or else what its `name()` and `version()` return, which are read once.
 * @throws ChainMismatchError if the token has none, ChainUnavailableError if the node does not answer.
 */
export function domainOf(client: ChainClient, token: Address): Promise<TokenDomain> {
  const known = knownTokenDomain(client.chain.id, token);
  if (known !== undefined) return Promise.resolve(known);
  const asked = domains.get(client) ?? new Map<string, Promise<TokenDomain>>();
  domains.set(client, asked);
  const key = token.toLowerCase();
  const before = asked.get(key);
  if (before !== undefined) return before;
  const say = (functionName: "name" | "version") =>
    askContract(client, "the token's name and version", {
      address: token,
      abi: domainAbi,
      functionName,
      gas: DOMAIN_GAS,
    });
  const answer = Promise.all([say("name"), say("version")]).then(
    ([name, version]) => ({ name: String(name), version: String(version) }),
    (error: unknown) => {
      if (!(error instanceof ContractFaultError)) throw error;
      throw new ChainMismatchError(`The contract at ${token} does not say its EIP-712 domain.`, {
        hint: "A token with EIP-3009 has name() and version(); check the address.",
      });
    },
  );
  asked.set(key, answer);
  answer.catch(() => asked.delete(key));
  return answer;
}
