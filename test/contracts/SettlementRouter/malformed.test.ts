import { expect } from "chai";
import { network } from "hardhat";
import { concatHex, encodeFunctionData, type Hex, numberToHex, size, slice, zeroAddress } from "viem";
import { encodeBatch } from "../../../src/router/encode.ts";
import {
  BATCH_ID,
  compact,
  DEFAULT_ALLOWANCE,
  deployRouter,
  readRevert,
  testAccount,
  testAddress,
  wide,
} from "../../helpers/router.ts";

const HEADER = 5;
const ONE_PAYEE = HEADER + 20;
const COMPACT = 134;
const WIDE = 156;

describe("SettlementRouter.settle with a malformed batch", () => {
  let f: Awaited<ReturnType<typeof deployRouter>>;
  /** A batch of one compact item, and one of one wide item with a signature of 65 bytes. */
  let compactBatch: Hex;
  let wideBatch: Hex;

  before(async () => {
    const { viem } = await network.create();
    f = await deployRouter(viem);
    const payer = testAccount("malformed payer");
    await f.fund([payer.address], 1000n);
    const authorization = await f.pay(payer, testAddress("malformed payee"), 1n);
    compactBatch = encodeBatch([compact(authorization)]);
    wideBatch = encodeBatch([wide(authorization, "bytes")]);
  });

  const call = (batch: Hex, token = f.usdc.address) => f.call([token, BATCH_ID, DEFAULT_ALLOWANCE, batch]);

  async function expectRevert(batch: Hex, name: string, ...args: unknown[]) {
    expect(await readRevert(call(batch))).to.deep.equal({ name, args });
  }

  /** `batch` with `bytes` written at `offset`. */
  function patch(batch: Hex, offset: number, bytes: Hex): Hex {
    const [before, after] = [batch.slice(2, 2 + 2 * offset), batch.slice(2 + 2 * (offset + size(bytes)))];
    return `0x${before}${bytes.slice(2)}${after}`;
  }

  /** Two compact items: the second repeats the compact batch's, with a patched head. */
  function secondHead(head: number): Hex {
    const item = slice(compactBatch, ONE_PAYEE);
    return patch(
      concatHex([patch(compactBatch, 3, "0x0002"), item]),
      ONE_PAYEE + COMPACT,
      numberToHex(head, { size: 2 }),
    );
  }

  it("accepts both batches that it is made of", async () => {
    for (const batch of [compactBatch, wideBatch]) {
      expect(await call(batch)).to.deep.equal({ attempted: 1n, failures: "0x00" });
    }
  });

  describe("TokenWithoutCode", () => {
    it("reverts when the token has no code", async () => {
      for (const token of [zeroAddress, testAddress("nobody"), "0x0000000000000000000000000000000000000001"] as const) {
        expect(await readRevert(call(compactBatch, token))).to.deep.equal({ name: "TokenWithoutCode", args: [token] });
      }
    });
  });

  describe("UnsupportedVersion", () => {
    for (const version of [0, 2, 255]) {
      it(`reverts when the version is ${version}`, async () => {
        const batch = patch(compactBatch, 0, numberToHex(version, { size: 1 }));
        await expectRevert(batch, "UnsupportedVersion", BigInt(version), 1n);
      });
    }
  });

  describe("EmptyBatch", () => {
    it("reverts when there are no items", async () => {
      await expectRevert("0x0100000000", "EmptyBatch");
      await expectRevert(patch(compactBatch, 3, "0x0000"), "EmptyBatch");
    });
  });

  describe("TruncatedBatch", () => {
    it("reverts when the header is cut", async () => {
      for (let length = 0; length < HEADER; length += 1) {
        await expectRevert(length === 0 ? "0x" : slice(compactBatch, 0, length), "TruncatedBatch", 5n, BigInt(length));
      }
    });

    it("reverts when the table of payees is cut", async () => {
      for (const length of [HEADER, HEADER + 1, ONE_PAYEE - 1]) {
        await expectRevert(slice(compactBatch, 0, length), "TruncatedBatch", BigInt(ONE_PAYEE), BigInt(length));
      }
      const most = BigInt(HEADER + 20 * 65_535);
      await expectRevert(patch(compactBatch, 1, "0xffff"), "TruncatedBatch", most, BigInt(size(compactBatch)));
    });

    it("reverts when the head of an item is cut", async () => {
      for (const batch of [compactBatch, wideBatch]) {
        for (const length of [ONE_PAYEE, ONE_PAYEE + 1]) {
          await expectRevert(slice(batch, 0, length), "TruncatedBatch", BigInt(ONE_PAYEE + 2), BigInt(length));
        }
      }
    });

    it("reverts when a compact item is cut", async () => {
      for (const length of [ONE_PAYEE + 2, ONE_PAYEE + 70, ONE_PAYEE + COMPACT - 1]) {
        await expectRevert(
          slice(compactBatch, 0, length),
          "TruncatedBatch",
          BigInt(ONE_PAYEE + COMPACT),
          BigInt(length),
        );
      }
    });

    it("reverts when the fixed part of a wide item is cut", async () => {
      for (const length of [ONE_PAYEE + 2, ONE_PAYEE + 154, ONE_PAYEE + WIDE - 1]) {
        await expectRevert(slice(wideBatch, 0, length), "TruncatedBatch", BigInt(ONE_PAYEE + WIDE), BigInt(length));
      }
    });

    it("reverts when the signature of a wide item is cut", async () => {
      for (const length of [ONE_PAYEE + WIDE, ONE_PAYEE + WIDE + 64]) {
        await expectRevert(
          slice(wideBatch, 0, length),
          "TruncatedBatch",
          BigInt(ONE_PAYEE + WIDE + 65),
          BigInt(length),
        );
      }
    });

    it("reverts when there are fewer items than the header says", async () => {
      const length = BigInt(size(compactBatch));
      await expectRevert(patch(compactBatch, 3, "0x0002"), "TruncatedBatch", length + 2n, length);
    });
  });

  describe("TrailingBytes", () => {
    it("reverts when the batch continues after its last item", async () => {
      for (const batch of [compactBatch, wideBatch]) {
        for (const more of ["0x00", "0xffff", `0x${"11".repeat(COMPACT)}`] as const) {
          const length = BigInt(size(batch));
          await expectRevert(concatHex([batch, more]), "TrailingBytes", length, length + BigInt(size(more)));
        }
      }
    });
  });

  describe("ReservedBitSet", () => {
    for (const bit of [0x1000, 0x2000, 0x3000]) {
      it(`reverts when 0x${bit.toString(16)} is set in a compact head`, async () => {
        await expectRevert(
          patch(compactBatch, ONE_PAYEE, numberToHex(bit, { size: 2 })),
          "ReservedBitSet",
          0n,
          BigInt(bit),
        );
        await expectRevert(secondHead(bit | 0x4000), "ReservedBitSet", 1n, BigInt(bit | 0x4000));
      });

      it(`reverts when 0x${bit.toString(16)} is set in a wide head`, async () => {
        const head = 0x8000 | bit;
        await expectRevert(
          patch(wideBatch, ONE_PAYEE, numberToHex(head, { size: 2 })),
          "ReservedBitSet",
          0n,
          BigInt(head),
        );
      });
    }
  });

  describe("PayeeOutOfRange", () => {
    it("reverts when a compact item names a payee beyond the table", async () => {
      for (const payee of [1, 2, 0x0fff]) {
        await expectRevert(secondHead(payee), "PayeeOutOfRange", 1n, BigInt(payee), 1n);
        await expectRevert(secondHead(0x4000 | payee), "PayeeOutOfRange", 1n, BigInt(payee), 1n);
      }
    });

    it("reverts when a wide item names a payee beyond the table", async () => {
      for (const payee of [1, 0x0fff]) {
        const batch = patch(wideBatch, ONE_PAYEE, numberToHex(0x8000 | payee, { size: 2 }));
        await expectRevert(batch, "PayeeOutOfRange", 0n, BigInt(payee), 1n);
      }
    });

    it("reverts when there are no payees", async () => {
      for (const batch of [compactBatch, wideBatch]) {
        const without = concatHex(["0x0100000001", slice(batch, ONE_PAYEE)]);
        await expectRevert(without, "PayeeOutOfRange", 0n, 0n, 0n);
      }
    });
  });

  describe("InvalidSignatureLength", () => {
    const withSignature = (head: Hex, length: number): Hex =>
      concatHex([
        patch(
          patch(slice(wideBatch, 0, ONE_PAYEE + WIDE), ONE_PAYEE, head),
          ONE_PAYEE + 154,
          numberToHex(length, { size: 2 }),
        ),
        `0x${"22".repeat(length)}`,
      ]);

    for (const length of [0, 64, 66, 8192]) {
      it(`reverts when the (v, r, s) form has a signature of ${length} bytes`, async () => {
        await expectRevert(withSignature("0xc000", length), "InvalidSignatureLength", 0n, BigInt(length), 65n);
      });
    }

    for (const length of [8193, 65_535]) {
      it(`reverts when the bytes form has a signature of ${length} bytes`, async () => {
        await expectRevert(withSignature("0x8000", length), "InvalidSignatureLength", 0n, BigInt(length), 8192n);
      });
    }

    it("accepts 8,192 bytes in the bytes form", async () => {
      // The token refuses it; the router does not.
      expect(await call(withSignature("0x8000", 8192))).to.deep.equal({ attempted: 1n, failures: "0x01" });
    });
  });

  it("undoes the items before the malformed one", async () => {
    const args = [f.usdc.address, BATCH_ID, DEFAULT_ALLOWANCE, secondHead(0x1000)] as const;
    const data = encodeFunctionData({ abi: f.router.abi, functionName: "settle", args });
    const { receipt } = await f.send({ to: f.router.address, data, gas: 1_000_000n });
    expect(receipt.status).to.equal("reverted");
    expect(receipt.logs).to.deep.equal([]);
    expect(await f.usdc.read.balanceOf([testAccount("malformed payer").address])).to.equal(1000n);
  });

  it("does not read what follows the item at which the gas ran short", async () => {
    const item = slice(compactBatch, ONE_PAYEE);
    const batch = patch(concatHex([patch(compactBatch, 3, "0x0003"), item, item]), ONE_PAYEE + 2 * COMPACT, "0x3000");
    const answer = await f.call([f.usdc.address, BATCH_ID, DEFAULT_ALLOWANCE, batch], 150_000n);
    expect(answer.attempted < 2n).to.equal(true);
  });
});
