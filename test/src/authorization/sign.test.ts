import { expect } from "chai";
import { Wallet } from "ethers";
import { createWalletClient, custom, type Hex } from "viem";
import { baseSepolia } from "viem/chains";
import { randomNonce, SignerMismatchError, signAuthorization } from "../../../src/authorization/sign.ts";
import { eip3009Types } from "../../../src/authorization/typedData.ts";
import { authorizationOf, domain, payee, payer, payerKey } from "../../helpers/authorizations.ts";

const authorization = authorizationOf();

function ethersSignature(): Promise<string> {
  const { chainId, token, ...message } = authorization;
  return new Wallet(payerKey).signTypedData(
    { ...domain, chainId, verifyingContract: token },
    { TransferWithAuthorization: [...eip3009Types.TransferWithAuthorization] },
    message,
  );
}

describe("signAuthorization", () => {
  it("signs with a local account as ethers does", async () => {
    const signed = await signAuthorization(payer, { authorization, domain });
    expect(signed).to.deep.equal({ ...authorization, signature: await ethersSignature() });
  });

  it("signs with a wallet client that holds a local account", async () => {
    const provider = { request: async () => "0x14a34" };
    const client = createWalletClient({ account: payer, chain: baseSepolia, transport: custom(provider) });
    const signed = await signAuthorization(client, { authorization, domain });
    expect(signed.signature).to.equal(await ethersSignature());
  });

  it("signs through a wallet's eth_signTypedData_v4 and raises its v of 0 or 1", async () => {
    const whole = await ethersSignature();
    const vOfWallet = whole.endsWith("1b") ? "00" : "01";
    const methods: string[] = [];
    const provider = {
      request: async ({ method }: { method: string }) => {
        methods.push(method);
        return `${whole.slice(0, -2)}${vOfWallet}`;
      },
    };
    const client = createWalletClient({ account: payer.address, transport: custom(provider) });
    const signed = await signAuthorization(client, { authorization, domain });
    expect(methods).to.deep.equal(["eth_signTypedData_v4"]);
    expect(signed.signature).to.equal(whole);
  });

  it("keeps the signature of a smart account as it is", async () => {
    const signature: Hex = "0x1234";
    const smartAccount = { address: payer.address, signTypedData: async () => signature };
    expect((await signAuthorization(smartAccount, { authorization, domain })).signature).to.equal(signature);
  });

  it("refuses a signer that is not the payer", async () => {
    const outcome = await signAuthorization(payer, { authorization: authorizationOf({ from: payee }), domain }).catch(
      (error: unknown) => error,
    );
    expect(outcome).to.be.instanceOf(SignerMismatchError);
    expect(outcome)
      .to.have.property("shortMessage")
      .that.equals(`The signer ${payer.address} is not the payer ${payee}.`);
  });
});

describe("randomNonce", () => {
  it("is 32 bytes, new each time", () => {
    const nonces = Array.from({ length: 100 }, randomNonce);
    for (const nonce of nonces) expect(nonce).to.match(/^0x[0-9a-f]{64}$/);
    expect(new Set(nonces).size).to.equal(100);
  });
});
