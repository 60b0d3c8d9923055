import { type IncomingHttpHeaders, request } from "node:http";
import { expect } from "chai";
import {
  authorize,
  bodyV2,
  type FacilitatorLab,
  JSON_BODY,
  openFacilitatorLab,
  payerOf,
  post,
} from "../helpers/facilitator.ts";

describe("who may ask a facilitator", () => {
  let lab: FacilitatorLab;
  let body: string;
  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    await lab.payer(1);
    body = JSON.stringify(bodyV2(await authorize(payerOf(1))));
  });
  after(() => lab.stop());

  for (const endpoint of ["verify", "settle"] as const) {
    const refused =
      endpoint === "verify"
        ? { isValid: false, invalidReason: "unexpected_verify_error" }
        : { success: false, errorReason: "unexpected_settle_error", transaction: "", network: "" };

    it(`/${endpoint} accepts JSON that is declared as JSON, and nothing else`, async () => {
      const served = await lab.serve();
      const ask = (type: string) => post(`${served.url}/${endpoint}`, body, { "content-type": type });
      for (const type of [
        "text/plain",
        "text/plain; x=application/json",
        "application/x-www-form-urlencoded",
        "application/jsonx",
      ]) {
        const answer = await ask(type);
        expect(answer.status, type).to.equal(415);
        expect(answer.body).to.include(refused);
      }
      // A browser sends bytes from another site without asking first, and without a type.
      const untyped = await fetch(`${served.url}/${endpoint}`, {
        method: "POST",
        body: new Uint8Array(Buffer.from(body)),
      });
      expect(untyped.status).to.equal(415);
      expect(await untyped.json()).to.include(refused);
      for (const type of ["application/json", "Application/JSON; charset=utf-8", "application/json;profile=x"]) {
        expect((await post(`${served.url}/verify`, body, { "content-type": type })).body.isValid, type).to.equal(true);
      }
      expect(await served.transactions()).to.equal(0);
    });

    it(`/${endpoint} accepts nothing from pages of another origin, unless it is allowed`, async () => {
      const served = await lab.serve({ allowedOrigins: ["https://shop.example"] });
      const ask = (headers: Record<string, string>) => asks(`${served.url}/${endpoint}`, headers, "{}");
      for (const headers of [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      ]) {
        const answer = await ask(headers);
        expect(answer.status).to.equal(403);
        expect(answer.body).to.include(refused);
      }
      for (const headers of [
        {},
        { origin: served.url },
        { origin: "https://shop.example", "sec-fetch-site": "cross-site" },
      ]) {
        expect((await ask(headers)).status).to.equal(400);
      }
    });
  }

  describe("from pages in browsers (CORS)", () => {
    const origin = "https://shop.example";
    const open = ["/supported", "/discovery/resources", "/discovery/search?query=x", "/health", "/verify", "/settle"];
    const shut = ["/", "/version", "/payments/x/x/x/x", "/ready", "/metrics"];
    const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "content-type" };

    it("answers pages of allowed origins, and says nothing to others", async () => {
      const served = await lab.serve({ allowedOrigins: [origin] });
      for (const path of open) {
        const url = `${served.url}${path}`;
        const asked = await talk("OPTIONS", url, { origin, ...preflight });
        expect(asked.status, path).to.equal(204);
        expect(asked.headers, path).to.include({
          "access-control-allow-origin": origin,
          "access-control-allow-methods": "GET,POST",
          "access-control-allow-headers": "Content-Type,Authorization,Idempotency-Key,X-Request-Id",
        });
        const answer = await talk("GET", url, { origin });
        expect(answer.headers["access-control-allow-origin"], path).to.equal(origin);
        expect(answer.headers["access-control-expose-headers"], path).to.include("Retry-After");
        expect(answer.headers).not.to.have.property("access-control-allow-credentials");
        for (const other of [{ origin: "https://evil.example" }, { origin: "null" }, {}]) {
          const silent = await talk("GET", url, other);
          expect(silent.headers, path).not.to.have.property("access-control-allow-origin");
          expect(silent.headers.vary, path).to.equal("Origin");
          const refused = await talk("OPTIONS", url, { ...other, ...preflight });
          expect(refused.headers, path).not.to.have.property("access-control-allow-origin");
        }
      }
      for (const path of shut) {
        const answer = await talk("GET", `${served.url}${path}`, { origin });
        expect(answer.headers, path).not.to.have.property("access-control-allow-origin");
      }
    });

    it("lets an allowed page verify a payment, and read what is wrong with another", async () => {
      const served = await lab.serve({ allowedOrigins: [origin] });
      const page = { origin, "sec-fetch-site": "cross-site", "content-type": "application/json" };
      const good = await talk("POST", `${served.url}/verify`, page, body);
      expect(JSON.parse(good.text)).to.include({ isValid: true });
      const bad = await talk("POST", `${served.url}/settle`, page, "{}");
      expect(bad.status).to.equal(400);
      for (const { headers } of [good, bad]) expect(headers["access-control-allow-origin"]).to.equal(origin);
    });

    it("is off unless an origin is allowed, and open to all with a star", async () => {
      const [off, all] = [await lab.serve(), await lab.serve({ allowedOrigins: ["*"] })];
      for (const path of open) {
        expect((await talk("OPTIONS", `${off.url}${path}`, { origin, ...preflight })).status, path).to.equal(404);
        const silent = await talk("GET", `${off.url}${path}`, { origin });
        expect(silent.headers, path).not.to.have.any.keys("access-control-allow-origin", "vary");
        const answer = await talk("GET", `${all.url}${path}`, { origin });
        expect(answer.headers["access-control-allow-origin"], path).to.equal(origin);
      }
    });
  });

  it("answers no request by a name that is not its own", async () => {
    const served = await lab.serve();
    for (const path of ["/verify", "/settle", "/supported", "/health"]) {
      const answer = await asks(`${served.url}${path}`, { host: "evil.example" }, body);
      expect(answer.status, path).to.equal(421);
      expect(answer.body.error).to.include("evil.example");
    }
    expect((await asks(`${served.url}/verify`, { host: "localhost:1" }, body)).body.isValid).to.equal(true);
  });

  describe("behind a proxy", () => {
    const rateLimit = { perSecond: 0.001, burst: 1 };
    const from = (url: string, forwardedFor: string) =>
      post(`${url}/verify`, body, { "x-forwarded-for": forwardedFor }).then(({ status }) => status);

    it("counts callers separately whom a trusted proxy names", async () => {
      const { url } = await lab.serve({ rateLimit, trustedProxies: ["127.0.0.0/8"] });
      expect(await from(url, "203.0.113.1")).to.equal(200);
      expect(await from(url, "203.0.113.2")).to.equal(200);
      expect(await from(url, "203.0.113.1")).to.equal(429);
      // What a caller writes into the header changes nothing.
      expect(await from(url, "203.0.113.9, 203.0.113.2")).to.equal(429);
    });

    it("counts all addresses of an IPv6 network as one caller", async () => {
      const { url } = await lab.serve({ rateLimit, trustedProxies: ["127.0.0.1"] });
      expect(await from(url, "2001:db8::1")).to.equal(200);
      expect(await from(url, "2001:db8::2")).to.equal(429);
      expect(await from(url, "2001:db8:0:1::1")).to.equal(200);
    });

    it("believes the header from nobody else", async () => {
      const { url } = await lab.serve({ rateLimit });
      expect(await from(url, "203.0.113.1")).to.equal(200);
      expect(await from(url, "203.0.113.2")).to.equal(429);
    });
  });
});

/** One request with headers that `fetch` would not send. */
function talk(method: string, url: string, headers: Record<string, string>, body?: string) {
  type Heard = { readonly status: number | undefined; readonly headers: IncomingHttpHeaders; readonly text: string };
  return new Promise<Heard>((resolve, reject) => {
    const asked = request(url, { method, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.once("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

/** Posts JSON. */
async function asks(url: string, headers: Record<string, string>, body: string) {
  const { status, text } = await talk("POST", url, { ...JSON_BODY, ...headers }, body);
  return { status, body: JSON.parse(text) as Record<string, unknown> };
}
