import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createPublicClient, custom, defineChain } from "viem";
import { VerificationFailedError, verifyRouter } from "../../../src/deploy/index.ts";
import { ROUTER_ADDRESS } from "../../../src/deployment.ts";
import { type LocalChain, startLocalChain } from "../../../src/local/index.ts";
import { withFolder } from "../../helpers/cli.ts";

const asked = { rpcUrl: "http://127.0.0.1:1", apiKey: "secret-key" };

/** A client of a node that reports its chain and its software. */
function clientOf(id: number, software = "Geth/v1.17.0") {
  const chain = defineChain({ id, name: "a chain", nativeCurrency: ETHER, rpcUrls: { default: { http: [] } } });
  return createPublicClient({ chain, transport: custom({ request: async () => software }) });
}
const ETHER = { name: "Ether", symbol: "ETH", decimals: 18 };

describe("verifyRouter", () => {
  it("skips a development chain", async () => {
    const outcome = await verifyRouter(clientOf(84532, "HardhatNetwork/3.17.0"), asked);
    expect(outcome).to.deep.equal({ status: "skipped", reason: "a development chain has no explorer" });
  });

  it("skips if no explorer is known", async () => {
    const outcome = await verifyRouter(clientOf(31337), asked);
    expect(outcome).to.deep.equal({ status: "skipped", reason: "no explorer is known for chain 31337" });
  });

  it("skips without a key", async () => {
    for (const apiKey of [undefined, ""]) {
      const outcome = await verifyRouter(clientOf(84532), { ...asked, apiKey });
      expect(outcome).to.deep.equal({ status: "skipped", reason: "the explorer's API key is missing" });
    }
  });

  it("skips outside of a checkout", async () => {
    await withFolder(async (checkout) => {
      const outcome = await verifyRouter(clientOf(84532), { ...asked, checkout });
      const reason = "it needs a checkout of the repository, with hardhat.config.ts and contracts/";
      expect(outcome).to.deep.equal({ status: "skipped", reason });
    });
  });

  describe("with an explorer", () => {
    let chain: LocalChain;
    let printed: string[] = [];
    const { log } = console;

    before(async () => {
      chain = await startLocalChain();
    });

    beforeEach(() => {
      printed = [];
      console.log = (line: unknown) => printed.push(String(line));
    });

    afterEach(() => {
      console.log = log;
    });

    after(() => chain.stop());

    it("sends sources and settings that compile to the artifact", async () => {
      const explorer = await startExplorer("Pass - Verified");
      try {
        const { rpcUrl } = chain;
        const outcome = await verifyRouter(clientOf(84532), { ...asked, rpcUrl, apiUrl: explorer.url });
        const url = `https://sepolia.basescan.org/address/${ROUTER_ADDRESS}#code`;
        expect(outcome).to.deep.equal({ status: "verified", url });

        const [form] = explorer.submitted;
        expect(form?.get("contractname")).to.match(/contracts\/SettlementRouter\.sol:SettlementRouter$/);
        expect(form?.get("compilerversion")).to.match(/^v0\.8\.37\+commit\./);
        expect(form?.get("contractaddress")).to.equal(ROUTER_ADDRESS);
        const { settings, sources } = JSON.parse(form?.get("sourceCode") ?? "{}");
        expect(settings).to.include({ viaIR: true, evmVersion: "cancun" });
        expect(settings.metadata.bytecodeHash).to.equal("none");
        expect(Object.keys(sources).some((name) => name.endsWith("contracts/SettlementRouter.sol"))).to.equal(true);
        expect(JSON.stringify(sources)).to.not.contain("MockUSDC");
      } finally {
        await explorer.stop();
      }
    });

    it("reports a refusal without the key", async () => {
      const explorer = await startExplorer("Fail - Unable to verify with secret-key");
      try {
        const error = await verifyRouter(clientOf(84532), {
          ...asked,
          rpcUrl: chain.rpcUrl,
          apiUrl: explorer.url,
        }).then(
          () => expect.fail("it was verified"),
          (cause: unknown) => cause,
        );
        expect(error).to.be.instanceOf(VerificationFailedError);
        expect(String(error)).to.contain("Unable to verify").and.not.contain("secret-key");
      } finally {
        await explorer.stop();
      }
    });
  });
});

/** Serves the part of Etherscan's API that a verification needs; `verdict` is the result of each submission. */
async function startExplorer(verdict: string) {
  const submitted: URLSearchParams[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const form = new URLSearchParams(body);
    const query = new URL(request.url ?? "", "http://explorer").searchParams;
    const action = form.get("action") ?? query.get("action");
    if (action === "verifysourcecode") submitted.push(form);
    const result =
      action === "getsourcecode" ? [{ SourceCode: "" }] : action === "verifysourcecode" ? "ticket" : verdict;
    const status = result === verdict && !verdict.startsWith("Pass") ? "0" : "1";
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ status, message: status === "1" ? "OK" : "NOTOK", result }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/api`,
    submitted,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
