import { expect } from "chai";
import { deriveAccounts, TEST_MNEMONIC } from "../../../src/local/index.ts";
import { TEST_ACCOUNTS, testAccount } from "../../../src/local/testAccounts.ts";

describe("TEST_ACCOUNTS", () => {
  it("are the first twenty accounts of the test mnemonic", () => {
    expect(TEST_ACCOUNTS).to.deep.equal(deriveAccounts(TEST_MNEMONIC, 20));
  });
});

describe("testAccount", () => {
  it("gives an account by its index, and refuses an index that none has", () => {
    expect(testAccount(19)).to.equal(TEST_ACCOUNTS[19]);
    for (const index of [-1, 0.5, 20]) {
      expect(() => testAccount(index)).to.throw(RangeError, `There is no test account ${index}.`);
    }
  });
});
