import { expect } from "chai";
import { network } from "hardhat";
import { createWalletClient, getAddress, http, keccak256, parseAbi, parseEventLogs, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { settlementRouterModule } from "../../ignition/modules/SettlementRouter.ts";
import { connectChain } from "../../src/chain/client.ts";
import { settlementRouterArtifact } from "../../src/contracts/SettlementRouter.ts";
import {
  CREATE_X_ADDRESS,
  computeRouterAddress,
  ROUTER_ADDRESS,
  ROUTER_INIT_CODE_HASH,
  ROUTER_SALT,
} from "../../src/deployment.ts";
import { startLocalChain } from "../../src/local/index.ts";

const STALE = "run node scripts/dev/routerAddress.ts --write";

const createXAbi = parseAbi([
  "function deployCreate2(bytes32 salt, bytes initCode) payable returns (address)",
  "event ContractCreation(address indexed newContract, bytes32 indexed salt)",
]);

describe("the router's address", () => {
  it("belongs to the artifact that is checked in", () => {
    expect(keccak256(settlementRouterArtifact.bytecode), STALE).to.equal(ROUTER_INIT_CODE_HASH);
  });

  it("has the salt of its text", () => {
    expect(keccak256(stringToHex("tributary/SettlementRouter/1"))).to.equal(ROUTER_SALT);
  });

  it("follows from salt and init-code hash", () => {
    expect(computeRouterAddress(), STALE).to.equal(ROUTER_ADDRESS);
    expect(getAddress(ROUTER_ADDRESS)).to.equal(ROUTER_ADDRESS);
  });

  it("changes with the init code and with the salt", () => {
    const other = `0x${"11".repeat(32)}` as const;
    expect(computeRouterAddress(other)).to.not.equal(ROUTER_ADDRESS);
    expect(computeRouterAddress(ROUTER_INIT_CODE_HASH, other)).to.not.equal(ROUTER_ADDRESS);
  });

  it("is what CreateX gives, whoever calls it", async () => {
    const chain = await startLocalChain({ bare: true });
    try {
      const client = await connectChain(chain.rpcUrl);
      const account = privateKeyToAccount(chain.accounts[7]!.privateKey);
      const wallet = createWalletClient({ account, chain: client.chain, transport: http(chain.rpcUrl) });
      const hash = await wallet.writeContract({
        address: CREATE_X_ADDRESS,
        abi: createXAbi,
        functionName: "deployCreate2",
        args: [ROUTER_SALT, settlementRouterArtifact.bytecode],
      });
      const { logs } = await client.waitForTransactionReceipt({ hash });
      const [creation] = parseEventLogs({ abi: createXAbi, logs, eventName: "ContractCreation" });
      expect(creation?.args.newContract).to.equal(ROUTER_ADDRESS);
      expect(await client.getCode({ address: ROUTER_ADDRESS })).to.equal(settlementRouterArtifact.deployedBytecode);
    } finally {
      await chain.stop();
    }
  });

  it("is what Ignition's module gives on another chain", async () => {
    const { ignition, viem } = await network.create();
    const { router } = await ignition.deploy(settlementRouterModule, {
      strategy: "create2",
      strategyConfig: { salt: ROUTER_SALT },
    });
    expect(router.address).to.equal(ROUTER_ADDRESS);
    const client = await viem.getPublicClient();
    expect(await client.getChainId()).to.equal(31337);
    expect(await client.getCode({ address: ROUTER_ADDRESS })).to.equal(settlementRouterArtifact.deployedBytecode);
  });
});
