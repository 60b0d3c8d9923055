import { expect } from "chai";
import { network } from "hardhat";
import { type Address, type Hex, pad } from "viem";
import { deployUsdc, fundedAccount, makeAuthorization, signTransfer } from "../../helpers/usdc.ts";

const at = (number: number): Address => pad(`0x${number.toString(16)}`, { size: 20 });

describe("SettlementLens", () => {
  async function deploy() {
    const { viem, networkHelpers } = await network.create();
    const fixture = await deployUsdc(viem);
    const lens = await viem.deployContract("SettlementLens");
    const client = await viem.getPublicClient();
    return { ...fixture, lens, client, networkHelpers };
  }

  describe("accounts", () => {
    it("reads balances, who has code and who is blocked, at one block", async () => {
      const { lens, usdc, mint, blacklist, networkHelpers, client } = await deploy();
      await mint(at(1), 5n);
      await mint(at(2), 10n ** 17n);
      await networkHelpers.setCode(at(2), "0x00");
      await blacklist(at(3));
      const [head, balances, flags] = await lens.read.accounts([usdc.address, [at(1), at(2), at(3), usdc.address]]);
      const block = await client.getBlock();
      expect(balances).to.deep.equal([5n, 10n ** 17n, 0n, 0n]);
      expect(flags).to.deep.equal([0, 1, 2, 3]);
      expect(head.number).to.equal(block.number);
    });

    it("reverts when the token is not a token", async () => {
      const { lens, client } = await deploy();
      const error = await client
        .readContract({ ...lens, functionName: "accounts", args: [at(9), [at(1)]] })
        .catch((caught: unknown) => caught);
      expect(error).to.have.property("name", "ContractFunctionExecutionError");
    });
  });

  describe("authorizationStates", () => {
    it("says which nonces are used", async () => {
      const { lens, usdc, mint, chainId } = await deploy();
      const payer = fundedAccount(6);
      await mint(payer.address, 10n);
      const used = makeAuthorization({ chainId, usdc }, { from: payer.address, to: at(1), value: 3n });
      const { v, r, s } = await signTransfer(payer, used);
      const { from, to, value, validAfter, validBefore, nonce } = used;
      await usdc.write.transferWithAuthorization([from, to, value, validAfter, validBefore, nonce, v, r, s]);
      const free = makeAuthorization({ chainId, usdc }, { from: payer.address, to: at(1), value: 3n });
      const queries = [used, free].map((one) => ({ payer: one.from, nonce: one.nonce }));
      const [, states] = await lens.read.authorizationStates([usdc.address, queries]);
      expect(states).to.deep.equal([true, false]);
    });
  });

  describe("attempt", () => {
    /** Runs code as a call by the lens with this much gas. */
    async function attempt(code: Hex, gasAllowance: bigint, gas = 10_000_000n) {
      const { lens, networkHelpers, client } = await deploy();
      await networkHelpers.setCode(at(77), code);
      const { result } = await client.simulateContract({
        address: lens.address,
        abi: lens.abi,
        functionName: "attempt",
        args: [at(77), gasAllowance, "0x"],
        gas,
      });
      return result;
    }

    it("returns what the call returned and what it used", async () => {
      // MSTORE(0, 42) RETURN(0, 32)
      const [success, gasUsed, answer] = await attempt("0x602a60005260206000f3", 100_000n);
      expect(success).to.equal(true);
      expect(BigInt(answer)).to.equal(42n);
      expect(Number(gasUsed)).to.be.within(100, 4_000);
    });

    it("returns the revert data of a call that reverts", async () => {
      // MSTORE(0, 42) REVERT(0, 32)
      const [success, , answer] = await attempt("0x602a60005260206000fd", 100_000n);
      expect(success).to.equal(false);
      expect(BigInt(answer)).to.equal(42n);
    });

    it("shows a call that uses all of its gas", async () => {
      const [success, gasUsed, answer] = await attempt("0x5b600056", 100_000n);
      expect(success).to.equal(false);
      expect(answer).to.equal("0x");
      expect(Number(gasUsed)).to.be.within(100_000, 104_000);
    });

    it("cuts an answer that is too long", async () => {
      // REVERT(0, 30000)
      const [, , answer] = await attempt("0x6175306000fd", 100_000n);
      expect(answer).to.have.lengthOf(2 + 2 * 1024);
    });

    it("reverts when there is too little gas for the allowance", async () => {
      const error = await attempt("0x00", 9_900_000n).catch((caught: unknown) => caught);
      expect(error).to.have.property("message").that.includes("NotEnoughGas");
    });
  });
});
