import { expect } from "chai";
import { getAddress } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/authorization/sign.ts";
import { type FacilitatorOptions, parseMerchantKeys } from "../../src/facilitator/index.ts";
import { networks } from "../../src/networks.ts";
import {
  type Answer,
  authorize,
  bodyV1,
  bodyV2,
  type FacilitatorLab,
  openFacilitatorLab,
  PAYEE,
  post,
} from "../helpers/facilitator.ts";

const { usdc, caip2, v1Name } = networks.baseSepolia;
const DOMAIN = { name: usdc.name, version: usdc.version };
const HOLDER = getAddress("0x0000000000000000000000000000000000abcdef");
const authority = privateKeyToAccount(`0x${"a5".repeat(32)}`);

type Requirement = Readonly<Record<string, unknown>>;

describe("POST /accepts", () => {
  let lab: FacilitatorLab;
  let buyer: PrivateKeyAccount;
  let url: string;
  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    buyer = await lab.payer(71_001);
    ({ url } = await lab.serve());
  });
  after(() => lab.stop());

  const accepts = (body: unknown, at = url, headers = {}): Promise<Answer> => post(`${at}/accepts`, body, headers);
  const acceptedOf = ({ body }: Answer) => body.accepts as readonly Requirement[];
  const serve = async (change: Partial<FacilitatorOptions>) => (await lab.serve(change)).url;
  /** A server's request with any changes; undefined leaves a part out. */
  const asked = (change: object = {}): Requirement => {
    const asset = usdc.address.toLowerCase();
    return { scheme: "exact", network: caip2, amount: "1000", asset, payTo: PAYEE, ...change };
  };

  describe("of requirements (Faremeter, uvd-x402-sdk)", () => {
    it("gives them back with the token's domain and a timeout, and everything else as it came", async () => {
      const resource = { url: "https://shop.example/weather", description: "weather" };
      const given = asked({ maxTimeoutSeconds: 0, extra: { note: "mine", name: "Fake" }, later: { more: [1] } });
      const answer = await accepts({ x402Version: 2, resource, accepts: [given] });
      expect(answer.status).to.equal(200);
      expect(answer.body).to.deep.equal({
        x402Version: 2,
        resource,
        accepts: [{ ...given, maxTimeoutSeconds: 300, extra: { note: "mine", ...DOMAIN } }],
      });
    });

    it("fills in the asset if none is named, and keeps a timeout that is accepted here", async () => {
      for (const asset of [undefined, ""]) {
        const answer = await accepts({ x402Version: 2, accepts: [asked({ asset, maxTimeoutSeconds: 60 })] });
        expect(acceptedOf(answer)[0]).to.include({ asset: usdc.address, maxTimeoutSeconds: 60 });
      }
      const long = await accepts({ x402Version: 2, accepts: [asked({ maxTimeoutSeconds: 1_000_000 })] });
      expect(acceptedOf(long)[0]).to.include({ maxTimeoutSeconds: 86_400 });
    });

    it("names network and amount as the version does, however they came", async () => {
      const old = { amount: undefined, maxAmountRequired: "1000", network: v1Name };
      const [two] = acceptedOf(await accepts({ x402Version: 2, accepts: [asked(old)] }));
      expect(two).to.include({ network: caip2, amount: "1000", maxAmountRequired: "1000" });
      const [one] = acceptedOf(await accepts({ x402Version: 1, accepts: [asked()] }));
      expect(one).to.include({ network: v1Name, maxAmountRequired: "1000", description: "", mimeType: "" });
    });

    it("gives back what a buyer can pay and this facilitator settles, in both versions", async () => {
      for (const version of [1, 2] as const) {
        const given = asked({ resource: "https://shop.example/weather" });
        const [required = {}] = acceptedOf(await accepts({ x402Version: version, accepts: [given] }));
        const now = BigInt(Math.floor(Date.now() / 1000));
        const signed = await signAuthorization(buyer, {
          authorization: {
            ...(await authorize(buyer)),
            value: BigInt(String(required.amount ?? required.maxAmountRequired)),
            validBefore: now + BigInt(Number(required.maxTimeoutSeconds)),
          },
          domain: required.extra as typeof DOMAIN,
        });
        const body = (version === 1 ? bodyV1 : bodyV2)(signed, required, version === 1 ? {} : required);
        expect((await post(`${url}/verify`, body)).body).to.deep.equal({ isValid: true, payer: buyer.address });
        expect((await post(`${url}/settle`, body)).body.success).to.equal(true);
      }
    });

    it("leaves out what would not be settled here, and says why", async () => {
      const at = await serve({ policy: { assets: [{ address: usdc.address, minimum: 10n }] } });
      const solana = { network: "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", payTo: "7xKX", asset: "EPjF" };
      const answer = await accepts(
        {
          x402Version: 2,
          accepts: [
            asked(solana),
            asked({ scheme: "upto" }),
            asked({ asset: HOLDER }),
            asked({ amount: "9" }),
            asked({ amount: "0" }),
            asked({ payTo: `0x${"0".repeat(40)}` }),
            asked({ extra: { assetTransferMethod: "permit2" } }),
            asked(),
          ],
        },
        at,
      );
      expect(answer.status).to.equal(200);
      expect(acceptedOf(answer)).to.have.length(1);
      const [lead, ...reasons] = String(answer.body.error).split(/(?=accepts\.[0-9])/);
      expect(lead).to.equal("left out: ");
      expect(reasons.map((reason) => reason.replace("; ", ""))).to.deep.equal([
        "accepts.0: this network is not served here",
        "accepts.1: this scheme is not served here in x402 version 2",
        `accepts.2: the asset ${HOLDER} is not settled here`,
        "accepts.3: the payment of 9 is below the minimum of 10",
        "accepts.4: a payment of 0 moves nothing",
        "accepts.5: the payee is the zero address, which no token pays",
        "accepts.6: only EIP-3009 authorizations are settled here",
      ]);
    });

    it("names what it cannot read", async () => {
      for (const [body, error] of [
        ["[", "it is not JSON"],
        [{}, "x402Version: is missing or malformed"],
        [{ x402Version: 3, accepts: [asked()] }, "x402Version: is missing or malformed"],
        [{ x402Version: 2 }, "accepts: is missing or malformed"],
        [{ x402Version: 2, accepts: [] }, "accepts: is missing or malformed"],
        [{ x402Version: 2, accepts: new Array(65).fill(asked()) }, "accepts: is missing or malformed"],
        [{ x402Version: 2, accepts: [{}] }, "accepts.0.scheme: is missing or malformed"],
        [{ x402Version: 2, accepts: [asked(), asked({ payTo: "0x1" })] }, "accepts.1.payTo: is missing or malformed"],
        [{ x402Version: 2, accepts: [asked({ amount: undefined })] }, "accepts.0.amount: is missing or malformed"],
        [{ x402Version: 2, accepts: [asked({ amount: 1000 })] }, "accepts.0.amount: is missing or malformed"],
        [{ x402Version: 2, accepts: [asked({ amount: "-1" })] }, "accepts.0.amount: is missing or malformed"],
        [
          { x402Version: 2, accepts: [asked({ maxAmountRequired: "1001" })] },
          "accepts.0.amount: is 1000, and maxAmountRequired 1001",
        ],
        [
          { x402Version: 2, accepts: [asked({ maxTimeoutSeconds: 1.5 })] },
          "accepts.0.maxTimeoutSeconds: is missing or malformed",
        ],
      ] as const) {
        const answer = await accepts(body);
        expect(answer.status, error).to.equal(400);
        expect(answer.body).to.deep.equal({ error });
      }
    });
  });

  describe("of channels", () => {
    const channel = (extra?: object, payTo: string = PAYEE) => ({
      x402Version: 2,
      accepts: [asked({ scheme: "batch-settlement", payTo, extra })],
    });

    it("fills in the facilitator's own key for a merchant's receiver, and the shortest delay", async () => {
      const merchants = parseMerchantKeys(`shop=${"k".repeat(32)}`).map((one) => ({ ...one, receivers: [PAYEE] }));
      const at = await serve({ channels: { authority }, merchants });
      const [required] = acceptedOf(await accepts(channel(), at));
      expect(required?.extra).to.deep.equal({ ...DOMAIN, receiverAuthorizer: authority.address, withdrawDelay: 900 });
      const extra = { receiverAuthorizer: HOLDER.toLowerCase(), withdrawDelay: 86_400 };
      const [other] = acceptedOf(await accepts(channel(extra, HOLDER), at));
      expect(other?.extra).to.deep.equal({ ...DOMAIN, receiverAuthorizer: HOLDER, withdrawDelay: 86_400 });
      const strange = await accepts(channel({ receiverAuthorizer: authority.address }, HOLDER), at);
      expect(strange.body).to.deep.include({ accepts: [] });
      expect(strange.body.error).to.include("this key signs for the receivers of merchants only");
    });

    it("leaves out one whose claims would not be signed, and one with a delay that no channel has", async () => {
      for (const [extra, why] of [
        [undefined, "name the key that signs the claims of this payee's channels"],
        [{ receiverAuthorizer: `0x${"0".repeat(40)}` }, "name the key that signs the claims"],
        [{ receiverAuthorizer: HOLDER, withdrawDelay: 899 }, "is not a whole number of seconds from 900 to 2592000"],
      ] as const) {
        const answer = await accepts(channel(extra));
        expect(answer.body.accepts).to.deep.equal([]);
        expect(answer.body.error).to.include(why);
      }
    });
  });

  describe("of a price (thirdweb)", () => {
    const route = (change: object = {}) => ({
      resourceUrl: "https://shop.example/weather",
      method: "GET",
      network: caip2,
      price: "$0.001",
      routeConfig: { description: "weather", mimeType: "application/json" },
      serverWalletAddress: HOLDER,
      recipientAddress: PAYEE,
      x402Version: 2,
      ...change,
    });

    it("answers 402 with a requirement that both of its clients can read", async () => {
      const answer = await accepts(route({ extraMetadata: { order: 7 } }));
      expect(answer.status).to.equal(402);
      expect(answer.body).to.deep.equal({
        x402Version: 2,
        error: "Payment required",
        accepts: [
          {
            scheme: "exact",
            network: caip2,
            amount: "1000",
            maxAmountRequired: "1000",
            asset: usdc.address,
            payTo: PAYEE,
            resource: "https://shop.example/weather",
            description: "weather",
            mimeType: "application/json",
            maxTimeoutSeconds: 300,
            extra: { order: 7, primaryType: "TransferWithAuthorization", ...DOMAIN },
          },
        ],
      });
    });

    it("takes dollars as text and as a number, and units of a token, and pays the server's wallet by default", async () => {
      for (const price of ["0.001", 0.001, { amount: "1000", asset: { address: usdc.address.toLowerCase() } }]) {
        const [required] = acceptedOf(await accepts(route({ price, recipientAddress: undefined })));
        expect(required).to.include({ amount: "1000", payTo: HOLDER, asset: usdc.address });
      }
    });

    it("says what is wrong with one", async () => {
      for (const [change, error] of [
        [{ price: "$0.0000001" }, 'price: The amount "0.0000001" has 7 decimals; the token has 6.'],
        [{ price: 1e-7 }, "price: is missing or malformed"],
        [{ price: "cheap" }, "price: is missing or malformed"],
        [{ scheme: "upto" }, "this scheme is not served here in x402 version 2"],
        [{ network: "eip155:1" }, "this network is not served here"],
        [{ price: "0" }, "a payment of 0 moves nothing"],
        [{ recipientAddress: undefined, serverWalletAddress: undefined }, "recipientAddress: is missing or malformed"],
      ] as const) {
        const answer = await accepts(route(change));
        expect(answer.status, error).to.equal(400);
        expect(answer.body.error).to.equal(error);
      }
    });
  });

  describe("is admitted like everything else", () => {
    const good = { x402Version: 2, accepts: [asked()] };

    it("refuses what is too large or too deep, not JSON, from a strange page, too often, or from strangers", async () => {
      const limited = await serve({ rateLimit: { perSecond: 0.001, burst: 1 } });
      const closed = await serve({ merchantsOnly: true, merchants: parseMerchantKeys(`shop=${"k".repeat(32)}`) });
      const deep = JSON.stringify(good).replace('"1000"', `${"[".repeat(70)}${"]".repeat(70)}`);
      expect((await accepts({ ...good, pad: "x".repeat(1_100_000) })).status).to.equal(413);
      expect((await accepts(deep)).body).to.deep.equal({ error: "it is nested deeper than 64 levels" });
      expect((await accepts(good, url, { "content-type": "text/plain" })).status).to.equal(415);
      expect((await accepts(good, url, { "sec-fetch-site": "cross-site" })).status).to.equal(403);
      expect((await accepts(good, limited)).status).to.equal(200);
      const often = await accepts(good, limited);
      expect([often.status, often.headers.has("retry-after")]).to.deep.equal([429, true]);
      expect((await accepts(good, closed)).status).to.equal(401);
      const known = await accepts(good, closed, { authorization: `Bearer ${"k".repeat(32)}` });
      expect(known.status).to.equal(200);
      for (const { body } of [often]) expect(body).to.have.all.keys("error");
    });

    it("changes nothing: nothing is stored, counted or sent", async () => {
      const served = await lab.serve();
      expect((await accepts(good, served.url)).status).to.equal(200);
      expect(await served.journal.count()).to.deep.equal({});
      expect(await served.transactions()).to.equal(0);
      expect(await served.journal.resources()).to.deep.equal([]);
    });
  });
});
