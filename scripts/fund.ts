import { Command } from "commander";
import { type Address, createWalletClient, custom } from "viem";
import { type ChainClient, connectChain } from "../src/chain/client.ts";
import { CommandError, UsageError } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, describeUrl, jsonOption, rpcUrlOption, usdcAmount } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { mockUSDCArtifact } from "../src/contracts/MockUSDC.ts";
import { testAccount } from "../src/local/testAccounts.ts";
import { formatAmount } from "../src/money.ts";
import { networks } from "../src/networks.ts";

type Options = { readonly rpcUrl: string; readonly json?: true };

const { chainId, title, usdc } = networks.baseSepolia;
const token = { address: usdc.address, abi: mockUSDCArtifact.abi } as const;

/** `tributary fund`: mints test USDC. */
export function fundCommand(): Command {
  return new Command("fund")
    .description("Mint test USDC on the local chain.")
    .argument("<address>", "account that gets it", address)
    .argument("<amount>", "how much, in USDC, such as 1.5", usdcAmount)
    .addOption(rpcUrlOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("fund 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 100"))
    .action(runFund);
}

async function runFund(to: Address, amount: bigint, { rpcUrl, json }: Options): Promise<void> {
  if (amount === 0n) throw new UsageError("The amount is zero.", { hint: "Write how much USDC to mint, such as 1.5." });
  const client = await connectChain(rpcUrl, { pollingIntervalMs: 100 });
  const minter = await requireMinter(client, rpcUrl);
  const { request } = await client.simulateContract({
    ...token,
    functionName: "mint",
    args: [to, amount],
    account: minter,
  });
  // The node signs for the test accounts and assigns their txNonce, so that several of these may run at once.
  const hash = await createWalletClient({ chain: client.chain, transport: custom(client) }).writeContract(request);
  const receipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success")
    throw new CommandError("The mint reverted.", EXIT.failure, { details: receipt.transactionHash });
  const balance = await client.readContract({ ...token, functionName: "balanceOf", args: [to] });
  if (json === true) printJson({ address: to, amount, balance, transaction: receipt.transactionHash });
  else printLine(`${to} got ${formatAmount(amount, 6)} USDC and now has ${formatAmount(balance, 6)} USDC.`);
}

/** Test account #0, which mints on the local chain and nowhere else. */
async function requireMinter(client: ChainClient, rpcUrl: string): Promise<Address> {
  const refuse = (why: string): UsageError =>
    new UsageError(`${describeUrl(rpcUrl)} is not the local chain: ${why}. Nothing was sent.`, {
      hint: "Start one with: tributary local. For real testnet USDC see Circle's faucet, https://faucet.circle.com.",
    });
  if (client.chain.id !== chainId) throw refuse(`its chain id is ${client.chain.id}, not ${chainId}`);
  const version = await client.request({ method: "web3_clientVersion" });
  if (!/^(HardhatNetwork|anvil)\//i.test(version)) throw refuse(`this is ${title} itself, or another real node`);
  const minter = testAccount(0);
  const isMinter = await client
    .readContract({ ...token, functionName: "isMinter", args: [minter.address] })
    .catch(() => false);
  if (!isMinter) throw refuse(`test account #0 may not mint the token at ${token.address}`);
  return minter.address;
}
