import { type Address, domainSeparator, parseAbi } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { knownTokenDomain, networkOf, type TokenDomain } from "../networks.ts";
import { answerOf, checked } from "./ask.ts";
import { type DoctorCheck, failed, passed, warned } from "./report.ts";

const tokenAbi = parseAbi([
  "function name() view returns (string)",
  "function version() view returns (string)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function paused() view returns (bool)",
]);

const ZERO_NONCE = `0x${"00".repeat(32)}` as const;

/** Whether the token exists at all. */
export function checkTokenCode(client: ChainClient, token: Address): Promise<DoctorCheck> {
  const name = "token";
  return checked(name, async () => {
    const code = await client.getCode({ address: token });
    if (code !== undefined && code !== "0x") return passed(name, token);
    const usdc = networkOf(client.chain.id)?.usdc.address;
    const fix = usdc === undefined ? "Check the token's address." : `Check the token's address; USDC is ${usdc}.`;
    return failed(name, `no code at ${token}`, fix);
  });
}

/**
 * Whether the token's EIP-712 domain is the one that payers sign for: `USDC` on Base Sepolia, `USD Coin` on Base. A
 * token that this package does not know is compared with its own name and version.
 */
export function checkTokenDomain(client: ChainClient, token: Address): Promise<DoctorCheck> {
  const name = "EIP-712 domain";
  return checked(name, async () => {
    const [said, separator] = await Promise.all([
      readTokenDomain(client, token),
      answerOf(client.readContract({ address: token, abi: tokenAbi, functionName: "DOMAIN_SEPARATOR" })),
    ]);
    if (said === undefined || separator === undefined) {
      return failed(name, "the token lacks name, version or DOMAIN_SEPARATOR", "Use a token with EIP-3009.");
    }
    const expected = knownTokenDomain(client.chain.id, token);
    return judgeDomain({ chainId: client.chain.id, token, expected, said, separator });
  });
}

/** The name and version that the token gives; undefined if it lacks one of them. */
export async function readTokenDomain(client: ChainClient, token: Address): Promise<TokenDomain | undefined> {
  const read = { address: token, abi: tokenAbi } as const;
  const [name, version] = await Promise.all([
    answerOf(client.readContract({ ...read, functionName: "name" })),
    answerOf(client.readContract({ ...read, functionName: "version" })),
  ]);
  return name === undefined || version === undefined ? undefined : { name, version };
}

/** Compares the token's name and version with the expected ones, and its separator with the one computed from them. */
export function judgeDomain(domain: {
  readonly chainId: number;
  readonly token: Address;
  /** What networks.ts has for this token. */
  readonly expected: TokenDomain | undefined;
  /** What the token says about itself. */
  readonly said: TokenDomain;
  readonly separator: string;
}): DoctorCheck {
  const name = "EIP-712 domain";
  const { chainId, token, said, separator } = domain;
  const { name: tokenName, version } = domain.expected ?? said;
  const shown = `${JSON.stringify(said.name)} version ${JSON.stringify(said.version)}`;
  if (said.name !== tokenName || said.version !== version) {
    const fix = `Expected ${JSON.stringify(tokenName)} version ${JSON.stringify(version)}: check the node and the token.`;
    return failed(name, shown, fix);
  }
  const computed = domainSeparator({ domain: { name: tokenName, version, chainId, verifyingContract: token } });
  if (computed !== separator.toLowerCase()) {
    const fix = `No signature for ${shown} on chain ${chainId} will verify: check the node and the token.`;
    return failed(name, `${shown}, but DOMAIN_SEPARATOR is another`, fix);
  }
  return domain.expected === undefined
    ? warned(name, `${shown}; a token that this package does not know`, "Make sure that it is the token you mean.")
    : passed(name, `${shown}, separator as computed`);
}

/** Whether the token is in operation and answers questions about nonces. */
export function checkTokenState(client: ChainClient, token: Address): Promise<DoctorCheck> {
  const name = "token state";
  return checked(name, async () => {
    const read = { address: token, abi: tokenAbi } as const;
    const [used, paused] = await Promise.all([
      answerOf(client.readContract({ ...read, functionName: "authorizationState", args: [token, ZERO_NONCE] })),
      answerOf(client.readContract({ ...read, functionName: "paused" })),
    ]);
    if (used === undefined) {
      return failed(name, "the token does not know authorizationState", "Use a token with EIP-3009.");
    }
    if (paused === true) {
      return failed(name, "paused by its issuer", "Wait until the issuer unpauses it; nothing can settle meanwhile.");
    }
    return passed(name, paused === undefined ? "knows authorizationState" : "knows authorizationState, not paused");
  });
}
