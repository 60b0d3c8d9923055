import { expect } from "chai";
import {
  createPublicClient,
  createWalletClient,
  erc20Abi,
  getAddress,
  http,
  keccak256,
  maxUint256,
  multicall3Abi,
  parseEther,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { verifySignatureOffline } from "../../../src/authorization/index.ts";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../../../src/channels/index.ts";
import { mockBatchSettlementArtifact } from "../../../src/contracts/MockBatchSettlement.ts";
import { mockDepositCollectorArtifact } from "../../../src/contracts/MockDepositCollector.ts";
import { mockUSDCArtifact } from "../../../src/contracts/MockUSDC.ts";
import { settlementRouterArtifact } from "../../../src/contracts/SettlementRouter.ts";
import { ROUTER_ADDRESS } from "../../../src/deployment.ts";
import { genuineMulticall3Code } from "../../../src/local/bytecode.ts";
import { type LocalChain, LocalChainError, startLocalChain } from "../../../src/local/index.ts";
import { networks } from "../../../src/networks.ts";
import { runModule } from "../../helpers/cli.ts";
import { until } from "../../helpers/until.ts";

const { usdc } = networks.baseSepolia;

describe("startLocalChain", () => {
  let chain: LocalChain;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  const reader = () => createPublicClient({ chain: baseSepolia, transport: http(chain.rpcUrl) });
  const usdcOf = (address: `0x${string}`) =>
    reader().readContract({ address: chain.usdc, abi: erc20Abi, functionName: "balanceOf", args: [address] });
  const account = (index: number) => {
    const found = chain.accounts[index];
    if (found === undefined) throw new Error(`no account ${index}`);
    return found;
  };

  it("has the chain id and the USDC address of Base Sepolia", async () => {
    expect(chain.chainId).to.equal(84532);
    expect(await reader().getChainId()).to.equal(84532);
    expect(chain.usdc).to.equal(usdc.address);
    const [eip712, decimals] = await Promise.all([
      reader()
        .getEip712Domain({ address: chain.usdc })
        .catch(() => undefined),
      reader().readContract({ address: chain.usdc, abi: erc20Abi, functionName: "decimals" }),
    ]);
    expect(eip712).to.equal(undefined); // USDC predates ERC-5267
    expect(decimals).to.equal(6);
    expect(
      await reader().readContract({ address: chain.usdc, abi: mockUSDCArtifact.abi, functionName: "name" }),
    ).to.equal("USDC");
    expect(
      await reader().readContract({ address: chain.usdc, abi: mockUSDCArtifact.abi, functionName: "version" }),
    ).to.equal("2");
  });

  it("answers a call without a sender through the proxy", async () => {
    const name = await chain.request("eth_call", [{ to: chain.usdc, data: "0x06fdde03" }, "latest"]);
    expect(name).to.contain("55534443");
  });

  it("has the genuine Multicall3, CreateX, the channels' and the router's code", async () => {
    const codeHash = async (address: `0x${string}`) => keccak256((await reader().getCode({ address })) ?? "0x");
    // The code hashes of both on every public chain, and that of viem's Multicall3, which is used without anvil.
    expect(chain.multicall3).to.equal("0xcA11bde05977b3631167028862bE2a173976CA11");
    expect(await codeHash(chain.multicall3)).to.equal(
      genuineMulticall3Code() === undefined
        ? "0x5a29a1eb2f59e45e4249b938c8192cac0d2bd32398e1afa03f302a867db692ea"
        : "0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891",
    );
    expect(chain.createX).to.equal("0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed");
    expect(await codeHash("0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed")).to.equal(
      "0xbd8a7ea8cfca7b4e5f5041d7d4b17bc317c5ce42cfbc42066a00cf26b43eb53f",
    );
    expect(chain.batchSettlement).to.equal(BATCH_SETTLEMENT_ADDRESS);
    expect(await codeHash(BATCH_SETTLEMENT_ADDRESS)).to.equal(keccak256(mockBatchSettlementArtifact.deployedBytecode));
    expect(await codeHash(ERC3009_DEPOSIT_COLLECTOR_ADDRESS)).to.equal(
      keccak256(mockDepositCollectorArtifact.deployedBytecode),
    );
    expect(chain.router).to.equal(ROUTER_ADDRESS);
    expect(await reader().getCode({ address: chain.router })).to.equal(settlementRouterArtifact.deployedBytecode);
  });

  it("answers viem's multicall", async () => {
    const balances = await reader().multicall({
      allowFailure: false,
      contracts: [0, 9, 10].map((index) => ({
        address: chain.usdc,
        abi: erc20Abi,
        functionName: "balanceOf" as const,
        args: [account(index).address] as const,
      })),
    });
    expect(balances).to.deep.equal([1_000_000_000_000n, 1_000_000_000_000n, 0n]);
  });

  it("gives twenty accounts 10,000 ETH each", async () => {
    expect(chain.accounts).to.have.length(20);
    expect(account(0).address).to.equal("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    expect(await reader().getBalance({ address: account(19).address })).to.equal(parseEther("10000"));
    for (const { address, privateKey } of chain.accounts) {
      expect(privateKeyToAccount(privateKey).address).to.equal(address);
    }
  });

  it("makes account 0 owner and minter of the token", async () => {
    const read = (functionName: "owner" | "masterMinter" | "pauser" | "blacklister") =>
      reader().readContract({ address: chain.usdc, abi: mockUSDCArtifact.abi, functionName });
    for (const role of ["owner", "masterMinter", "pauser", "blacklister"] as const) {
      expect(await read(role)).to.equal(account(0).address);
    }
    const allowance = await reader().readContract({
      address: chain.usdc,
      abi: mockUSDCArtifact.abi,
      functionName: "minterAllowance",
      args: [account(0).address],
    });
    expect(allowance).to.equal(maxUint256);
  });

  it("funds an address and leaves the txNonce of account 0 alone", async () => {
    const address = getAddress("0x00000000000000000000000000000000000000aa");
    const nonce = await reader().getTransactionCount({ address: account(0).address });
    await Promise.all([chain.fund(address, 3n), chain.fund(address, 4n)]);
    expect(await usdcOf(address)).to.equal(7n);
    expect(await reader().getTransactionCount({ address: account(0).address })).to.equal(nonce);
  });

  it("signs a payment that the token takes", async () => {
    const payee = account(15).address;
    const signed = await chain.sign(account(1), { to: payee, value: 123n });
    expect(await verifySignatureOffline(signed, usdc)).to.deep.include({ status: "valid" });
    const before = await usdcOf(payee);
    const wallet = createWalletClient({
      account: privateKeyToAccount(account(2).privateKey),
      chain: baseSepolia,
      transport: http(chain.rpcUrl),
    });
    const hash = await wallet.writeContract({
      address: chain.usdc,
      abi: mockUSDCArtifact.abi,
      functionName: "transferWithAuthorization",
      args: [
        signed.from,
        signed.to,
        signed.value,
        signed.validAfter,
        signed.validBefore,
        signed.nonce,
        signed.signature,
      ],
    });
    expect((await reader().waitForTransactionReceipt({ hash, pollingInterval: 20 })).status).to.equal("success");
    expect(await usdcOf(payee)).to.equal(before + 123n);
  });

  it("signs the terms that it is given", async () => {
    const nonce = `0x${"17".repeat(32)}` as const;
    const to = account(3).address;
    const terms = { to, value: 5n, validAfter: 10n, validBefore: 20n, nonce };
    const signed = await chain.sign(account(1), terms);
    expect(signed).to.deep.include({ ...terms, from: account(1).address, token: chain.usdc, chainId: 84532 });
    const now = await chain.now();
    const { validBefore } = await chain.sign(account(1), { to, value: 5n, validForSeconds: 60 });
    expect(validBefore - now >= 60n && validBefore <= (await chain.now()) + 60n).to.equal(true);
  });

  it("keeps a burst of blocks from getting ahead of the clock", async () => {
    for (let i = 0; i < 50; i++) await chain.fund(account(19).address, 1n);
    const { timestamp } = await reader().getBlock();
    expect(Number(timestamp)).to.be.below(Date.now() / 1000 + 3);
  });

  it("caps a transaction at 2^24 gas (EIP-7825) in a block that holds more", async () => {
    const from = account(4).address;
    const send = (gas: number) =>
      chain.request("eth_sendTransaction", [{ from, to: from, gas: `0x${gas.toString(16)}` }]);
    expect(await send(2 ** 24)).to.match(/^0x[0-9a-f]{64}$/);
    const error = await send(2 ** 24 + 1).catch((cause: Error) => cause);
    expect(String(error)).to.contain("exceeds transaction gas cap of 16777216");
    expect(Number((await reader().getBlock()).gasLimit)).to.be.at.least(60_000_000);
  });

  it("can be called at another block through Multicall3's own getter", async () => {
    const calledAt = Math.floor(Date.now() / 1000);
    const block = await reader().readContract({
      address: chain.multicall3,
      abi: multicall3Abi,
      functionName: "getCurrentBlockTimestamp",
    });
    expect(Number(block)).to.be.within(calledAt - 2, Date.now() / 1000 + 3);
  });
});

describe("startLocalChain with options", () => {
  it("leaves the router out of a bare chain", async () => {
    const chain = await startLocalChain({ bare: true });
    try {
      expect(chain.router).to.equal(undefined);
      expect(await chain.request("eth_getCode", [ROUTER_ADDRESS, "latest"])).to.equal("0x");
    } finally {
      await chain.stop();
    }
  });

  it("mines on the interval, not at once, and keeps to the clock", async () => {
    const chain = await startLocalChain({ blockTimeSeconds: 0.5 });
    try {
      const client = createPublicClient({ transport: http(chain.rpcUrl) });
      const begun = performance.now();
      const start = await client.getBlockNumber({ cacheTime: 0 });
      const sent = await Promise.all(
        chain.accounts
          .slice(0, 5)
          .map(({ address }) => chain.request("eth_sendTransaction", [{ from: address, to: address }])),
      );
      expect(await chain.request("eth_getTransactionReceipt", [sent[0]])).to.equal(null);
      await until(async () => (await client.getBlockNumber({ cacheTime: 0 })) >= start + 3n);
      // Each took its time.
      expect(performance.now() - begun).to.be.above(950);
      const blocks = await Promise.all(
        sent.map(async (hash) => (await client.getTransactionReceipt({ hash: hash as `0x${string}` })).blockNumber),
      );
      expect(new Set(blocks).size, "blocks that hold the five").to.equal(1);
      const askedAt = Date.now() / 1000;
      const { timestamp } = await client.getBlock();
      expect(Number(timestamp)).to.be.below(askedAt + 2.5);
    } finally {
      await chain.stop();
    }
  });

  it("runs several chains side by side", async () => {
    const chains = await Promise.all([startLocalChain(), startLocalChain()]);
    const [first, second] = chains;
    try {
      expect(first.rpcUrl).to.not.equal(second.rpcUrl);
      await first.fund(first.usdc === second.usdc ? "0x00000000000000000000000000000000000000bb" : first.usdc, 5n);
      const read = (chain: LocalChain) =>
        chain.request("eth_call", [{ to: chain.usdc, data: `0x70a08231${"bb".padStart(64, "0")}` }, "latest"]);
      expect(BigInt(String(await read(first)))).to.equal(5n);
      expect(BigInt(String(await read(second)))).to.equal(0n);
    } finally {
      await Promise.all(chains.map((chain) => chain.stop()));
    }
  });

  const badOptions = [
    [{ port: -1 }, "port must be a whole number from 0 to 65535."],
    [{ port: 1.5 }, "port must be a whole number from 0 to 65535."],
    [{ port: 65_536 }, "port must be a whole number from 0 to 65535."],
    [{ blockTimeSeconds: -1 }, "blockTimeSeconds must be from 0 to 3600."],
    [{ blockTimeSeconds: Number.NaN }, "blockTimeSeconds must be from 0 to 3600."],
    [{ blockTimeSeconds: 3601 }, "blockTimeSeconds must be from 0 to 3600."],
    [{ preconfirmMs: -1 }, "preconfirmMs must be a whole number from 0 to 3600000."],
    [{ preconfirmMs: 0.5 }, "preconfirmMs must be a whole number from 0 to 3600000."],
    [{ preconfirmMs: 200 }, "preconfirmMs must be smaller than the block time."],
    [{ blockTimeSeconds: 0.2, preconfirmMs: 200 }, "preconfirmMs must be smaller than the block time."],
    [{ blockTimeSeconds: 2, preconfirmMs: 200, takenBackShare: 1.1 }, "takenBackShare must be from 0 to 1."],
    [{ blockTimeSeconds: 2, takenBackShare: 0.5 }, "takenBackShare needs preconfirmations."],
  ] as const;
  for (const [options, message] of badOptions) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const error = await startLocalChain(options).catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(LocalChainError);
      expect((error as LocalChainError).shortMessage).to.equal(message);
    });
  }
});

describe("stop", () => {
  it("may be called again, and refuses requests from then on", async () => {
    const chain = await startLocalChain();
    await Promise.all([chain.stop(), chain.stop()]);
    await chain.stop();
    const error = await chain.request("eth_chainId").catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(LocalChainError);
    const refused = await fetch(chain.rpcUrl, { method: "POST", body: "{}" }).catch(() => "refused");
    expect(refused).to.equal("refused");
  });

  for (const [blockTimeSeconds, preconfirmMs] of [
    [0, 0],
    [1, 0],
    [1, 50],
  ]) {
    it(`lets the process end by itself (blocks every ${blockTimeSeconds} s, preconfirmed every ${preconfirmMs} ms)`, async () => {
      const { code, stdout, stderr } = await runModule(`
        import { startLocalChain } from "./src/local/index.ts";
        const chain = await startLocalChain({ blockTimeSeconds: ${blockTimeSeconds}, preconfirmMs: ${preconfirmMs} });
        const post = (body) => fetch(chain.rpcUrl, { method: "POST", body: JSON.stringify(body) });
        const answer = await (await post({ jsonrpc: "2.0", id: 1, method: "eth_chainId" })).json();
        await chain.fund(chain.accounts[15].address, 1n);
        await chain.stop();
        console.log(answer.result);
      `);
      expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: "0x14a34\n", stderr: "" });
    });
  }
});
