import { expect } from "chai";
import { network } from "hardhat";
import type { Hex } from "viem";
import {
  authorizationArgs,
  deployUsdc,
  fundedAccount,
  makeAuthorization,
  randomNonce,
  type SplitSignature,
  signCancel,
  signTransfer,
} from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const payer = fundedAccount(10);

async function fixture() {
  return deployUsdc(viem);
}

describe("MockUSDC: cancelAuthorization", () => {
  for (const overload of ["v, r, s", "bytes"] as const) {
    describe(`overload with ${overload}`, () => {
      async function setUp() {
        const deployed = await networkHelpers.loadFixture(fixture);
        const submit = (nonce: Hex, { signature, v, r, s }: SplitSignature) =>
          overload === "bytes"
            ? deployed.usdc.write.cancelAuthorization([payer.address, nonce, signature])
            : deployed.usdc.write.cancelAuthorization([payer.address, nonce, v, r, s]);
        const sign = (nonce: Hex, signer = payer) =>
          signCancel(signer, {
            chainId: deployed.chainId,
            token: deployed.usdc.address,
            from: payer.address,
            nonce,
          });
        const cancel = async (nonce: Hex) => submit(nonce, await sign(nonce));
        return { ...deployed, submit, sign, cancel };
      }

      it("cancels: the nonce counts as used and its authorization never settles", async () => {
        const { usdc, mint, cancel, chainId } = await setUp();
        await mint(payer.address, 10n);
        const to = fundedAccount(11).address;
        const authorization = makeAuthorization({ usdc, chainId }, { from: payer.address, to, value: 1n });
        const { signature } = await signTransfer(payer, authorization);

        await viem.assertions.emitWithArgs(cancel(authorization.nonce), usdc, "AuthorizationCanceled", [
          payer.address,
          authorization.nonce,
        ]);

        expect(await usdc.read.authorizationState([payer.address, authorization.nonce])).to.equal(true);
        await viem.assertions.revertWith(
          usdc.write.transferWithAuthorization([...authorizationArgs(authorization), signature]),
          "FiatTokenV2: authorization is used or canceled",
        );
      });

      it("reverts when it was canceled before", async () => {
        const { cancel } = await setUp();
        const nonce = randomNonce();
        await cancel(nonce);
        await viem.assertions.revertWith(cancel(nonce), "FiatTokenV2: authorization is used or canceled");
      });

      it("reverts when somebody else signed", async () => {
        const { submit, sign } = await setUp();
        const nonce = randomNonce();
        await viem.assertions.revertWith(
          submit(nonce, await sign(nonce, fundedAccount(12))),
          "FiatTokenV2: invalid signature",
        );
      });

      it("cancels for a blocklisted account", async () => {
        const { usdc, cancel, blacklist } = await setUp();
        await blacklist(payer.address);
        const nonce = randomNonce();
        await cancel(nonce);
        expect(await usdc.read.authorizationState([payer.address, nonce])).to.equal(true);
      });

      it("reverts when paused", async () => {
        const { cancel, pause } = await setUp();
        await pause();
        await viem.assertions.revertWith(cancel(randomNonce()), "Pausable: paused");
      });
    });
  }
});
