import { expect } from "chai";
import { mnemonicToAccount } from "viem/accounts";
import { deriveAccounts, LocalChainError, TEST_MNEMONIC } from "../../../src/local/index.ts";

describe("deriveAccounts", () => {
  it("derives what viem derives", () => {
    const expected = [3, 4, 5].map((addressIndex) => mnemonicToAccount(TEST_MNEMONIC, { addressIndex }).address);
    expect(deriveAccounts(TEST_MNEMONIC, 3, 3).map(({ address }) => address)).to.deep.equal(expected);
  });

  it("starts at index 0", () => {
    expect(deriveAccounts(TEST_MNEMONIC, 1)).to.deep.equal([
      {
        address: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        privateKey: "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
      },
    ]);
  });

  it("refuses a number of words that no mnemonic has", () => {
    for (const words of ["", "test", TEST_MNEMONIC.slice(5), `${TEST_MNEMONIC} junk`]) {
      expect(() => deriveAccounts(words, 1)).to.throw(LocalChainError, "A mnemonic has 12, 15, 18, 21 or 24 words.");
    }
  });
});
