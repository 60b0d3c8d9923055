import { expect } from "chai";
import { HttpRequestError } from "viem";
import { ask } from "../../../src/chain/ask.ts";
import { ChainUnavailableError } from "../../../src/chain/errors.ts";

const url = "https://node.example/v2/secret-key";

describe("ask", () => {
  it("returns the answer", async () => {
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
