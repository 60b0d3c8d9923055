import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import {
  createPublicClient,
  HttpRequestError,
  type HttpTransportConfig,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
} from "viem";
import { httpTransport } from "../../../src/chain/transport.ts";

type Call = { readonly id: number; readonly method: string };
type Handler = (calls: readonly Call[], response: ServerResponse, request: IncomingMessage) => void;

describe("httpTransport", () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });

  /** A client of a node that answers each request by `handler`. */
  async function connected(handler: Handler, settings: HttpTransportConfig = {}) {
    const requests: (readonly Call[])[] = [];
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (part) => {
        text += part;
      });
      request.on("end", () => {
        const calls: readonly Call[] = JSON.parse(text);
        requests.push(calls);
        handler(calls, response, request);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const transport = httpTransport(url, { batch: { batchSize: 100 }, retryCount: 0, ...settings });
    const client = createPublicClient({ transport });
    const ask = (method: string) => client.request({ method } as never) as Promise<unknown>;
    return { url, server, requests, ask };
  }

  const echo: Handler = (calls, response) => {
    response.end(JSON.stringify(calls.map(({ id, method }) => ({ id, result: method })).reverse()));
  };

  /** What is in an error of a kind that viem wraps. */
  async function caught<E extends Error>(answer: Promise<unknown>, kind: new (...args: never[]) => E): Promise<E> {
    const error = await answer.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof kind) return cause;
    throw new Error(`this is no ${kind.name}`, { cause: error });
  }

  it("sends the calls of one tick in one request, and gives each its answer by its id", async () => {
    const { ask, requests } = await connected(echo);
    expect(await Promise.all(["a", "b", "c"].map(ask))).to.deep.equal(["a", "b", "c"]);
    expect(await ask("d")).to.equal("d");
    expect(requests.map((calls) => calls.map(({ method }) => method))).to.deep.equal([["a", "b", "c"], ["d"]]);
  });

  it("sends no more calls in a request than the batch allows", async () => {
    const { ask, requests } = await connected(echo, { batch: { batchSize: 2 } });
    expect(await Promise.all(["a", "b", "c"].map(ask))).to.deep.equal(["a", "b", "c"]);
    expect(requests.map(({ length }) => length)).to.deep.equal([2, 1]);
  });

  it("rejects only the call that the node refuses, with its code and data", async () => {
    const { ask } = await connected((calls, response) => {
      const refused = { code: 3, message: "execution reverted", data: "0x1234" };
      response.end(JSON.stringify(calls.map(({ id }) => (id === 0 ? { id, error: refused } : { id, result: 1 }))));
    });
    const [first, second] = [ask("a"), ask("b")];
    const error = await caught(first, RpcRequestError);
    expect(error).to.include({ code: 3, data: "0x1234", details: "execution reverted" });
    expect(await second).to.equal(1);
  });

  it("rejects all calls with an error that the node says of the whole request, whatever its status", async () => {
    for (const status of [200, 429]) {
      const { ask } = await connected((_calls, response) => {
        response.writeHead(status).end(JSON.stringify({ error: { code: -32005, message: "too many" } }));
      });
      const answers = [ask("a"), ask("b")];
      for (const answer of answers) expect(await caught(answer, RpcRequestError)).to.include({ code: -32005 });
    }
  });

  it("rejects a call that the node leaves out or answers with half an error", async () => {
    const { ask } = await connected((calls, response) => {
      response.end(JSON.stringify(calls.slice(1).map(({ id }) => ({ id, error: "no" }))));
    });
    const [first, second] = [ask("a"), ask("b")];
    expect(await caught(first, HttpRequestError)).to.include({ details: "a call was not answered" });
    expect(await caught(second, HttpRequestError)).to.include({ details: '"no"' });
  });

  it("says the status of an HTTP error, and when to ask again", async () => {
    const { ask } = await connected((_calls, response) => {
      response.writeHead(503, { "retry-after": "7" }).end("later");
    });
    const error = await caught(ask("a"), HttpRequestError);
    expect(error).to.include({ status: 503, details: '"later"' });
    expect(error.headers?.get("Retry-After")).to.equal("7");
  });

  it("asks again as often as it is set to", async () => {
    let left = 2;
    const { ask, requests } = await connected(
      (calls, response, request) => {
        left -= 1;
        if (left < 0) echo(calls, response, request);
        else response.writeHead(500).end();
      },
      { retryCount: 2, retryDelay: 1 },
    );
    expect(await ask("a")).to.equal("a");
    expect(requests).to.have.length(3);
  });

  it("gives up an answer that takes too long to come or to end", async () => {
    for (const part of ["", '[{"id":0,']) {
      const { ask } = await connected(
        (_calls, response) => {
          if (part !== "") response.write(part);
        },
        { timeout: 50 },
      );
      await caught(ask("a"), TimeoutError);
    }
  });

  it("rejects an answer that is no JSON, ends early or is too large", async () => {
    const nonsense = await connected((_calls, response) => response.end("<html>"));
    expect(await caught(nonsense.ask("a"), HttpRequestError)).to.include({ status: undefined });
    const broken = await connected((_calls, response) => {
      response.write("[", () => response.destroy());
    });
    await caught(broken.ask("a"), HttpRequestError);
    const long = await connected((_calls, response) => response.end("x".repeat(101)), { maxResponseBodySize: 100 });
    expect(await caught(long.ask("a"), ResponseBodyTooLargeError)).to.include({ maxSize: 100, size: 101 });
  });

  it("rejects with no status if nobody listens", async () => {
    const { ask, server } = await connected(echo);
    await new Promise((resolve) => server.close(resolve));
    expect(await caught(ask("a"), HttpRequestError)).to.include({ status: undefined });
  });

  it("asks again on a new connection if the node has closed an idle one", async () => {
    const { ask, requests } = await connected((calls, response, request) => {
      // The second request comes over the first one's connection, and gets no answer there.
      if (requests.length === 2) request.socket.resetAndDestroy();
      else echo(calls, response, request);
    });
    expect(await ask("a")).to.equal("a");
    expect(await ask("b")).to.equal("b");
    expect(requests.map(([call]) => call?.method)).to.deep.equal(["a", "b", "b"]);
  });

  it("reads what is zipped, and asks where it is sent to", async () => {
    const there = await connected((calls, response, request) => {
      expect(request.headers["accept-encoding"]).to.equal("gzip");
      const text = JSON.stringify(calls.map(({ id }) => ({ id, result: "zipped" })));
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(text));
    });
    const { ask } = await connected((_calls, response) => {
      response.writeHead(308, { location: there.url }).end();
    });
    expect(await ask("a")).to.equal("zipped");
  });

  it("uses the fetch that it is given", async () => {
    const fetchFn = async () => Response.json([{ id: 0, result: "fetched" }]);
    const { ask } = await connected(echo, { fetchFn });
    expect(await ask("a")).to.equal("fetched");
  });
});
