import { expect } from "chai";
import { HttpRequestError, RpcRequestError, TimeoutError } from "viem";
import { describeError, describeFailure } from "../../src/failures.ts";

const url = "https://node.example/v2/secret-key";

describe("describeFailure", () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["a time-out", new TimeoutError({ url, body: {} }), "It took too long to answer."],
    ["a missing node", new HttpRequestError({ url, body: {} }), "It cannot be reached."],
    [
      "an RPC error, by its first line",
      new RpcRequestError({ url, body: {}, error: { code: -32000, message: "header not found\nat block" } }),
      "It answered: header not found",
    ],
    ["an answer that cannot be read", new TypeError("x is undefined"), "Its answer cannot be read."],
    ["what is not an error", "boom", "It failed."],
  ];
  for (const [name, error, text] of cases) {
    it(`describes ${name}`, () => {
      expect(describeFailure(error)).to.equal(text);
    });
  }
});

describe("describeError", () => {
  it("never quotes what viem quotes", async () => {
    const error = new HttpRequestError({ url: "https://node.example/v2/SECRETKEY", status: 503 });
    expect(describeError(error)).to.deep.equal({ error: "HttpRequestError: It answered with HTTP status 503." });
  });
});
