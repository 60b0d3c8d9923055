import type { HardhatViemHelpers } from "@nomicfoundation/hardhat-viem/types";
import { type Address, bytesToHex, type Hex, type LocalAccount, parseSignature } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Authorization } from "../../src/authorization/types.ts";
import { deriveAccounts, TEST_MNEMONIC } from "../../src/local/accounts.ts";

/** The accounts that Hardhat funds. */
const funded = deriveAccounts(TEST_MNEMONIC, 20);

/** Year 2100: valid in every test, and still 32 bits. */
export const FAR_FUTURE = 4_102_444_800n;

export const ZERO_ADDRESS = "0x0000000000000000000000000000000000000000";

const transferFields = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
] as const;

/** EIP-712 types of everything that USDC lets others submit. */
export const usdcTypes = {
  TransferWithAuthorization: transferFields,
  ReceiveWithAuthorization: transferFields,
  CancelAuthorization: [
    { name: "authorizer", type: "address" },
    { name: "nonce", type: "bytes32" },
  ],
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
} as const;

export type UsdcFixture = Awaited<ReturnType<typeof deployUsdc>>;

/** A signature in both shapes that the token's overloads take. */
export type SplitSignature = { signature: Hex; v: number; r: Hex; s: Hex };

/** Account `index` of those that Hardhat funds, with its key. */
export function fundedAccount(index: number): LocalAccount {
  const account = funded[index];
  if (account === undefined) throw new Error(`Hardhat funds no account ${index}`);
  return privateKeyToAccount(account.privateKey);
}

/**
 * Deploys MockUSDC behind its proxy and initializes it, one account per role: account 0 is the minter and everybody's
 * default caller; 1 owner, 2 master minter, 3 pauser, 4 blacklister, 5 admin of the proxy.
 */
export async function deployUsdc(viem: HardhatViemHelpers) {
  const wallets = await viem.getWalletClients();
  const [minter, owner, masterMinter, pauser, blacklister, proxyAdmin] = wallets;
  if (!minter || !owner || !masterMinter || !pauser || !blacklister || !proxyAdmin) throw new Error("accounts missing");

  const implementation = await viem.deployContract("MockUSDC");
  const proxy = await viem.deployContract("FiatProxy", [implementation.address, proxyAdmin.account.address]);
  const usdc = await viem.getContractAt("MockUSDC", proxy.address);
  const roles = { minter, owner, masterMinter, pauser, blacklister, proxyAdmin };
  await usdc.write.initialize([
    "USDC",
    "USDC",
    "USD",
    6,
    masterMinter.account.address,
    pauser.account.address,
    blacklister.account.address,
    owner.account.address,
  ]);
  await usdc.write.configureMinter([minter.account.address, 10n ** 18n], { account: masterMinter.account });

  const chainId = await (await viem.getPublicClient()).getChainId();
  return {
    usdc,
    implementation,
    proxy,
    roles,
    chainId,
    mint: (to: Address, amount: bigint) => usdc.write.mint([to, amount]),
    blacklist: (account: Address) => usdc.write.blacklist([account], { account: blacklister.account }),
    pause: () => usdc.write.pause({ account: pauser.account }),
  };
}

/** EIP-712 domain of USDC; only the name differs between networks. */
export function usdcDomain(at: { chainId: number; token: Address }, name = "USDC") {
  return { name, version: "2", chainId: at.chainId, verifyingContract: at.token } as const;
}

/** Unsigned terms on this token with a random nonce, valid from the start of time to FAR_FUTURE. */
export function makeAuthorization(
  fixture: { chainId: number; usdc: { address: Address } },
  terms: Pick<Authorization, "from" | "to" | "value"> & Partial<Authorization>,
): Authorization {
  return {
    chainId: fixture.chainId,
    token: fixture.usdc.address,
    validAfter: 0n,
    validBefore: FAR_FUTURE,
    nonce: randomNonce(),
    ...terms,
  };
}

export function randomNonce(): Hex {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
}

/** Signs `authorization` as a transfer, or as a receive. */
export async function signTransfer(
  signer: LocalAccount,
  authorization: Authorization,
  primaryType: "TransferWithAuthorization" | "ReceiveWithAuthorization" = "TransferWithAuthorization",
): Promise<SplitSignature> {
  const domain = usdcDomain(authorization);
  return split(await signer.signTypedData({ domain, types: usdcTypes, primaryType, message: authorization }));
}

/** Signs that the authorization with this nonce shall never be executed. */
export async function signCancel(
  signer: LocalAccount,
  authorization: Pick<Authorization, "chainId" | "token" | "from" | "nonce">,
): Promise<SplitSignature> {
  const message = { authorizer: authorization.from, nonce: authorization.nonce };
  const domain = usdcDomain(authorization);
  return split(await signer.signTypedData({ domain, types: usdcTypes, primaryType: "CancelAuthorization", message }));
}

/** Signs an allowance. */
export async function signPermit(
  signer: LocalAccount,
  at: { chainId: number; token: Address },
  message: { owner: Address; spender: Address; value: bigint; nonce: bigint; deadline: bigint },
): Promise<SplitSignature> {
  const domain = usdcDomain(at);
  return split(await signer.signTypedData({ domain, types: usdcTypes, primaryType: "Permit", message }));
}

/** Arguments that both overloads of transfer and receive start with. */
export function authorizationArgs(a: Authorization) {
  return [a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce] as const;
}

/** Takes a 65-byte signature apart. */
export function split(signature: Hex): SplitSignature {
  const { r, s, yParity } = parseSignature(signature);
  return { signature, v: 27 + yParity, r, s };
}
