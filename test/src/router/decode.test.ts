import { expect } from "chai";
import fc from "fast-check";
import { network } from "hardhat";
import { decodeFunctionData, type Hex, parseAbi, parseEventLogs } from "viem";
import { decodeBatch, decodeSettle } from "../../../src/router/decode.ts";
import { encodeBatch, encodeSettle } from "../../../src/router/encode.ts";
import { RouterDecodingError } from "../../../src/router/errors.ts";
import type { RouterItem } from "../../../src/router/wire.ts";
import { runs } from "../../helpers/randomness.ts";
import { BATCH_ID, deployRouter } from "../../helpers/router.ts";
import { anyItems, CHAIN_ID, TOKEN } from "../../helpers/routerItems.ts";

const context = { chainId: CHAIN_ID, token: TOKEN };

const overloads = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
]);

describe("decodeSettle", () => {
  it("throws for calldata of another call", () => {
    for (const data of ["0x", "0x12345678", `0x${"00".repeat(200)}`] as const) {
      expect(() => decodeSettle(data, 1)).to.throw(RouterDecodingError, /not a call of SettlementRouter.settle/);
    }
  });
});

describe("decodeBatch against the contract", () => {
  let f: Awaited<ReturnType<typeof deployRouter>>;
  let token: Awaited<ReturnType<typeof deployRecordingToken>>;
  let viem: Awaited<ReturnType<typeof network.create>>["viem"];

  const deployRecordingToken = () => viem.deployContract("RecordingToken");

  before(async () => {
    // Enough gas for allowances of 32 bits.
    const connection = await network.create({
      override: { blockGasLimit: 10n ** 12n, transactionGasCap: 10n ** 12n, allowUnlimitedContractSize: true },
    });
    viem = connection.viem;
    f = await deployRouter(viem);
    token = await deployRecordingToken();
  });

  it("reads what the router calls the token with, argument by argument", async () => {
    await fc.assert(
      fc.asyncProperty(anyItems(12, context.token), async (generated) => {
        // On the recording token a nonce that ends in zero succeeds.
        const items = generated.map(
          (item): RouterItem => ({
            ...item,
            ...(item.form === "wide" ? { gasAllowance: 1_000_000n } : {}),
            authorization: {
              ...item.authorization,
              token: token.address,
              nonce: `${item.authorization.nonce.slice(0, -1)}0` as Hex,
            },
          }),
        );
        const call = { token: token.address, batchId: BATCH_ID, gasAllowance: 1_000_000n, items };
        const data = encodeSettle(call);
        const hash = await f.sender.sendTransaction({ to: f.router.address, data, gas: 60_000_000n });
        const receipt = await f.publicClient.getTransactionReceipt({ hash });
        const called = parseEventLogs({ abi: token.abi, logs: receipt.logs }).map(({ args }) => args.data);
        expect(called.map(readCall)).to.deep.equal(decodeSettle(data, CHAIN_ID).items.map(expectedCall));
      }),
      runs(25, 300),
    );
  });

  it("throws exactly when the router reverts", async () => {
    const change = fc.oneof(
      fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), mask: fc.constant(0) }),
      fc.record({ kind: fc.constant("append" as const), at: fc.integer({ min: 1, max: 300 }), mask: fc.nat(255) }),
      fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
      // Where the counts and the first head are.
      fc.record({ kind: fc.constant("flip" as const), at: fc.nat(60), mask: fc.integer({ min: 1, max: 255 }) }),
    );
    let [good, bad] = [0, 0];
    await fc.assert(
      fc.asyncProperty(anyItems(4), change, async (items, { kind, at, mask }) => {
        const bytes = Buffer.from(encodeBatch(items).slice(2), "hex");
        let changed = bytes;
        if (kind === "cut") changed = bytes.subarray(0, at % bytes.length);
        else if (kind === "append") changed = Buffer.concat([bytes, Buffer.alloc(at, mask)]);
        else changed[at % bytes.length]! ^= mask;
        const batch: Hex = `0x${changed.toString("hex")}`;

        const decodes = succeeds(() => decodeBatch(batch, context));
        const settles = await f.call([token.address, BATCH_ID, 1_000_000n, batch], 500_000_000_000n).then(
          () => true,
          () => false,
        );
        expect(decodes).to.equal(settles);
        if (settles) good += 1;
        else bad += 1;
      }),
      runs(150, 2000),
    );
    expect(good, "batches that stayed well formed").to.be.above(5);
    expect(bad, "batches that became malformed").to.be.above(5);
  });
});

function succeeds(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof RouterDecodingError) return false;
    throw error;
  }
}

function readCall(data: Hex) {
  const { args } = decodeFunctionData({ abi: overloads, data });
  return args.map((arg) => (typeof arg === "number" ? BigInt(arg) : arg));
}

function expectedCall(item: RouterItem) {
  const { from, to, value, validAfter, validBefore, nonce, signature } = item.authorization;
  const terms = [from, to, value, validAfter, validBefore, nonce];
  if (item.form === "wide" && item.overload === "bytes") return [...terms, signature];
  const v = BigInt(`0x${signature.slice(-2)}`);
  return [...terms, v, `0x${signature.slice(2, 66)}`, `0x${signature.slice(66, 130)}`];
}
