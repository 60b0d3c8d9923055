import { type Address, isAddressEqual, parseAbi } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { askContract, ContractFaultError } from "../../chain/contract.ts";
import { ChainMismatchError } from "../../chain/errors.ts";
import { domainOf } from "../../chain/facts/domain.ts";
import { networkOf } from "../../networks.ts";

/** What a resource server must know about a token. */
export type TokenTerms = {
  /** The name in its EIP-712 domain, under which payers sign. */
  readonly name: string;
  readonly version: string;
  readonly decimals: number;
};

/** The tokens that are settled here. */
export type Tokens = {
  /** The token used if none is named: the network's USDC if it is settled here, else the first; undefined if there is none. */
  readonly usual: Address | undefined;
  /**
   * What a token says about itself, asked once; undefined if it does not say all of it.
   * @throws ChainUnavailableError if the node does not answer.
   */
  readonly termsOf: (token: Address) => Promise<TokenTerms | undefined>;
};

const decimalsAbi = parseAbi(["function decimals() view returns (uint8)"]);
const DECIMALS_GAS = 1_000_000n;

export function createTokens(client: ChainClient, assets: readonly { readonly address: Address }[]): Tokens {
  const usdc = networkOf(client.chain.id)?.usdc;
  const isUsdc = (token: Address): boolean => usdc !== undefined && isAddressEqual(usdc.address, token);
  const known = new Map<string, Promise<TokenTerms | undefined>>();

  const read = async (token: Address): Promise<TokenTerms | undefined> => {
    if (usdc !== undefined && isUsdc(token)) {
      return { name: usdc.name, version: usdc.version, decimals: usdc.decimals };
    }
    try {
      const [{ name, version }, decimals] = await Promise.all([
        domainOf(client, token),
        askContract(client, "the token's decimals", {
          address: token,
          abi: decimalsAbi,
          functionName: "decimals",
          gas: DECIMALS_GAS,
        }),
      ]);
      return { name, version, decimals: Number(decimals) };
    } catch (error) {
      if (error instanceof ChainMismatchError || error instanceof ContractFaultError) return undefined;
      throw error;
    }
  };

  return {
    usual: (assets.find(({ address }) => isUsdc(address)) ?? assets[0])?.address,
    termsOf: (token) => {
      const key = token.toLowerCase();
      const before = known.get(key);
      if (before !== undefined) return before;
      const answer = read(token);
      known.set(key, answer);
      answer.catch(() => known.delete(key));
      return answer;
    },
  };
}

/** The terms of the usual token, for /supported. */
export async function usualTerms({ usual, termsOf }: Tokens): Promise<TokenTerms | undefined> {
  return usual === undefined ? undefined : termsOf(usual);
}
