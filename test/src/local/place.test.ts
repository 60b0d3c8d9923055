import { expect } from "chai";
import { network } from "hardhat";
import { type Address, encodeFunctionData, getAddress, type Hex, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { batchSettlementAbi, erc3009Abi, mockUsdcAbi, settlementRouterArtifact } from "../../../src/abi.ts";
import { MULTICALL3_ADDRESS } from "../../../src/chain/multicall3.ts";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../../../src/channels/index.ts";
import { CREATE_X_ADDRESS, ROUTER_ADDRESS } from "../../../src/deployment.ts";
import { MOCK_USDC_GAS } from "../../../src/gas/index.ts";
import { deriveAccounts, placeContracts, TEST_MNEMONIC } from "../../../src/local/index.ts";
import { networks } from "../../../src/networks.ts";
import { encodeSettle } from "../../../src/router/index.ts";
import { startAnvil } from "../../helpers/anvil.ts";

const { address: USDC } = networks.baseSepolia.usdc;
const PAYEE = getAddress("0xdD2FD4581271e230360230F9337D5c0430Bf44C0");

/** A connection of a Hardhat project, as its tests have it: chain id 31337, a block for each transaction. */
async function connect(mining?: { auto: boolean; interval: number }) {
  const connection = await network.create(
    mining === undefined ? undefined : { network: "default", override: { mining } },
  );
  const client = await connection.viem.getPublicClient();
  return {
    provider: connection.provider,
    viem: connection.viem,
    codeAt: (address: Address) => client.getCode({ address }),
    txNonceOf: (address: Address) => client.getTransactionCount({ address }),
    usdcOf: (address: Address) =>
      client.readContract({ address: USDC, abi: mockUsdcAbi, functionName: "balanceOf", args: [address] }),
    read: client.readContract,
  };
}

describe("placeContracts", () => {
  it("puts router, USDC and channels on a connection, and a batch settles there", async () => {
    const { provider, viem, codeAt, usdcOf, read } = await connect();
    const placed = await placeContracts(provider);
    expect(placed).to.deep.include({
      chainId: 31337,
      usdc: USDC,
      router: ROUTER_ADDRESS,
      batchSettlement: BATCH_SETTLEMENT_ADDRESS,
      createX: CREATE_X_ADDRESS,
    });
    expect(await codeAt(placed.router)).to.equal(settlementRouterArtifact.deployedBytecode);
    expect(await codeAt(ERC3009_DEPOSIT_COLLECTOR_ADDRESS)).to.have.length.above(2);
    const domain = await read({
      address: placed.batchSettlement,
      abi: batchSettlementAbi,
      functionName: "eip712Domain",
    });
    expect(domain[3]).to.equal(31337n);

    const [settler, payer] = await viem.getWalletClients();
    if (settler === undefined || payer === undefined) throw new Error("no accounts");
    // A payer whose key the node has, and one with a key in the test.
    const local = privateKeyToAccount(deriveAccounts(TEST_MNEMONIC, 1, 50)[0]?.privateKey ?? "0x");
    for (const { address } of [payer.account, local]) await placed.fund(address, 1_000_000n);
    const payments = [
      await placed.sign(payer, { to: PAYEE, value: 1_000n }),
      await placed.sign(local, { to: PAYEE, value: 2_000n }),
    ];
    await settler.sendTransaction({
      to: placed.router,
      // An estimate finds the least gas that does not revert, with which the router settles none.
      gas: 1_000_000n,
      data: encodeSettle({
        token: placed.usdc,
        batchId: zeroHash,
        gasAllowance: MOCK_USDC_GAS.minimumAllowance,
        items: payments.map((authorization) => ({ form: "compact", authorization })),
      }),
    });
    expect(await usdcOf(PAYEE)).to.equal(3_000n);
    for (const { from, nonce } of payments) {
      const args = [from, nonce] as const;
      expect(await read({ address: USDC, abi: erc3009Abi, functionName: "authorizationState", args })).to.equal(true);
    }
  });

  it("makes the first account the token's owner, and funds from none of the chain's accounts", async () => {
    const { provider, viem, read, txNonceOf, usdcOf } = await connect();
    const [owner] = await viem.getWalletClients();
    if (owner === undefined) throw new Error("no accounts");
    const { fund } = await placeContracts(provider);
    expect(await read({ address: USDC, abi: mockUsdcAbi, functionName: "owner" })).to.equal(
      getAddress(owner.account.address),
    );
    const txNonce = await txNonceOf(owner.account.address);
    await fund(PAYEE, 5n);
    expect(await usdcOf(PAYEE)).to.equal(5n);
    expect(await txNonceOf(owner.account.address)).to.equal(txNonce);
  });

  it("sends nothing if it was called before, and keeps balances", async () => {
    const { provider, viem, txNonceOf, usdcOf } = await connect();
    const [owner] = await viem.getWalletClients();
    const first = await placeContracts(provider);
    await first.fund(PAYEE, 7n);
    const txNonce = await txNonceOf(owner?.account.address ?? "0x");
    const second = await placeContracts(provider);
    await second.fund(PAYEE, 1n);
    expect(await usdcOf(PAYEE)).to.equal(8n);
    expect(await txNonceOf(owner?.account.address ?? "0x")).to.equal(txNonce);
  });

  it("completes what an interrupted call left half done, wherever that was", async () => {
    const steps = ["hardhat_setCode", "hardhat_setStorageAt", "eth_sendTransaction", "eth_sendRawTransaction"];
    for (let lastStep = 1; ; lastStep++) {
      const { provider, usdcOf } = await connect();
      let step = 0;
      const interrupted = {
        request: (call: { method: string; params?: readonly unknown[] }) => {
          if (steps.includes(call.method) && ++step > lastStep) throw new Error("interrupted");
          return provider.request(call);
        },
      };
      const isThrough = await placeContracts(interrupted).then(
        () => true,
        (error: Error) => {
          expect(error.message).to.equal("interrupted");
          return false;
        },
      );
      const { fund } = await placeContracts(provider);
      await fund(PAYEE, 3n);
      expect(await usdcOf(PAYEE)).to.equal(3n);
      if (!isThrough) continue;
      expect(lastStep).to.be.above(8);
      return;
    }
  });

  it("may be called several times at once", async () => {
    const { provider, usdcOf } = await connect();
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { fund } = await placeContracts(provider);
        await fund(PAYEE, 2n);
      }),
    );
    expect(await usdcOf(PAYEE)).to.equal(8n);
  });

  it("leaves a chain without automatic mining as it is", async () => {
    const { provider, usdcOf } = await connect({ auto: false, interval: 0 });
    const { fund } = await placeContracts(provider);
    await fund(PAYEE, 9n);
    expect(await usdcOf(PAYEE)).to.equal(9n);
    expect(await provider.request({ method: "hardhat_getAutomine", params: [] })).to.equal(false);
  });

  it("does the same on anvil, which begins anew here", async () => {
    const anvil = await startAnvil({ blockTimeSeconds: 0 });
    try {
      await anvil.request("anvil_reset", []);
      expect(await anvil.request("eth_getCode", [ROUTER_ADDRESS, "latest"])).to.equal("0x");
      const { chainId, fund } = await placeContracts({
        request: ({ method, params = [] }) => anvil.request(method, params),
      });
      expect(chainId).to.equal(84532);
      expect(await anvil.request("eth_getCode", [ROUTER_ADDRESS, "latest"])).to.equal(
        settlementRouterArtifact.deployedBytecode,
      );
      await fund(PAYEE, 11n);
      const data = encodeFunctionData({ abi: mockUsdcAbi, functionName: "balanceOf", args: [PAYEE] });
      expect(BigInt(String(await anvil.request("eth_call", [{ to: USDC, data }, "latest"])))).to.equal(11n);
    } finally {
      await anvil.stop();
    }
  });

  for (const [what, address] of [
    ["USDC's", USDC],
    ["the channel contract's", BATCH_SETTLEMENT_ADDRESS],
    ["the deposit collector's", ERC3009_DEPOSIT_COLLECTOR_ADDRESS],
  ] as const) {
    it(`refuses a chain that has another contract at ${what} address, and leaves it as it is`, async () => {
      const { provider, codeAt } = await connect();
      await provider.request({ method: "hardhat_setCode", params: [address, "0x6001"] });
      const error = await placeContracts(provider).catch((cause: unknown) => cause);
      expect(error).to.have.property("name", "LocalChainError");
      expect(error).to.have.property("shortMessage", `The chain has other code at ${what} address, ${address}.`);
      expect(await codeAt(address)).to.equal("0x6001");
      expect(await codeAt(ROUTER_ADDRESS)).to.equal(undefined);
    });
  }

  it("leaves the chain's own Multicall3 alone", async () => {
    const { provider, codeAt } = await connect();
    await provider.request({ method: "hardhat_setCode", params: [MULTICALL3_ADDRESS, "0x6002"] });
    await placeContracts(provider);
    expect(await codeAt(MULTICALL3_ADDRESS)).to.equal("0x6002");
  });

  it("refuses a chain that is not a development chain, and sends nothing", async () => {
    const { provider } = await connect();
    const asked: string[] = [];
    const real = {
      request: (call: { method: string; params?: readonly unknown[] }) => {
        asked.push(call.method);
        // The error of such a node.
        if (!call.method.startsWith("eth_"))
          throw new Error(`the method ${call.method} does not exist/is not available`);
        return provider.request(call);
      },
    };
    const error = await placeContracts(real).catch((cause: unknown) => cause);
    expect(error).to.have.property("name", "LocalChainError");
    expect(error).to.have.property(
      "shortMessage",
      "The chain is not a development chain: it does not take hardhat_impersonateAccount.",
    );
    expect(asked).to.deep.equal(["eth_chainId", "hardhat_impersonateAccount"]);
  });

  it("refuses a chain without accounts", async () => {
    const { provider } = await connect();
    const without = {
      request: (call: { method: string; params?: readonly unknown[] }) =>
        call.method === "eth_accounts" ? Promise.resolve([] as Hex[]) : provider.request(call),
    };
    const error = await placeContracts(without).catch((cause: unknown) => cause);
    expect(error).to.have.property("shortMessage", "The chain has no account to send from.");
  });
});
