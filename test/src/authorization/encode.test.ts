import { expect } from "chai";
import { encodeTransfer } from "../../../src/authorization/encode.ts";
import { signAuthorization } from "../../../src/authorization/sign.ts";
import { authorizationOf, domain, payer } from "../../helpers/authorizations.ts";

describe("encodeTransfer", () => {
  it("chooses the overload by the signature's length", async () => {
    const authorization = await signAuthorization(payer, { authorization: authorizationOf(), domain });
    expect(encodeTransfer(authorization).slice(0, 10)).to.equal("0xe3ee160e");
    expect(encodeTransfer(authorization, "bytes").slice(0, 10)).to.equal("0xcf092995");
    expect(encodeTransfer({ ...authorization, signature: "0x1234" }).slice(0, 10)).to.equal("0xcf092995");
  });
});
