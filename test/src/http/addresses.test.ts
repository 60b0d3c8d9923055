import { expect } from "chai";
import fc from "fast-check";
import {
  AddressRangeError,
  callerAddressOf,
  createAddressSet,
  partyOf,
  readAddress,
} from "../../../src/http/addresses.ts";

const none = createAddressSet([]);
const trusted = createAddressSet(["10.0.0.0/8", "127.0.0.1", "fd00::/8"]);

describe("callerAddressOf", () => {
  const cases: readonly (readonly [what: string, peer: string | undefined, header: string | undefined, is: string])[] =
    [
      ["a peer without the header", "203.0.113.7", undefined, "203.0.113.7"],
      ["a peer that is not a proxy and claims to be one", "203.0.113.7", "198.51.100.1", "203.0.113.7"],
      ["a caller behind the proxy", "10.0.0.1", "198.51.100.1", "198.51.100.1"],
      ["a caller who wrote their own entries", "10.0.0.1", "1.1.1.1, 127.0.0.1, 198.51.100.1", "198.51.100.1"],
      ["a caller behind two proxies", "10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"],
      ["a caller behind two proxies who wrote an entry", "10.0.0.1", "1.1.1.1,198.51.100.1,10.0.0.2", "198.51.100.1"],
      ["a proxy that asks for itself", "10.0.0.1", undefined, "10.0.0.1"],
      ["a proxy with an empty header", "10.0.0.1", "", "10.0.0.1"],
      ["a chain of proxies alone", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
      ["an entry that is not an address", "10.0.0.1", "198.51.100.1, nobody", "10.0.0.1"],
      ["an entry that is not an address, behind an inner proxy", "10.0.0.1", "x, 10.0.0.2", "10.0.0.2"],
      ["an entry with a port", "10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
      ["an IPv6 entry with a port", "10.0.0.1", "[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"],
      ["an IPv4 peer on an IPv6 socket", "::ffff:203.0.113.7", undefined, "203.0.113.7"],
      ["an IPv4 proxy on an IPv6 socket", "::ffff:10.0.0.1", "::FFFF:198.51.100.1", "198.51.100.1"],
      ["an IPv6 proxy", "fd00::1", "198.51.100.1", "198.51.100.1"],
      ["an IPv6 caller", "2001:0db8::1", undefined, "2001:db8:0:0::/64"],
      ["another address of the same /64", "2001:db8::ffff:1:2:3", undefined, "2001:db8:0:0::/64"],
      ["an IPv6 address with a zone", "fe80::1%eth0", undefined, "fe80:0:0:0::/64"],
      ["this machine by IPv6", "::1", undefined, "0:0:0:0::/64"],
      ["a socket without an address", undefined, "198.51.100.1", "unknown"],
    ];
  for (const [what, peer, header, is] of cases) {
    it(`reads ${what} as ${is}`, () => expect(callerAddressOf(peer, header, trusted)).to.equal(is));
  }

  it("believes no header if no proxy is trusted", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.string(), (peer, header) => {
        expect(callerAddressOf(peer, header, none)).to.equal(peer);
      }),
    );
  });

  it("finds the same caller whatever they write before the proxy's entry", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), fc.ipV6(), (written, caller) => {
        const outside = `2001:db8:5:6:${caller.split(":").length}::1`;
        expect(callerAddressOf("10.0.0.1", `${written}, ${outside}`, trusted)).to.equal("2001:db8:5:6::/64");
      }),
    );
  });

  it("looks at 16 hops at most", () => {
    const hops = Array.from({ length: 4_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    expect(callerAddressOf("10.0.0.1", hops.join(","), trusted)).to.equal(hops.at(-16));
  });
});

describe("readAddress", () => {
  it("writes every notation of an IPv6 address in the same way", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const read = readAddress(address)!;
        expect(readAddress(read)).to.equal(read);
        expect(readAddress(address.toUpperCase())).to.equal(read);
        expect(partyOf(read)).to.satisfy((party: string) => party === read || party.endsWith("::/64"));
      }),
    );
  });

  it("reads nothing else", () => {
    for (const text of ["", "unknown", "1.2.3", "1.2.3.4.5", "localhost", "1.2.3.4/8", "_x", "[::1", "::1]:80"]) {
      expect(readAddress(text), text).to.equal(undefined);
    }
  });
});

describe("createAddressSet", () => {
  it("refuses what is neither an address nor a network, and every address at once", () => {
    for (const range of ["", "proxy", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1"]) {
      expect(() => createAddressSet([range]), range).to.throw(AddressRangeError, "neither an IP address nor a network");
    }
    for (const range of ["0.0.0.0/0", "::/0"]) {
      expect(() => createAddressSet([range]), range).to.throw(AddressRangeError, "is every address");
    }
  });
});
