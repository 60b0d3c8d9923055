import { expect } from "chai";
import { createHostCheck, isForeign } from "../../../src/http/names.ts";

describe("createHostCheck", () => {
  const taken = (listensOn: string, allowed: readonly string[], hosts: readonly (string | undefined)[]) =>
    hosts.filter((host) => createHostCheck(listensOn, allowed)(host) === undefined);
  const OWN = [
    "localhost",
    "LOCALHOST:4022",
    "localhost.",
    "127.0.0.1",
    "127.9.9.9:80",
    "[::1]",
    "[::1]:4022",
    undefined,
  ];
  const STRANGE = ["evil.example", "evil.example:4022", "localhost.evil.example", "127.0.0.1.evil.example"];
  const MALFORMED = ["", "evil.example/localhost", "x@localhost", "local host", "[::1", "localhost:port", "a,b"];
  const NEAR = ["10.1.2.3:4022", "203.0.113.7", "[2001:db8::1]:4022", "facilitator:4022", "pay.local", "a.b.internal"];

  for (const listensOn of ["127.0.0.1", "localhost", "::1"]) {
    it(`takes only this machine's names on ${listensOn}`, () => {
      expect(taken(listensOn, [], [...OWN, ...STRANGE, ...MALFORMED, ...NEAR])).to.deep.equal(OWN);
    });
  }

  for (const listensOn of ["0.0.0.0", "::", "203.0.113.9"]) {
    it(`takes addresses and names that no stranger can own on ${listensOn}, too`, () => {
      expect(taken(listensOn, [], [...OWN, ...NEAR, ...STRANGE, ...MALFORMED])).to.deep.equal([...OWN, ...NEAR]);
    });
  }

  it("takes the name that it listens on, and those that are allowed, in any spelling", () => {
    expect(taken("pay.example", [], ["pay.example:80", "PAY.example", "x.pay.example"])).to.have.length(2);
    const hosts = ["pay.example", "Pay.Example.:443", "other.example", "x.pay.example", "10.1.2.3", "[fd00::0:1]"];
    expect(taken("127.0.0.1", ["PAY.example", "[fd00::1]"], hosts)).to.deep.equal([hosts[0], hosts[1], hosts[5]]);
  });

  it("takes everything if all is allowed", () => {
    expect(taken("127.0.0.1", ["*"], [...STRANGE, ...NEAR])).to.have.length(STRANGE.length + NEAR.length);
  });

  it("names the host and the setting", () => {
    const problem = createHostCheck("127.0.0.1")("evil.example:80");
    expect(problem).to.include('"evil.example"').and.to.include("allowedHosts");
  });
});

describe("isForeign", () => {
  const host = "localhost:4022";
  const cases: readonly (readonly [what: string, headers: { origin?: string; site?: string }, is: boolean])[] = [
    ["a program", {}, false],
    ["a page of another site", { origin: "https://evil.example", site: "cross-site" }, true],
    ["a page of another site, in an old browser", { origin: "https://evil.example" }, true],
    ["a page of another site, without its origin", { site: "cross-site" }, true],
    ["a page in a sandbox", { origin: "null" }, true],
    ["a page on another port of this machine", { origin: "http://localhost:3000", site: "same-site" }, true],
    ["its own page", { origin: "http://localhost:4022" }, false],
    ["its own page, behind a proxy", { origin: "https://pay.example", site: "same-origin" }, false],
    ["an address that somebody typed", { site: "none" }, false],
    ["an allowed origin", { origin: "https://shop.example", site: "cross-site" }, false],
    ["an allowed name by another scheme", { origin: "http://shop.example", site: "cross-site" }, true],
  ];
  for (const [what, { origin, site }, is] of cases) {
    it(`${is ? "finds" : "does not find"} ${what} foreign`, () => {
      expect(isForeign({ origin, site, host }, ["https://shop.example"])).to.equal(is);
    });
  }

  it("finds nobody foreign if every origin is allowed", () => {
    expect(isForeign({ origin: "https://evil.example", site: "cross-site", host }, ["*"])).to.equal(false);
  });
});
