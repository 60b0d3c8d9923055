import { expect } from "chai";
import { network } from "hardhat";
import {
  type Address,
  concatHex,
  encodeAbiParameters,
  getAddress,
  type Hex,
  hexToBigInt,
  keccak256,
  numberToHex,
  slice,
  zeroAddress,
} from "viem";
import { deployUsdc, FAR_FUTURE, fundedAccount, randomNonce, signCancel, signPermit } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const account = (index: number) => fundedAccount(index).address;

async function fixture() {
  return deployUsdc(viem);
}

describe("MockUSDC: initialize", () => {
  it("names the token, appoints the roles and blocks the token's own address", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    expect(await usdc.read.name()).to.equal("USDC");
    expect(await usdc.read.symbol()).to.equal("USDC");
    expect(await usdc.read.currency()).to.equal("USD");
    expect(await usdc.read.decimals()).to.equal(6);
    expect(await usdc.read.version()).to.equal("2");
    expect(await usdc.read.owner()).to.equal(account(1));
    expect(await usdc.read.masterMinter()).to.equal(account(2));
    expect(await usdc.read.pauser()).to.equal(account(3));
    expect(await usdc.read.blacklister()).to.equal(account(4));
    expect(await usdc.read.paused()).to.equal(false);
    expect(await usdc.read.totalSupply()).to.equal(0n);
    expect(await usdc.read.isBlacklisted([usdc.address])).to.equal(true);
  });

  it("reverts the second time", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(
      usdc.write.initialize(["USDC", "USDC", "USD", 6, account(1), account(1), account(1), account(1)]),
      "FiatToken: contract is already initialized",
    );
  });

  it("reverts for each role that is the zero address", async () => {
    const { implementation } = await networkHelpers.loadFixture(fixture);
    const roles = ["masterMinter", "pauser", "blacklister", "owner"];
    for (const [index, role] of roles.entries()) {
      // This role and all after it are zero: the error names the first.
      const at = (i: number): Address => (i < index ? account(1) : zeroAddress);
      await viem.assertions.revertWith(
        implementation.write.initialize(["USDC", "USDC", "USD", 6, at(0), at(1), at(2), at(3)]),
        `FiatToken: new ${role} is the zero address`,
      );
    }
  });

  it("keeps state in the slots of the deployed token", async () => {
    const { usdc, mint, chainId } = await networkHelpers.loadFixture(fixture);
    const payer = fundedAccount(10);
    await mint(payer.address, 1_234n);
    const deadline = FAR_FUTURE;
    const permit = { owner: payer.address, spender: account(11), value: 55n, nonce: 0n, deadline };
    const { signature } = await signPermit(payer, { chainId, token: usdc.address }, permit);
    await usdc.write.permit([permit.owner, permit.spender, permit.value, deadline, signature]);
    const canceled = { chainId, token: usdc.address, from: payer.address, nonce: randomNonce() };
    await usdc.write.cancelAuthorization([
      payer.address,
      canceled.nonce,
      (await signCancel(payer, canceled)).signature,
    ]);
    const publicClient = await viem.getPublicClient();
    const at = async (slot: bigint | Hex): Promise<Hex> =>
      (await publicClient.getStorageAt({
        address: usdc.address,
        slot: typeof slot === "bigint" ? numberToHex(slot, { size: 32 }) : slot,
      })) ?? "0x";
    const entry = (key: Address, slot: bigint | Hex): Hex =>
      keccak256(encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [key, BigInt(slot)]));
    const addressIn = (word: Hex) => getAddress(slice(word, 12));

    expect(addressIn(await at(0n))).to.equal(account(1));
    expect(addressIn(await at(1n))).to.equal(account(3));
    expect(addressIn(await at(2n))).to.equal(account(4));
    expect(slice(await at(4n), 0, 4)).to.equal("0x55534443");
    expect(hexToBigInt(await at(6n))).to.equal(6n);
    expect(slice(await at(7n), 0, 3)).to.equal("0x555344");
    expect(addressIn(await at(8n))).to.equal(account(2));
    expect(hexToBigInt(await at(entry(account(10), 9n)))).to.equal(1_234n);
    expect(hexToBigInt(await at(entry(usdc.address, 9n)))).to.equal(1n << 255n);
    expect(hexToBigInt(await at(entry(account(11), entry(account(10), 10n))))).to.equal(55n);
    expect(hexToBigInt(await at(11n))).to.equal(1_234n);
    expect(hexToBigInt(await at(entry(account(0), 12n)))).to.equal(1n);
    expect(hexToBigInt(await at(entry(account(0), 13n)))).to.equal(10n ** 18n - 1_234n);
    const nonceSlot = keccak256(concatHex([canceled.nonce, entry(payer.address, 16n)]));
    expect(hexToBigInt(await at(nonceSlot))).to.equal(1n);
    expect(hexToBigInt(await at(entry(payer.address, 17n)))).to.equal(1n);
  });
});
