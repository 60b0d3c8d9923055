import { createServer, type OutgoingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { BaseError, ContractFunctionRevertedError, createPublicClient, encodeFunctionData, erc20Abi, http } from "viem";
import { type LocalChain, PortUnavailableError, startLocalChain } from "../../../src/local/index.ts";

describe("serveRpc", () => {
  let chain: LocalChain;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  const post = async (body: unknown): Promise<unknown> => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return (await fetch(chain.rpcUrl, { method: "POST", body: text })).json();
  };
  const call = (id: unknown, method: string, params: unknown = []) => ({ jsonrpc: "2.0", id, method, params });

  it("answers a batch in order, good and bad requests mixed", async () => {
    const answers = await post([call(7, "eth_chainId"), call("x", "eth_doesNotExist"), 5, call(9, "net_version")]);
    expect(answers).to.deep.equal([
      { jsonrpc: "2.0", id: 7, result: "0x14a34" },
      {
        jsonrpc: "2.0",
        id: "x",
        error: { code: -32004, message: "Method eth_doesNotExist is not supported" },
      },
      { jsonrpc: "2.0", id: null, error: { code: -32600, message: "Invalid request: not a JSON-RPC request object." } },
      { jsonrpc: "2.0", id: 9, result: "84532" },
    ]);
  });

  it("answers a request without params", async () => {
    expect(await post({ jsonrpc: "2.0", id: 1, method: "eth_chainId" })).to.have.property("result", "0x14a34");
  });

  it("refuses a body that is not JSON, and params that are not an array", async () => {
    expect(await post("{nope")).to.deep.equal({
      jsonrpc: "2.0",
      id: null,
      error: { code: -32700, message: "Parse error: the body is not JSON." },
    });
    expect(await post(call(1, "eth_chainId", { a: 1 }))).to.deep.equal({
      jsonrpc: "2.0",
      id: 1,
      error: { code: -32602, message: "Invalid params: expected an array." },
    });
  });

  it("refuses other methods than POST", async () => {
    expect((await fetch(chain.rpcUrl)).status).to.equal(405);
    const preflight = await fetch(chain.rpcUrl, { method: "OPTIONS" });
    expect(preflight.status).to.equal(204);
    expect(preflight.headers.get("access-control-allow-origin")).to.equal("*");
  });

  describe("asked by a page in a browser", () => {
    /** The status of a request with these headers; with `upgrade`, of one for a WebSocket. */
    async function statusOf(headers: OutgoingHttpHeaders, upgrade: boolean): Promise<number | undefined> {
      const webSocket = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": Buffer.alloc(16).toString("base64"),
      };
      const asked = request(chain.rpcUrl, {
        method: upgrade ? "GET" : "POST",
        headers: { ...(upgrade ? webSocket : {}), ...headers },
      });
      const answered = new Promise<number | undefined>((resolve, reject) => {
        asked.once("response", (answer) => resolve(answer.resume().statusCode));
        asked.once("upgrade", (answer, socket) => {
          socket.destroy();
          resolve(answer.statusCode);
        });
        asked.once("error", reject);
      });
      asked.end(upgrade ? undefined : JSON.stringify(call(1, "eth_chainId")));
      const status = await answered;
      asked.destroy();
      return status;
    }

    for (const [upgrade, what, welcome] of [
      [false, "HTTP", 200],
      [true, "WebSocket", 101],
    ] as const) {
      it(`answers over ${what} to this machine's names only`, async () => {
        for (const host of ["evil.example", "10.0.0.1:8545", "localhost.evil.example"]) {
          expect(await statusOf({ host }, upgrade), host).to.equal(421);
        }
        expect(await statusOf({ host: "localhost:1" }, upgrade)).to.equal(welcome);
      });

      it(`answers over ${what} to pages of this machine and to wallets only`, async () => {
        for (const origin of ["https://evil.example", "null", "http://localhost.evil.example", "file://"]) {
          expect(await statusOf({ origin }, upgrade), origin).to.equal(403);
        }
        for (const origin of ["http://localhost:3000", "http://127.0.0.1", "chrome-extension://abcdefgh"]) {
          expect(await statusOf({ origin }, upgrade), origin).to.equal(welcome);
        }
      });
    }
  });

  it("answers 200 concurrent requests", async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, id) => post(call(id, "eth_chainId"))));
    expect(answers).to.deep.equal(answers.map((_, id) => ({ jsonrpc: "2.0", id, result: "0x14a34" })));
  });

  it("takes a body of several megabytes", async () => {
    const data = `0x${"00".repeat(2_000_000)}`;
    const [payer] = chain.accounts;
    const answer = await post([call(1, "web3_sha3", [data]), call(2, "eth_getBalance", [payer?.address, "latest"])]);
    expect(answer)
      .to.have.nested.property("[0].result")
      .that.matches(/^0x[0-9a-f]{64}$/);
    expect(answer).to.have.nested.property("[1].result");
  });

  it("passes on revert data under code 3, so that clients decode it", async () => {
    const [, , , , , , , , , , poor] = chain.accounts;
    const data = encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [chain.usdc, 5n] });
    const answer = await post(call(1, "eth_call", [{ from: poor?.address, to: chain.usdc, data }, "latest"]));
    expect(answer).to.have.nested.property("error.code", 3);
    expect(answer)
      .to.have.nested.property("error.data")
      .that.matches(/^0x08c379a0/);

    const client = createPublicClient({ transport: http(chain.rpcUrl) });
    const error = await client
      .simulateContract({
        address: chain.usdc,
        abi: erc20Abi,
        functionName: "transfer",
        args: [chain.accounts[0]?.address ?? "0x", 5n],
        account: poor?.address ?? null,
      })
      .catch((cause: unknown) => cause);
    const reverted = error instanceof BaseError ? error.walk((e) => e instanceof ContractFunctionRevertedError) : null;
    expect(reverted).to.have.property("reason", "ERC20: transfer amount exceeds balance");
  });

  it("throws PortUnavailableError for a port that is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      const error = await startLocalChain({ port }).catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(PortUnavailableError);
      expect((error as PortUnavailableError).shortMessage).to.equal(`Port ${port} is already in use.`);
      expect((error as PortUnavailableError).port).to.equal(port);
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it("listens on the port that was asked for, on 127.0.0.1 only", async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const other = await startLocalChain({ port });
    try {
      expect(other.rpcUrl).to.equal(`http://127.0.0.1:${port}`);
      const outside = await fetch(`http://127.0.0.2:${port}`, { method: "POST" }).catch(() => "refused");
      expect(outside).to.equal("refused");
    } finally {
      await other.stop();
    }
  });
});
