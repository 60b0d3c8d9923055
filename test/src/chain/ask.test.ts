import { expect } from "chai";
import { HttpRequestError, RpcRequestError, TimeoutError } from "viem";
import { ask, describeFailure } from "../../../src/chain/ask.ts";
import { ChainUnavailableError } from "../../../src/chain/errors.ts";

const url = "https://node.example/v2/secret-key";

describe("ask", () => {
  it("hands on the answer", async () => {
    expect(await ask("it", Promise.resolve(7))).to.equal(7);
  });

  it("turns a failure into an error without URL, body and cause", async () => {
    const failure = new HttpRequestError({ url, status: 401, body: { method: "eth_call" } });
    const error = await ask("the code at 0xaa", Promise.reject(failure)).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(ChainUnavailableError);
    if (!(error instanceof ChainUnavailableError)) return;
    expect(error.shortMessage).to.equal("The node did not return the code at 0xaa.");
    expect(error.details).to.equal("It answered with HTTP status 401.");
    expect(error.cause).to.equal(undefined);
    expect(`${error.message}${error.stack}`).to.not.include("secret-key");
  });
});

describe("describeFailure", () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["a time-out", new TimeoutError({ url, body: {} }), "It took too long to answer."],
    ["a node that is not there", new HttpRequestError({ url, body: {} }), "It cannot be reached."],
    [
      "an RPC error, by its first line",
      new RpcRequestError({ url, body: {}, error: { code: -32000, message: "header not found\nat block" } }),
      "It answered: header not found",
    ],
    ["an answer that cannot be read", new TypeError("x is undefined"), "Its answer cannot be read."],
    ["what is no error", "boom", "It failed."],
  ];
  for (const [name, error, text] of cases) {
    it(`describes ${name}`, () => {
      expect(describeFailure(error)).to.equal(text);
    });
  }
});
