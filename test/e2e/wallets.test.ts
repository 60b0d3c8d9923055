import { expect } from "chai";
import { artifacts } from "hardhat";
import {
  type Address,
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  getAddress,
  type Hex,
  keccak256,
  numberToHex,
  parseAbi,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { authorizationTypedData } from "../../src/authorization/typedData.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { sender } from "../../src/local/transaction.ts";
import { authorize, bodyV1, bodyV2, type FacilitatorLab, openFacilitatorLab, payerOf } from "../helpers/facilitator.ts";

const FACTORY: Address = "0x000000000000000000000000000000000fac7011";
const DELEGATE: Address = "0x00000000000000000000000000000000de1e9a7e";
const PAYEE: Address = "0x00000000000000000000000000000000000fee77";
const domain = { name: "USDC", version: "2" };
const factoryAbi = parseAbi([
  "function deploy(address owner, bytes32 salt) returns (address)",
  "function addressOf(address owner, bytes32 salt) view returns (address)",
]);

describe("payers with code", () => {
  let lab: FacilitatorLab;
  let facilitator: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  let deploying: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  const owner: PrivateKeyAccount = payerOf(77);

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitator = await lab.serve();
    deploying = await lab.serve({ policy: { factories: [FACTORY] } });
    for (const [at, name] of [
      [FACTORY, "OwnerWalletFactory"],
      [DELEGATE, "DelegateWallet"],
    ] as const) {
      const { deployedBytecode } = await artifacts.readArtifact(name);
      await lab.chain.request("hardhat_setCode", [at, deployedBytecode]);
    }
  });
  after(() => lab.stop());

  const deployData = (salt: Hex) =>
    encodeFunctionData({ abi: factoryAbi, functionName: "deploy", args: [owner.address, salt] });
  const saltOf = (seed: number): Hex => keccak256(numberToHex(seed));
  /** The wallet with this salt, with money, deployed or not. */
  async function wallet(seed: number): Promise<Address> {
    const args = [owner.address, saltOf(seed)] as const;
    const at = await lab.client.readContract({ address: FACTORY, abi: factoryAbi, functionName: "addressOf", args });
    await lab.chain.fund(at, 10_000n);
    return getAddress(at);
  }
  const deploy = (seed: number) =>
    sender(lab.chain.request)({ from: lab.chain.accounts[5]!.address, to: FACTORY, data: deployData(saltOf(seed)) });
  /** An authorization of a wallet, signed by its owner. */
  async function signFor(from: Address): Promise<SignedAuthorization> {
    const terms = { ...(await authorize(owner, { to: PAYEE })), from };
    return { ...terms, signature: await owner.signTypedData(authorizationTypedData(terms, domain)) };
  }
  const wrapped = (seed: number, inner: Hex): Hex =>
    concatHex([
      encodeAbiParameters(
        [{ type: "address" }, { type: "bytes" }, { type: "bytes" }],
        [FACTORY, deployData(saltOf(seed)), inner],
      ),
      `0x${"6492".repeat(16)}`,
    ]);

  for (const [version, bodyOf] of [
    ["v2", bodyV2],
    ["v1", bodyV1],
  ] as const) {
    const seed = version === "v2" ? 10 : 20;

    it(`settles a deployed ERC-1271 wallet, ${version}`, async () => {
      const from = await wallet(seed);
      await deploy(seed);
      const signed = await signFor(from);
      expect((await facilitator.verify(bodyOf(signed))).body).to.deep.equal({ isValid: true, payer: from });
      expect((await facilitator.settle(bodyOf(signed))).body).to.include({ success: true, payer: from });
      expect(await lab.balanceOf(from)).to.equal(9_000n);
    });

    it(`accepts the ERC-6492 signature of a wallet that is already deployed, ${version}`, async () => {
      const from = await wallet(seed + 1);
      await deploy(seed + 1);
      const signed = await signFor(from);
      const body = bodyOf(signed, {}, {}, wrapped(seed + 1, signed.signature));
      expect((await facilitator.settle(body)).body).to.include({ success: true, payer: from });
      expect((await facilitator.settle(body)).body.success).to.equal(false);
      expect(await lab.balanceOf(from)).to.equal(9_000n);
    });

    it(`refuses an undeployed wallet whose factory is not listed, and deploys nothing, ${version}`, async () => {
      const from = await wallet(seed + 2);
      const signed = await signFor(from);
      const body = bodyOf(signed, {}, {}, wrapped(seed + 2, signed.signature));
      const reason =
        version === "v2" ? "eip6492_factory_not_allowed" : "invalid_exact_evm_payload_undeployed_smart_wallet";
      expect((await facilitator.verify(body)).body.invalidReason).to.equal(reason);
      expect((await facilitator.settle(body)).body.errorReason).to.equal(reason);
      expect(await lab.client.getCode({ address: from })).to.equal(undefined);
    });

    it(`deploys a wallet by a listed factory and settles it, ${version}`, async () => {
      const from = await wallet(seed + 3);
      const signed = await signFor(from);
      const body = bodyOf(signed, {}, {}, wrapped(seed + 3, signed.signature));
      expect((await deploying.verify(body)).body).to.deep.equal({ isValid: true, payer: from });
      expect((await deploying.settle(body)).body).to.include({ success: true, payer: from });
      expect(await lab.client.getCode({ address: from })).to.be.a("string");
      expect(await lab.balanceOf(from)).to.equal(9_000n);
    });

    it(`refuses a counterfactual wallet with somebody else's signature, and deploys nothing, ${version}`, async () => {
      const from = await wallet(seed + 4);
      const { signature } = await authorize(payerOf(78));
      const body = bodyOf(await signFor(from), {}, {}, wrapped(seed + 4, signature));
      expect((await deploying.verify(body)).body.isValid).to.equal(false);
      expect((await deploying.settle(body)).body.success).to.equal(false);
      expect(await lab.client.getCode({ address: from })).to.equal(undefined);
    });

    it(`settles an account with an EIP-7702 delegation, ${version}`, async () => {
      const payer = await lab.payer(seed + 5);
      await lab.chain.request("hardhat_setCode", [payer.address, concatHex(["0xef0100", DELEGATE])]);
      const signed = await authorize(payer, { to: PAYEE });
      expect((await facilitator.verify(bodyOf(signed))).body.isValid).to.equal(true);
      expect((await facilitator.settle(bodyOf(signed))).body).to.include({ success: true, payer: payer.address });
    });
  }
});
