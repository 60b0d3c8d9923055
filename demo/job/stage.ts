import {
  type Address,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  isAddressEqual,
  parseSignature,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { encodeTransfer } from "../../src/authorization/encode.ts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import type { LocalChain } from "../../src/local/index.ts";
import { sender } from "../../src/local/transaction.ts";
import { networks } from "../../src/networks.ts";
import { type Cast, type Flaw, payerAccounts } from "./cast.ts";

/** What each payer with USDC starts with: $5. */
const FUNDS = 5_000_000n;

/** Code that loops until all gas is gone, and the address that it is put at. */
const BURNER_CODE: Hex = "0x5b600056";
const BURNER: Address = "0x00000000000000000000000000000000000b0bb1";

const { abi } = mockUSDCArtifact;

/** Brings the chain into the state that makes the bad payments bad. */
export async function setStage(chain: LocalChain, cast: Cast): Promise<void> {
  const [operator] = chain.accounts;
  if (operator === undefined) throw new Error("the chain has no accounts");
  const send = sender(chain.request);
  const fromOperator = (data: Hex) => send({ from: operator.address, to: chain.usdc, data });

  for (const payer of cast.funded) await chain.fund(payer, FUNDS);
  for (const payer of cast.blocklisted) {
    await fromOperator(encodeFunctionData({ abi, functionName: "blacklist", args: [payer] }));
  }
  for (const { authorization } of withFlaw(cast, "used-nonce")) {
    // The payer signed other terms under the same nonce, and those were settled yesterday.
    const payer = keyed(authorization.from);
    const other = await signAuthorization(payer, {
      authorization: { ...authorization, value: 1n },
      domain: networks.baseSepolia.usdc,
    });
    await fromOperator(encodeTransfer(other));
  }
  for (const { authorization } of withFlaw(cast, "cancelled-nonce")) {
    const { from, nonce } = authorization;
    const { name, version, address } = networks.baseSepolia.usdc;
    const signature = await keyed(from).signTypedData({
      domain: { name, version, chainId: chain.chainId, verifyingContract: address },
      types: { CancelAuthorization: [authorizerField, nonceField] },
      primaryType: "CancelAuthorization",
      message: { authorizer: from, nonce },
    });
    const { r, s, yParity } = parseSignature(signature);
    const args = [from, nonce, 27 + yParity, r, s] as const;
    await fromOperator(encodeFunctionData({ abi, functionName: "cancelAuthorization", args }));
  }
  await delegateToBurner(chain, cast);
}

const authorizerField = { name: "authorizer", type: "address" } as const;
const nonceField = { name: "nonce", type: "bytes32" } as const;

/** EIP-7702: gives code to the payers' accounts. The token then asks that code about their signatures. */
async function delegateToBurner(chain: LocalChain, { burners }: Cast): Promise<void> {
  const helper = chain.accounts[1];
  if (helper === undefined) throw new Error("the chain has no accounts");
  await chain.request("hardhat_setCode", [BURNER, BURNER_CODE]);
  const client = createWalletClient({
    account: privateKeyToAccount(helper.privateKey),
    chain: baseSepolia,
    transport: http(chain.rpcUrl),
  });
  const authorizationList = await Promise.all(
    burners.map((burner) => {
      if (burner.signAuthorization === undefined) throw new Error("the account cannot sign a delegation");
      return burner.signAuthorization({ chainId: chain.chainId, address: BURNER, nonce: 0 });
    }),
  );
  await client.sendTransaction({ to: helper.address, authorizationList, gas: 200_000n });
}

function withFlaw({ payments }: Cast, flaw: Flaw) {
  return payments.filter((payment) => payment.flaw === flaw);
}

function keyed(address: Address) {
  const account = payerAccounts().find((payer) => isAddressEqual(payer.address, address));
  if (account === undefined) throw new Error(`${address} is not a payer of the demo`);
  return account;
}
