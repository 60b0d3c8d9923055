import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { encodePaymentResponseHeader } from "@x402/core/http";
import { expect } from "chai";
import { type Address, encodeFunctionData, type Hex } from "viem";
import { parseAuthorization, type SignedAuthorization } from "../../src/authorization/index.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { networks } from "../../src/networks.ts";
import { type Running, runCli, spawnCommand, startCommand, withFolder } from "../helpers/cli.ts";
import { listen } from "../helpers/listen.ts";
import { demand, openSeller, type Seller, USDC_TERMS } from "../helpers/seller.ts";

const { usdc, caip2 } = networks.baseSepolia;
const PAYEE: Address = "0x00000000000000000000000000000000000fee98";

const JSON_BODY = { "content-type": "application/json" };

/** How the server answers a request that carries a payment. */
type Till = (response: ServerResponse) => void;

describe("tributary pay with an unclear outcome", () => {
  let seller: Seller;
  let lab: Seller["lab"];
  let url: string;
  let till: Till;
  let maxTimeoutSeconds = 600;
  /** The headers of all payments that came. */
  let received: string[] = [];
  const refuse: Till = (response) => {
    const accepts = { ...USDC_TERMS, scheme: "exact", amount: "2000", payTo: PAYEE, maxTimeoutSeconds };
    demand(response, url, "not_today", accepts);
  };
  const sell: Till = (response) => response.end("sold");
  const drop: Till = (response) => response.destroy();

  before(async () => {
    seller = await openSeller(refuse, (response, header) => {
      received.push(header);
      till(response);
    });
    ({ lab, url } = seller);
  });
  after(() => seller.close());
  beforeEach(() => {
    received = [];
    maxTimeoutSeconds = 600;
  });

  const env = () => ({ RPC_URL: lab.chain.rpcUrl });
  const pay = (cwd: string, ...args: string[]) => runCli(["pay", url, ...args], { cwd, env: env() });
  const signedAt = (index: number): SignedAuthorization => parseAuthorization(received[index]).authorization;
  const recordsIn = (folder: string) => {
    const payments = join(folder, ".tributary", "payments");
    return readdirSync(payments).map((name) => join(payments, name));
  };
  /** A run in the background, once the server has its payment. */
  const payWhileItHangs = async <R extends Pick<Running, "ended">>(
    start: (args: readonly string[], options: { cwd: string; env: Record<string, string> }) => R,
    cwd: string,
  ): Promise<R> => {
    const came = new Promise<void>((resolve) => {
      till = () => resolve();
    });
    const running = start(["pay", url], { cwd, env: env() });
    await came;
    return running;
  };
  async function settle({
    from,
    to,
    value,
    validAfter,
    validBefore,
    nonce,
    signature,
  }: SignedAuthorization): Promise<Hex> {
    const args = [from, to, value, validAfter, validBefore, nonce, signature] as const;
    const data = encodeFunctionData({ abi: mockUSDCArtifact.abi, functionName: "transferWithAuthorization", args });
    const hash = (await lab.chain.request("eth_sendTransaction", [
      { from: lab.account.address, to: usdc.address, data },
    ])) as Hex;
    const { status } = await lab.client.waitForTransactionReceipt({ hash });
    expect(status).to.equal("success");
    return hash;
  }

  const unclear: Readonly<Record<string, Till>> = {
    "drops the connection": drop,
    "answers 502": (response) => response.writeHead(502).end("bad gateway"),
    "breaks off in the middle of its answer": (response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("so", () => response.destroy());
    },
    "says that the settlement is pending": (response) => {
      const pending = { success: false, errorReason: "settlement_pending", transaction: `0x${"12".repeat(32)}` };
      response.writeHead(402, {
        "payment-response": encodePaymentResponseHeader({ ...pending, network: caip2 } as never),
      });
      response.end("{}");
    },
  };
  for (const [what, behave] of Object.entries(unclear)) {
    it(`names the nonce if the server ${what}, and sends the same payment on the next run`, () =>
      withFolder(async (folder) => {
        till = behave;
        const first = await pay(folder);
        expect(first.code, first.stderr).to.equal(4);
        expect(first.stderr)
          .to.include("Whether it was paid is unknown")
          .and.include(`nonce ${signedAt(0).nonce}`);
        expect(recordsIn(folder).map((path) => statSync(path).mode & 0o777)).to.deep.equal([0o600]);

        till = sell;
        const second = await pay(folder);
        expect(second).to.include({ code: 0, stdout: "sold\n" });
        expect(received).to.deep.equal([received[0], received[0]]);
        expect(recordsIn(folder)).to.deep.equal([]);

        // Bought: the next run is another purchase.
        expect((await pay(folder)).code).to.equal(0);
        expect(signedAt(2).nonce).not.to.equal(signedAt(0).nonce);
      }));
  }

  it("sends the same payment after it was killed, from what it had kept on disk", () =>
    withFolder(async (folder) => {
      const child = await payWhileItHangs(spawnCommand, folder);
      expect(readFileSync(recordsIn(folder)[0]!, "utf8")).to.include(received[0]);
      await child.stop("SIGKILL");
      till = sell;
      expect((await pay(folder)).code).to.equal(0);
      expect(received).to.deep.equal([received[0], received[0]]);
    }));

  it("names the nonce and exits with 4 when it is interrupted after the payment was sent", () =>
    withFolder(async (folder) => {
      const running = await payWhileItHangs(startCommand, folder);
      expect(await running.stop("SIGINT")).to.equal(4);
      expect(running.stderr()).to.include("it was interrupted").and.include(signedAt(0).nonce);
    }));

  it("signs no second payment while another process pays for the same", () =>
    withFolder(async (folder) => {
      const child = await payWhileItHangs(spawnCommand, folder);
      for (const args of [[], ["--again"]]) {
        const beside = await pay(folder, ...args);
        expect(beside.code).to.equal(2);
        expect(beside.stderr).to.include(`Another process (${child.pid}) is paying for the same request`);
      }
      expect(received).to.have.lengthOf(1);
      await child.stop("SIGKILL");
    }));

  it("says which transaction paid, and signs nothing new without --again", () =>
    withFolder(async (folder) => {
      till = drop;
      await pay(folder);
      const hash = await settle(signedAt(0));
      till = refuse;
      for (let run = 0; run < 2; run += 1) {
        const { code, stderr } = await pay(folder);
        expect(code).to.equal(3);
        expect(stderr).to.include(`It was paid in transaction ${hash}, but the server did not sell: not_today.`);
      }
      expect(new Set(received).size).to.equal(1);

      till = sell;
      const again = await pay(folder, "--again");
      expect(again.code).to.equal(0);
      expect(again.stderr).to.include(`with the nonce ${signedAt(0).nonce}, may have settled`);
      expect(new Set(received).size).to.equal(2);
    }));

  it("sends the same payment while a server that refused could still settle it", () =>
    withFolder(async (folder) => {
      till = refuse;
      const refused = await pay(folder);
      expect(refused.code).to.equal(3);
      expect(refused.stderr).to.include("The server did not sell: not_today.").and.include(signedAt(0).nonce);
      till = sell;
      expect((await pay(folder)).code).to.equal(0);
      expect(new Set(received).size).to.equal(1);
    }));

  it("signs another one once the first has expired unused at a final block, and not before", () =>
    withFolder(async (folder) => {
      till = drop;
      maxTimeoutSeconds = 30;
      await pay(folder);
      const { validBefore } = signedAt(0);
      till = refuse;
      await pay(folder, "--rpc-url", "http://127.0.0.1:9");
      await pay(folder);
      expect(new Set(received).size).to.equal(1);

      await lab.chain.request("evm_setNextBlockTimestamp", [`0x${(validBefore + 1n).toString(16)}`]);
      // Blocks are final a number of blocks later.
      await lab.chain.request("hardhat_mine", ["0x100"]);
      till = sell;
      const { code, stderr } = await pay(folder);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.include("did not settle and never will");
      expect(new Set(received).size).to.equal(2);
    }));

  it("leaves the payment alone that another process signed while it asked the chain", () =>
    withFolder((folder) =>
      withFolder(async (other) => {
        till = drop;
        maxTimeoutSeconds = 1;
        await pay(folder);
        const [record = ""] = recordsIn(folder);
        maxTimeoutSeconds = 600;
        await pay(other);
        const theirs = readFileSync(recordsIn(other)[0]!, "utf8");

        // The other process is done before this one gets its first answer, that the first payment is void.
        const latest = await lab.client.getBlock();
        const passed = (latest.timestamp > signedAt(0).validBefore ? latest.timestamp : signedAt(0).validBefore) + 1n;
        await lab.chain.request("evm_setNextBlockTimestamp", [`0x${passed.toString(16)}`]);
        await lab.chain.request("hardhat_mine", ["0x100"]);
        const node = await listen(async (request, response) => {
          writeFileSync(record, theirs);
          const body = Buffer.concat(await request.toArray());
          const answer = await fetch(lab.chain.rpcUrl, { method: "POST", body, headers: JSON_BODY });
          response.writeHead(answer.status, JSON_BODY).end(await answer.text());
        });
        const { code, stderr } = await pay(folder, "--rpc-url", node.url);
        node.server.closeAllConnections();
        node.server.close();
        expect(code, stderr).to.equal(2);
        expect(stderr).to.include("Another process is paying for the same request");
        expect(readFileSync(record, "utf8")).to.equal(theirs);
        expect(readdirSync(join(folder, ".tributary", "payments"))).to.have.lengthOf(1);
        expect(received).to.have.lengthOf(2);
      }),
    ));

  it("refuses to continue if its record is damaged", () =>
    withFolder(async (folder) => {
      till = drop;
      await pay(folder);
      writeFileSync(recordsIn(folder)[0]!, "{");
      const { code, stderr } = await pay(folder);
      expect(code).to.equal(2);
      expect(stderr).to.include("is not a readable record of a payment; nothing was paid.");
      expect(received).to.have.lengthOf(1);
    }));
});
