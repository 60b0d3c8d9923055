import { expect } from "chai";
import fc from "fast-check";
import { budgetGas, type CallWorth, MAX_SIGNERS_GAS, walletGas, worthInGas } from "../../../src/gas/budget.ts";

// 1 gwei and 3,000 USD: a thousand gas cost 3,000 millionths of a dollar.
const worth = (microUsd: bigint, dataWei = 0n): CallWorth => ({
  microUsd,
  etherMicroUsd: 3_000_000_000n,
  gasPriceWei: 1_000_000_000n,
  dataWei,
});

describe("worthInGas", () => {
  it("is the gas that a call's worth can pay, after its data is paid", () => {
    expect(worthInGas(worth(3_000n))).to.equal(1_000n);
    expect(worthInGas(worth(3_000n, 400n * 10n ** 9n))).to.equal(600n);
    expect(worthInGas(worth(3_000n, 10n ** 15n))).to.equal(0n);
  });

  it("is undefined if ether has no price, or gas costs nothing", () => {
    expect(worthInGas({ ...worth(1n), etherMicroUsd: 0n })).to.equal(undefined);
    expect(worthInGas({ ...worth(1n), gasPriceWei: 0n })).to.equal(undefined);
  });
});

describe("budgetGas", () => {
  it("allows each wallet its check, and all of them together no more than 2,000,000", () => {
    expect(budgetGas({ modelGas: 100_000n, walletChecks: 2, floorGas: 0n })).to.deep.equal({
      gas: 500_000n,
      isByWorth: false,
    });
    expect(walletGas(200)).to.equal(MAX_SIGNERS_GAS);
  });

  it("never allows more than a call is worth, or the floor if that is more", () => {
    const modelGas = 100_000n;
    const of = (microUsd: bigint, floorGas: bigint) =>
      budgetGas({ modelGas, walletChecks: 0, worth: worth(microUsd), floorGas });
    expect(of(300_000n, 0n)).to.deep.equal({ gas: 100_000n, isByWorth: false });
    expect(of(299_999n, 0n)).to.deep.equal({ gas: 99_999n, isByWorth: true });
    expect(of(1n, 80_000n)).to.deep.equal({ gas: 80_000n, isByWorth: true });
    expect(of(1n, 100_000n)).to.deep.equal({ gas: 100_000n, isByWorth: false });
  });

  it("is never above the cap, and never above worth and floor", () => {
    const amounts = fc.bigInt(0n, 10n ** 12n);
    fc.assert(
      fc.property(amounts, amounts, fc.nat(300), amounts, (modelGas, floorGas, walletChecks, microUsd) => {
        const { gas } = budgetGas({ modelGas, walletChecks, worth: worth(microUsd), floorGas });
        expect(gas <= modelGas + MAX_SIGNERS_GAS).to.equal(true);
        expect(gas <= floorGas || gas <= (worthInGas(worth(microUsd)) ?? 0n)).to.equal(true);
      }),
    );
  });
});
