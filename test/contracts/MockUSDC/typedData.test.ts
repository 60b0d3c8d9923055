import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import { network } from "hardhat";
import {
  concatHex,
  domainSeparator,
  encodeAbiParameters,
  type Hex,
  hashTypedData,
  keccak256,
  parseAbi,
  recoverAddress,
  toEventSelector,
  toHex,
} from "viem";
import {
  deployUsdc,
  fundedAccount,
  makeAuthorization,
  signTransfer,
  usdcDomain,
  usdcTypes,
} from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const payer = fundedAccount(10);
const payee = fundedAccount(11).address;

async function fixture() {
  return deployUsdc(viem);
}

async function setUp() {
  const { usdc, chainId } = await networkHelpers.loadFixture(fixture);
  const authorization = makeAuthorization({ usdc, chainId }, { from: payer.address, to: payee, value: 2n ** 200n });
  const domain = usdcDomain(authorization);
  /** The digest that the contract checks, from the parts that it publishes. */
  const digest = async (structHash: Hex) =>
    keccak256(concatHex(["0x1901", await usdc.read.DOMAIN_SEPARATOR(), structHash]));
  const hashStruct = (typeHash: Hex, types: readonly { type: string }[], values: readonly unknown[]) =>
    keccak256(encodeAbiParameters([{ type: "bytes32" }, ...types], [typeHash, ...values]));
  return { usdc, authorization, domain, digest, hashStruct };
}

describe("MockUSDC: typed data", () => {
  it("publishes the type hashes of the standards", async () => {
    const { usdc } = await setUp();
    const terms = "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce";
    const hash = (type: string) => keccak256(toHex(type));
    expect(await usdc.read.TRANSFER_WITH_AUTHORIZATION_TYPEHASH()).to.equal(
      "0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267",
    );
    expect(await usdc.read.TRANSFER_WITH_AUTHORIZATION_TYPEHASH()).to.equal(
      hash(`TransferWithAuthorization(${terms})`),
    );
    expect(await usdc.read.RECEIVE_WITH_AUTHORIZATION_TYPEHASH()).to.equal(hash(`ReceiveWithAuthorization(${terms})`));
    expect(await usdc.read.CANCEL_AUTHORIZATION_TYPEHASH()).to.equal(
      hash("CancelAuthorization(address authorizer,bytes32 nonce)"),
    );
    expect(await usdc.read.PERMIT_TYPEHASH()).to.equal(
      hash("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
    );
  });

  it("has the domain separator that viem and ethers compute", async () => {
    const { usdc, domain } = await setUp();
    const separator = await usdc.read.DOMAIN_SEPARATOR();
    expect(separator).to.equal(domainSeparator({ domain }));
    expect(separator).to.equal(TypedDataEncoder.hashDomain(domain));
  });

  for (const [primaryType, getter] of [
    ["TransferWithAuthorization", "TRANSFER_WITH_AUTHORIZATION_TYPEHASH"],
    ["ReceiveWithAuthorization", "RECEIVE_WITH_AUTHORIZATION_TYPEHASH"],
  ] as const) {
    it(`hashes ${primaryType} as viem and ethers do, and recovers its signer`, async () => {
      const { usdc, authorization: a, domain, digest, hashStruct } = await setUp();
      const values = [a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce];
      const onChain = await digest(hashStruct(await usdc.read[getter](), usdcTypes[primaryType], values));
      const { from, to, value, validAfter, validBefore, nonce } = a;
      const message = { from, to, value, validAfter, validBefore, nonce };

      expect(onChain).to.equal(hashTypedData({ domain, types: usdcTypes, primaryType, message }));
      const types = { [primaryType]: [...usdcTypes[primaryType]] };
      expect(onChain).to.equal(TypedDataEncoder.hash(domain, types, message));
      const { signature } = await signTransfer(payer, a, primaryType);
      expect(await recoverAddress({ hash: onChain, signature })).to.equal(payer.address);
    });
  }

  it("hashes CancelAuthorization and Permit as viem and ethers do", async () => {
    const { usdc, authorization: a, domain, digest, hashStruct } = await setUp();
    const cancel = { authorizer: a.from, nonce: a.nonce };
    const cancelDigest = await digest(
      hashStruct(await usdc.read.CANCEL_AUTHORIZATION_TYPEHASH(), usdcTypes.CancelAuthorization, [a.from, a.nonce]),
    );
    expect(cancelDigest).to.equal(
      hashTypedData({ domain, types: usdcTypes, primaryType: "CancelAuthorization", message: cancel }),
    );
    expect(cancelDigest).to.equal(
      TypedDataEncoder.hash(domain, { CancelAuthorization: [...usdcTypes.CancelAuthorization] }, cancel),
    );

    const permit = { owner: a.from, spender: a.to, value: 1n, nonce: 2n, deadline: 3n };
    const permitDigest = await digest(
      hashStruct(await usdc.read.PERMIT_TYPEHASH(), usdcTypes.Permit, Object.values(permit)),
    );
    expect(permitDigest).to.equal(hashTypedData({ domain, types: usdcTypes, primaryType: "Permit", message: permit }));
    expect(permitDigest).to.equal(TypedDataEncoder.hash(domain, { Permit: [...usdcTypes.Permit] }, permit));
  });

  it("has the events of the deployed token, indexed fields included", async () => {
    const { usdc } = await setUp();
    const expected = parseAbi([
      "event Transfer(address indexed, address indexed, uint256)",
      "event Approval(address indexed, address indexed, uint256)",
      "event AuthorizationUsed(address indexed, bytes32 indexed)",
      "event AuthorizationCanceled(address indexed, bytes32 indexed)",
      "event Mint(address indexed, address indexed, uint256)",
      "event Burn(address indexed, uint256)",
      "event MinterConfigured(address indexed, uint256)",
      "event MinterRemoved(address indexed)",
      "event MasterMinterChanged(address indexed)",
      "event Pause()",
      "event Unpause()",
      "event PauserChanged(address indexed)",
      "event Blacklisted(address indexed)",
      "event UnBlacklisted(address indexed)",
      "event BlacklisterChanged(address indexed)",
      "event OwnershipTransferred(address, address)",
    ]);
    const shape = (event: (typeof expected)[number]) =>
      `${toEventSelector(event)} ${event.inputs.map((input) => ("indexed" in input && input.indexed ? 1 : 0)).join("")}`;
    const actual = usdc.abi.filter((item) => item.type === "event");
    expect(actual.map((event) => shape(event as (typeof expected)[number])).sort()).to.deep.equal(
      expected.map(shape).sort(),
    );
  });
});
