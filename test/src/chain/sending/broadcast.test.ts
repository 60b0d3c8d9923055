import { expect } from "chai";
import { HttpRequestError, RpcRequestError } from "viem";
import type { ChainClient } from "../../../../src/chain/client.ts";
import {
  type BroadcastAnswer,
  broadcastToAll,
  classifyBroadcastError,
} from "../../../../src/chain/sending/broadcast.ts";

const url = "http://127.0.0.1/nonce-too-low";
const said = (message: string) => new RpcRequestError({ body: {}, error: { code: -32000, message }, url });

/** A node that answers signed bytes in its own way. */
function node(answer: () => Promise<unknown>): ChainClient {
  return { sendRawTransaction: answer } as unknown as ChainClient;
}
const refusing = (message: string) => node(async () => Promise.reject(said(message)));
const taking = node(async () => "0x");
const silent = node(() => new Promise(() => undefined));

describe("classifyBroadcastError", () => {
  const cases: readonly (readonly [string, BroadcastAnswer])[] = [
    ["already known", "already-known"],
    ["transaction already imported", "already-known"],
    ["replacement transaction underpriced", "underpriced"],
    ["nonce too low: next nonce 5, tx nonce 4", "nonce-too-low"],
    ["Nonce too low. Expected nonce to be 3 but got 0.", "nonce-too-low"],
    ["Nonce too high. Expected nonce to be 3 but got 500.", "nonce-too-high"],
    ["insufficient funds for gas * price + value", "insufficient-funds"],
    ["Sender doesn't have enough funds to send tx.", "insufficient-funds"],
    ["transaction underpriced", "fee-too-low"],
    ["max fee per gas less than block base fee", "fee-too-low"],
    ["Transaction maxFeePerGas (1) is too low for the next block, which has a baseFeePerGas of 680654", "fee-too-low"],
    ["Transaction gas limit is 33554432 and exceeds transaction gas cap of 16777216", "invalid"],
    ["Transaction requires at least 21000 gas but got 1000", "invalid"],
    ["intrinsic gas too low", "invalid"],
    ["txpool is full", "indeterminate"],
    ["something went wrong", "indeterminate"],
  ];
  for (const [message, answer] of cases) {
    it(`reads "${message}" as ${answer}`, () => {
      expect(classifyBroadcastError(said(message))).to.equal(answer);
    });
  }

  it("does not interpret the words of a proxy in front of the node, or of its address", () => {
    const proxy = new HttpRequestError({ url, status: 403, details: "insufficient funds on your plan" });
    expect(classifyBroadcastError(proxy)).to.equal("indeterminate");
    expect(classifyBroadcastError(new Error("nonce too low"))).to.equal("indeterminate");
  });
});

describe("broadcastToAll", () => {
  it("is accepted if one node accepts, whatever the others say", async () => {
    expect(await broadcastToAll([refusing("nonce too low"), taking, refusing("intrinsic gas too low")], "0x")).to.equal(
      "accepted",
    );
    expect(await broadcastToAll([refusing("insufficient funds"), refusing("already known")], "0x")).to.equal(
      "already-known",
    );
  });

  it("does not wait for a node that says nothing, once another one has the bytes", async () => {
    expect(await broadcastToAll([silent, taking], "0x", 60_000)).to.equal("accepted");
  });

  it("treats what is not answered in time as sent", async () => {
    expect(await broadcastToAll([silent, refusing("insufficient funds")], "0x", 20)).to.equal("indeterminate");
    expect(await broadcastToAll([silent, refusing("nonce too low")], "0x", 20)).to.equal("nonce-too-low");
  });

  it("is a certain refusal only if every node refuses", async () => {
    const both = [refusing("intrinsic gas too low"), refusing("insufficient funds")];
    expect(await broadcastToAll(both, "0x")).to.equal("insufficient-funds");
    expect(await broadcastToAll([...both, refusing("what?")], "0x")).to.equal("indeterminate");
    expect(await broadcastToAll([], "0x")).to.equal("indeterminate");
  });
});
