import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../src/chain/client.ts";
import { readRouterCode } from "../../../src/chain/facts/routerCode.ts";
import { settlementRouterArtifact } from "../../../src/contracts/SettlementRouter.ts";
import { DeploymentRefusedError, deployRouter, estimateDeployment } from "../../../src/deploy/index.ts";
import { CREATE_X_ADDRESS, ROUTER_ADDRESS } from "../../../src/deployment.ts";
import { type BareLocalChain, startLocalChain } from "../../../src/local/index.ts";

const refusalOf = (attempt: Promise<unknown>): Promise<DeploymentRefusedError> =>
  attempt.then(
    () => expect.fail("it was not refused"),
    (error: unknown) => {
      if (error instanceof DeploymentRefusedError) return error;
      throw error;
    },
  );

describe("deployRouter", () => {
  let chain: BareLocalChain;

  beforeEach(async () => {
    chain = await startLocalChain({ bare: true });
  });

  afterEach(() => chain.stop());

  const connect = async () => ({
    client: await connectChain(chain.rpcUrl),
    account: privateKeyToAccount(chain.accounts[3]!.privateKey),
    options: { rpcUrl: chain.rpcUrl, ignitionFolder: undefined },
  });

  it("deploys the artifact to its address, then finds it there", async () => {
    const { client, account, options } = await connect();
    expect(await readRouterCode(client)).to.deep.equal({ status: "missing" });

    const deployment = await deployRouter(client, { sender: account, ...options });
    expect(deployment).to.include({ status: "deployed", address: ROUTER_ADDRESS, staleJournal: undefined });
    expect(await client.getCode({ address: ROUTER_ADDRESS })).to.equal(settlementRouterArtifact.deployedBytecode);
    const hash = deployment.status === "deployed" ? deployment.transactionHash : undefined;
    const receipt = await client.getTransactionReceipt({ hash: hash! });
    expect(receipt).to.include({ status: "success", from: account.address.toLowerCase() });
    expect(receipt.to).to.equal(CREATE_X_ADDRESS.toLowerCase());

    const txNonce = await client.getTransactionCount({ address: account.address });
    const again = await deployRouter(client, { sender: account, ...options });
    expect(again).to.deep.equal({ status: "already-deployed", address: ROUTER_ADDRESS });
    expect(await client.getTransactionCount({ address: account.address })).to.equal(txNonce);
  });

  it("estimates what the deployment then uses", async () => {
    const { client, account, options } = await connect();
    const { gas, fees, costWei } = await estimateDeployment(client, { sender: account.address });
    expect(costWei).to.equal(gas * fees.maxFeePerGas);
    const deployment = await deployRouter(client, { sender: account, ...options });
    const hash = deployment.status === "deployed" ? deployment.transactionHash : undefined;
    const { gasUsed } = await client.getTransactionReceipt({ hash: hash! });
    expect(Number(gasUsed))
      .to.be.at.most(Number(gas))
      .and.above(Number(gas) * 0.9);
  });

  it("succeeds when two do it at once", async () => {
    const { client, account, options } = await connect();
    const other = privateKeyToAccount(chain.accounts[4]!.privateKey);
    const both = await Promise.all([
      deployRouter(client, { sender: account, ...options }),
      deployRouter(client, { sender: other, ...options }),
    ]);
    expect(both.map(({ address }) => address)).to.deep.equal([ROUTER_ADDRESS, ROUTER_ADDRESS]);
    expect(both.map(({ status }) => status)).to.include("deployed");
    expect(await readRouterCode(client)).to.deep.equal({ status: "matches" });
  });

  it("refuses if CreateX is missing", async () => {
    const { client, account, options } = await connect();
    await chain.request("hardhat_setCode", [CREATE_X_ADDRESS, "0x"]);
    const { shortMessage, hint } = await refusalOf(deployRouter(client, { sender: account, ...options }));
    expect(shortMessage).to.equal("CreateX, which deploys the router, is not on chain 84532.");
    expect(hint).to.contain("Check that the node is on the chain you mean.");
  });

  it("refuses an account that cannot pay, and says what it needs", async () => {
    const { client, account, options } = await connect();
    await chain.request("hardhat_setBalance", [account.address, "0x1"]);
    const { shortMessage, details } = await refusalOf(deployRouter(client, { sender: account, ...options }));
    expect(shortMessage).to.equal(`${account.address} cannot pay for the deployment.`);
    expect(details).to.match(/^It has 0\.000000000000000001 ETH and needs about 0\.0000\d+ ETH\.$/);
  });

  it("refuses if the address has other code", async () => {
    const { client, account, options } = await connect();
    await chain.request("hardhat_setCode", [ROUTER_ADDRESS, "0x6001"]);
    expect(await readRouterCode(client)).to.deep.equal({ status: "differs", bytes: 2 });
    const { shortMessage } = await refusalOf(deployRouter(client, { sender: account, ...options }));
    expect(shortMessage).to.equal(`${ROUTER_ADDRESS} has other code than this version's router.`);
  });
});
