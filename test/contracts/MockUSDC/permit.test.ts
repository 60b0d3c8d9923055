import { expect } from "chai";
import { network } from "hardhat";
import { type Address, maxUint256 } from "viem";
import {
  deployUsdc,
  FAR_FUTURE,
  fundedAccount,
  type SplitSignature,
  signPermit,
  ZERO_ADDRESS,
} from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const owner = fundedAccount(10);
const spender = fundedAccount(11).address;

type Permit = { owner: Address; spender: Address; value: bigint; nonce: bigint; deadline: bigint };

async function fixture() {
  return deployUsdc(viem);
}

describe("MockUSDC: permit", () => {
  for (const overload of ["v, r, s", "bytes"] as const) {
    describe(`overload with ${overload}`, () => {
      async function setUp() {
        const deployed = await networkHelpers.loadFixture(fixture);
        const terms = (overrides: Partial<Permit> = {}): Permit => ({
          owner: owner.address,
          spender,
          value: 77n,
          nonce: 0n,
          deadline: FAR_FUTURE,
          ...overrides,
        });
        const submit = (p: Permit, { signature, v, r, s }: SplitSignature) =>
          overload === "bytes"
            ? deployed.usdc.write.permit([p.owner, p.spender, p.value, p.deadline, signature])
            : deployed.usdc.write.permit([p.owner, p.spender, p.value, p.deadline, v, r, s]);
        const sign = (p: Permit, signer = owner) =>
          signPermit(signer, { chainId: deployed.chainId, token: deployed.usdc.address }, p);
        const permit = async (p: Permit) => submit(p, await sign(p));
        return { ...deployed, terms, submit, sign, permit };
      }

      it("sets the allowance, counts the nonce and emits Approval", async () => {
        const { usdc, terms, permit } = await setUp();
        await viem.assertions.emitWithArgs(permit(terms()), usdc, "Approval", [owner.address, spender, 77n]);
        expect(await usdc.read.allowance([owner.address, spender])).to.equal(77n);
        expect(await usdc.read.nonces([owner.address])).to.equal(1n);
        await permit(terms({ nonce: 1n, value: 5n }));
        expect(await usdc.read.allowance([owner.address, spender])).to.equal(5n);
        expect(await usdc.read.nonces([owner.address])).to.equal(2n);
      });

      it("works at the deadline and reverts one second later", async () => {
        const { terms, permit } = await setUp();
        const now = BigInt(await networkHelpers.time.latest()) + 100n;
        await networkHelpers.time.setNextBlockTimestamp(now);
        await permit(terms({ deadline: now }));
        await networkHelpers.time.setNextBlockTimestamp(now + 1n);
        await viem.assertions.revertWith(permit(terms({ deadline: now, nonce: 1n })), "FiatTokenV2: permit is expired");
      });

      it("never expires with the largest deadline", async () => {
        const { usdc, terms, permit } = await setUp();
        await permit(terms({ deadline: maxUint256 }));
        expect(await usdc.read.allowance([owner.address, spender])).to.equal(77n);
      });

      it("reverts when it is replayed, and when a later nonce was signed", async () => {
        const { terms, permit } = await setUp();
        await permit(terms());
        for (const nonce of [0n, 2n]) {
          await viem.assertions.revertWith(permit(terms({ nonce })), "EIP2612: invalid signature");
        }
      });

      it("reverts when somebody else signed, and the nonce stays", async () => {
        const { usdc, terms, sign, submit } = await setUp();
        await viem.assertions.revertWith(
          submit(terms(), await sign(terms(), fundedAccount(12))),
          "EIP2612: invalid signature",
        );
        expect(await usdc.read.nonces([owner.address])).to.equal(0n);
      });

      it("reverts when the owner is the zero address, whoever signed", async () => {
        const { terms, permit } = await setUp();
        await viem.assertions.revertWith(permit(terms({ owner: ZERO_ADDRESS })), "EIP2612: invalid signature");
      });

      it("reverts when the spender is the zero address", async () => {
        const { terms, permit } = await setUp();
        await viem.assertions.revertWith(
          permit(terms({ spender: ZERO_ADDRESS })),
          "ERC20: approve to the zero address",
        );
      });

      it("works between blocklisted accounts", async () => {
        const { usdc, terms, permit, blacklist } = await setUp();
        await blacklist(owner.address);
        await blacklist(spender);
        await permit(terms());
        expect(await usdc.read.allowance([owner.address, spender])).to.equal(77n);
      });

      it("reverts when paused", async () => {
        const { terms, permit, pause } = await setUp();
        await pause();
        await viem.assertions.revertWith(permit(terms()), "Pausable: paused");
      });
    });
  }
});
