import { expect } from "chai";
import { AbiCoder } from "ethers";
import { network } from "hardhat";
import { type Address, concatHex, createPublicClient, custom, type Hex, padHex } from "viem";
import { signAuthorization } from "../../../../src/authorization/sign.ts";
import { authorizationTypedData } from "../../../../src/authorization/typedData.ts";
import type { Authorization, SignedAuthorization } from "../../../../src/authorization/types.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { DEFAULT_ERC1271_GAS, verifySignatureOnChain } from "../../../../src/chain/facts/verify.ts";
import { authorizationArgs, deployUsdc, fundedAccount, makeAuthorization } from "../../../helpers/usdc.ts";

const domain = { name: "USDC", version: "2" };
const key = fundedAccount(11);
const payee = fundedAccount(12).address;
const magic: Hex = "0x1626ba7e";

const { viem, networkHelpers } = await network.create();
const client = await viem.getPublicClient();

/** Code that answers every call with one word. */
const answering = (word: Hex): Hex => concatHex(["0x7f", word, "0x5f5260205ff3"]);
const stop: Hex = "0x00";
const revert: Hex = "0x5f5ffd";
const burn: Hex = "0xfe";
/** Answers with the first 31 bytes of the right answer. */
const shortAnswer: Hex = concatHex(["0x7f", padHex(magic, { dir: "right", size: 32 }), "0x5f52601f5ff3"]);
/** Answers with a megabyte, of which the first word is right. */
const longAnswer: Hex = concatHex(["0x7f", padHex(magic, { dir: "right", size: 32 }), "0x5f52620400005ff3"]);
const word = (value: Hex) => padHex(value, { dir: "right", size: 32 });

async function fixture() {
  const token = await deployUsdc(viem);
  const authorize = (from: Address, change: Partial<Authorization> = {}) =>
    makeAuthorization(token, { from, to: payee, value: 5n, ...change });
  return { ...token, authorize };
}

/** Whether the token itself takes the signature. */
async function tokenTakes(
  { usdc, mint }: Awaited<ReturnType<typeof fixture>>,
  signed: SignedAuthorization,
): Promise<boolean> {
  await mint(signed.from, signed.value);
  const before = await usdc.read.balanceOf([signed.to]);
  try {
    await usdc.write.transferWithAuthorization([...authorizationArgs(signed), signed.signature]);
  } catch (error) {
    expect(String(error)).to.include("FiatTokenV2: invalid signature");
    return false;
  }
  expect((await usdc.read.balanceOf([signed.to])) - before).to.equal(signed.value);
  return true;
}

/** The signature of `authorization` by `key`, whoever the payer is. */
async function signAs(authorization: Authorization): Promise<SignedAuthorization> {
  const signature = await key.signTypedData(authorizationTypedData(authorization, domain));
  return { ...authorization, signature };
}

const wrap = (factory: Address, factoryData: Hex, signature: Hex): Hex =>
  concatHex([
    AbiCoder.defaultAbiCoder().encode(["address", "bytes", "bytes"], [factory, factoryData, signature]) as Hex,
    `0x${"6492".repeat(16)}`,
  ]);

describe("verifySignatureOnChain", () => {
  describe("a payer without code", () => {
    it("is valid by ECDSA, and the token agrees", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      const signed = await signAuthorization(key, { authorization: token.authorize(key.address), domain });
      expect(await verifySignatureOnChain(client, { authorization: signed, domain })).to.deep.equal({
        status: "valid",
        by: "ecdsa",
        signature: signed.signature,
      });
      expect(await tokenTakes(token, signed)).to.equal(true);
    });

    it("is invalid with another's signature, named, and the token agrees", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      const signed = await signAs(token.authorize(fundedAccount(13).address));
      expect(await verifySignatureOnChain(client, { authorization: signed, domain })).to.deep.equal({
        status: "invalid",
        by: "ecdsa",
        reason: "mismatch",
        recovered: key.address,
      });
      expect(await tokenTakes(token, signed)).to.equal(false);
    });

    it("is invalid with bytes that are not an ECDSA signature", async () => {
      const { authorize } = await networkHelpers.loadFixture(fixture);
      const authorization = authorize(key.address);
      const { signature } = await signAs(authorization);
      const verdict = (other: Hex) =>
        verifySignatureOnChain(client, { authorization: { ...authorization, signature: other }, domain });
      const invalid = { status: "invalid", by: "ecdsa" };
      expect(await verdict("0x")).to.deep.equal({ ...invalid, reason: "not-65-bytes" });
      expect(await verdict(`${signature}00`)).to.deep.equal({ ...invalid, reason: "not-65-bytes" });
      expect(await verdict(`${signature.slice(0, -2) as Hex}1d`)).to.deep.equal({ ...invalid, reason: "bad-v" });
      expect(await verdict(`0x${"ff".repeat(64)}1b`)).to.deep.equal({ ...invalid, reason: "high-s" });
      expect(await verdict(`0x${"6492".repeat(16)}`)).to.deep.equal({ ...invalid, reason: "broken-erc6492" });
    });
  });

  describe("a payer with a wallet contract", () => {
    it("is valid by ERC-1271, and the token agrees", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      const wallet = await viem.deployContract("OwnerWallet", [key.address]);
      const signed = await signAs(token.authorize(wallet.address));
      expect(await verifySignatureOnChain(client, { authorization: signed, domain })).to.deep.equal({
        status: "valid",
        by: "erc1271",
        signature: signed.signature,
      });
      expect(await tokenTakes(token, signed)).to.equal(true);
    });

    it("is invalid if the wallet says no, and the token agrees", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      const wallet = await viem.deployContract("OwnerWallet", [payee]);
      const signed = await signAs(token.authorize(wallet.address));
      expect(await verifySignatureOnChain(client, { authorization: signed, domain })).to.deep.equal({
        status: "invalid",
        by: "erc1271",
        reason: "rejected",
      });
      expect(await tokenTakes(token, signed)).to.equal(false);
    });

    const answers: [string, Hex, "valid" | "rejected" | "call-failed" | "out-of-gas"][] = [
      ["answers the magic value", answering(word(magic)), "valid"],
      ["answers the magic value and a megabyte after it", longAnswer, "valid"],
      [
        "answers the magic value with something after it",
        answering(padHex(`${magic}01`, { dir: "right", size: 32 })),
        "rejected",
      ],
      ["answers the magic value on the wrong side", answering(padHex(magic, { size: 32 })), "rejected"],
      ["answers true", answering(padHex("0x01", { size: 32 })), "rejected"],
      ["answers 31 bytes", shortAnswer, "rejected"],
      ["answers nothing", stop, "rejected"],
      ["reverts", revert, "call-failed"],
      ["burns all gas", burn, "out-of-gas"],
    ];
    for (const [what, code, expected] of answers) {
      it(`is ${expected} if the code ${what}, as for the token`, async () => {
        const token = await networkHelpers.loadFixture(fixture);
        const { address } = fundedAccount(14);
        await networkHelpers.setCode(address, code);
        // Signed by the account's own key, which does not count for an account with code.
        const authorization = token.authorize(address);
        const signature = await fundedAccount(14).signTypedData(authorizationTypedData(authorization, domain));
        const signed = { ...authorization, signature };
        const verdict = await verifySignatureOnChain(client, { authorization: signed, domain });
        expect(verdict).to.deep.equal(
          expected === "valid"
            ? { status: "valid", by: "erc1271", signature }
            : { status: "invalid", by: "erc1271", reason: expected },
        );
        expect(await tokenTakes(token, signed)).to.equal(expected === "valid");
      });
    }

    it("gives the wallet the gas that was asked for and no more", async () => {
      const { authorize } = await networkHelpers.loadFixture(fixture);
      const { address } = fundedAccount(14);
      // Answers the magic value if at least 300,000 gas are left when it is called, and reverts otherwise.
      const code = concatHex([
        "0x620493e0", // PUSH3 300000
        "0x5a", // GAS
        "0x11", // GT: gas left > 300000
        "0x600c57", // JUMPI to 0x0c
        "0x5f5ffd", // revert
        "0x5b", // 0x0c
        answering(word(magic)),
      ]);
      await networkHelpers.setCode(address, code);
      const signed = { ...authorize(address), signature: "0x" as const };
      const verdict = async (erc1271Gas: bigint) =>
        (await verifySignatureOnChain(client, { authorization: signed, domain, erc1271Gas })).status;
      expect(await verdict(300_002n)).to.equal("invalid");
      expect(await verdict(300_006n)).to.equal("valid");
      expect((await verifySignatureOnChain(client, { authorization: signed, domain })).status).to.equal("valid");
      expect(DEFAULT_ERC1271_GAS).to.equal(1_000_000n);
    });

    it("carries a signature of 8192 bytes", async () => {
      const { authorize } = await networkHelpers.loadFixture(fixture);
      const { address } = fundedAccount(14);
      await networkHelpers.setCode(address, answering(word(magic)));
      const signed = { ...authorize(address), signature: `0x${"ab".repeat(8192)}` as const };
      expect((await verifySignatureOnChain(client, { authorization: signed, domain })).status).to.equal("valid");
    });
  });

  describe("a payer that delegates to code (EIP-7702)", () => {
    const delegate = (target: Address) => networkHelpers.setCode(key.address, concatHex(["0xef0100", target]));

    it("is asked by ERC-1271: valid if the delegate takes the account's own signatures", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      const wallet = await viem.deployContract("DelegateWallet");
      await delegate(wallet.address);
      const signed = await signAuthorization(key, { authorization: token.authorize(key.address), domain });
      expect(await verifySignatureOnChain(client, { authorization: signed, domain })).to.deep.equal({
        status: "valid",
        by: "erc1271",
        signature: signed.signature,
      });
      expect(await tokenTakes(token, signed)).to.equal(true);
    });

    it("is invalid if the delegate is not a wallet or has no code, whatever its key signed", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      for (const target of [token.implementation.address, payee]) {
        await delegate(target);
        const signed = await signAuthorization(key, { authorization: token.authorize(key.address), domain });
        const verdict = await verifySignatureOnChain(client, { authorization: signed, domain });
        expect(verdict).to.include({ status: "invalid", by: "erc1271" });
        expect(await tokenTakes(token, signed)).to.equal(false);
      }
    });
  });

  describe("a wallet that is not deployed (ERC-6492)", () => {
    it("is counterfactual before it is deployed, valid with the inner signature after, and the token agrees", async () => {
      const token = await networkHelpers.loadFixture(fixture);
      const factory = await viem.deployContract("OwnerWalletFactory");
      const salt: Hex = `0x${"01".repeat(32)}`;
      const wallet = await factory.read.addressOf([key.address, salt]);
      const { signature, ...authorization } = await signAs(token.authorize(wallet));
      const factoryData: Hex = "0xabcdef";
      const wrapped = { ...authorization, signature: wrap(factory.address, factoryData, signature) };
      const verdict = await verifySignatureOnChain(client, { authorization: wrapped, domain });
      expect(verdict).to.have.property("status", "counterfactual");
      expect(verdict).to.include({ factoryData, signature });
      expect(String(verdict.status === "counterfactual" && verdict.factory).toLowerCase()).to.equal(
        factory.address.toLowerCase(),
      );

      await factory.write.deploy([key.address, salt]);
      expect(await verifySignatureOnChain(client, { authorization: wrapped, domain })).to.deep.equal({
        status: "valid",
        by: "erc1271",
        signature,
      });
      expect(await tokenTakes(token, { ...authorization, signature })).to.equal(true);
    });
  });

  it("asks at the block it is given", async () => {
    const { authorize } = await networkHelpers.loadFixture(fixture);
    const signed = await signAuthorization(key, { authorization: authorize(key.address), domain });
    const blockNumber = await client.getBlockNumber();
    await networkHelpers.mine();
    await networkHelpers.setCode(key.address, revert);
    expect((await verifySignatureOnChain(client, { authorization: signed, domain })).status).to.equal("invalid");
    expect((await verifySignatureOnChain(client, { authorization: signed, domain, blockNumber })).status).to.equal(
      "valid",
    );
  });

  describe("a node that does not answer", () => {
    const signedBy = async () => {
      const { authorize } = await networkHelpers.loadFixture(fixture);
      return signAuthorization(key, { authorization: authorize(key.address), domain });
    };
    const clientThat = (answer: (method: string) => unknown) =>
      createPublicClient({
        transport: custom({ request: async ({ method }: { method: string }) => answer(method) }, { retryCount: 0 }),
      });
    const fail = (): never => {
      throw new Error("https://rpc.example/secret-key is down");
    };

    const nodes: [string, (method: string) => unknown, string][] = [
      ["for the code", fail, "the payer's code"],
      ["for the call", (method) => (method === "eth_getCode" ? "0x01" : fail()), "the payer's isValidSignature"],
      ["with an empty result", (method) => (method === "eth_getCode" ? "0x01" : "0x"), "the payer's isValidSignature"],
      [
        "with half a result",
        (method) => (method === "eth_getCode" ? "0x01" : word("0x")),
        "the payer's isValidSignature",
      ],
    ];
    for (const [what, answer, subject] of nodes) {
      it(`throws an error, not a verdict, ${what}, and reveals no secret`, async () => {
        const signed = await signedBy();
        const error = await verifySignatureOnChain(clientThat(answer), { authorization: signed, domain }).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).to.be.instanceOf(ChainUnavailableError);
        expect(error)
          .to.have.property("shortMessage")
          .that.equals(`Could not tell whether the signature is valid: ${subject} could not be read.`);
        expect(String(error)).to.not.include("secret-key");
        expect(String(error)).to.not.include(signed.signature.slice(10, 60));
        expect((error as ChainUnavailableError).cause).to.equal(undefined);
      });
    }
  });
});
