import { expect } from "chai";
import fc from "fast-check";
import { maxUint256 } from "viem";
import { AuthorizationInputError } from "../../../src/authorization/inputError.ts";
import { parseAuthorization } from "../../../src/authorization/parse.ts";
import { networks } from "../../../src/networks.ts";
import { expectedOf, payee, payer, vectors } from "../../helpers/authorizations.ts";
import { character } from "../../helpers/randomness.ts";

const vectorOf = (format: string, source = "") => {
  const vector = vectors.find((one) => one.format === format && one.source.includes(source));
  if (vector === undefined) throw new Error(`no vector of ${format}`);
  return vector;
};
const bare = vectorOf("authorization", "ethers 6.17.0").record;
const split = vectorOf("authorization", "split").record;
const v1 = vectorOf("x402-v1").record;
const v2 = vectorOf("x402-v2").record;

/** A copy of `record` in which the field at `path` is `value`, or is gone if that is undefined. */
function change(record: object, path: string, value: unknown): Record<string, unknown> {
  const copy = structuredClone(record) as Record<string, unknown>;
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let place = copy;
  for (const key of keys) place = place[key] as Record<string, unknown>;
  if (value === undefined) delete place[last];
  else place[last] = value;
  return copy;
}

function errorOf(input: unknown, context?: Parameters<typeof parseAuthorization>[1]): AuthorizationInputError {
  try {
    parseAuthorization(input, context);
  } catch (error) {
    expect(error).to.be.instanceOf(AuthorizationInputError);
    return error as AuthorizationInputError;
  }
  throw new Error("nothing was thrown");
}

describe("parseAuthorization", () => {
  for (const [index, vector] of vectors.entries()) {
    it(`reads vector ${index} (${vector.source}, ${vector.chainId}) as object, JSON, header and JSON string`, () => {
      const forms = [vector.record, JSON.stringify(vector.record), vector.header, JSON.stringify(vector.header)];
      for (const form of forms) {
        const parsed = parseAuthorization(form);
        expect(parsed.authorization).to.deep.equal(expectedOf(vector));
        expect(parsed.format).to.equal(vector.format);
        expect(parsed.network.chainId).to.equal(vector.chainId);
        expect(parsed.domain).to.deep.equal(vector.format === "x402-v2" ? vector.domain : undefined);
      }
    });
  }

  it("reads a header without padding, in the URL alphabet, between white space", () => {
    const record = JSON.stringify({ ...v1, note: "???>>>~~~ÿÿ" });
    const unpadded = Buffer.from(record).toString("base64url");
    expect(parseAuthorization(` ${unpadded}\r\n`)).to.deep.equal(parseAuthorization(v1));
  });

  it("takes safe integers, bigints and addresses of one case", () => {
    const parsed = parseAuthorization({
      ...bare,
      value: 5,
      validAfter: 6n,
      validBefore: "0007",
      from: payer.address.toLowerCase(),
      to: `0x${payee.slice(2).toUpperCase()}`,
      nonce: `0x${"AB".repeat(32)}`,
    });
    expect(parsed.authorization).to.include({
      value: 5n,
      validAfter: 6n,
      validBefore: 7n,
      from: payer.address,
      to: payee,
      nonce: `0x${"ab".repeat(32)}`,
    });
  });

  it("takes every name of a network, and asset for token", () => {
    const { network: _, token, ...rest } = bare as { network: string; token: string };
    for (const named of [
      { network: "base-sepolia" },
      { network: "eip155:84532" },
      { network: "baseSepolia" },
      { chainId: 84532 },
      { chainId: "84532" },
      { chainId: 84532, network: "base-sepolia" },
    ]) {
      expect(parseAuthorization({ ...rest, ...named, asset: token })).to.deep.equal(parseAuthorization(bare));
    }
  });

  it("takes network and token of a bare record from the context", () => {
    const { network: _, token: __, ...rest } = bare as { network: string; token: string };
    const token = `0x${payee.slice(2).toLowerCase()}` as const;
    const parsed = parseAuthorization(rest, { network: networks.base, token });
    expect(parsed.authorization).to.include({ chainId: 8453, token: payee });
  });

  it("takes the token of a v1 payload from the context, else the network's USDC; a record that names one keeps it", () => {
    expect(parseAuthorization(v1, { token: payee }).authorization.token).to.equal(payee);
    expect(parseAuthorization(v1).authorization.token).to.equal(networks.baseSepolia.usdc.address);
    expect(parseAuthorization(v2, { token: payee }).authorization.token).to.equal(networks.baseSepolia.usdc.address);
    expect(parseAuthorization(bare, { token: payee }).authorization.token).to.equal(networks.baseSepolia.usdc.address);
  });

  it("takes a network that is not in the table from the context", () => {
    const network = { ...networks.baseSepolia, chainId: 31337, caip2: "eip155:31337", v1Name: undefined } as const;
    const parsed = parseAuthorization(change(bare, "network", "eip155:31337"), { network });
    expect(parsed.authorization.chainId).to.equal(31337);
    expect(parsed.network).to.equal(network);
  });

  it("takes v of 0, 1, 27 and 28 with r and s, in decimal and hexadecimal", () => {
    const { signature } = parseAuthorization(split).authorization;
    for (const [v, byte] of [
      [27, "1b"],
      ["28", "1c"],
      ["0x1b", "1b"],
      [0, "00"],
      ["0x01", "01"],
    ] as const) {
      expect(parseAuthorization({ ...split, v }).authorization.signature).to.equal(`${signature.slice(0, -2)}${byte}`);
    }
  });

  it("prefers the whole signature, ignores unknown fields and what is inherited", () => {
    const whole = parseAuthorization({ ...split, signature: "0x12", extra: { deep: [1] }, settled: true });
    expect(whole.authorization.signature).to.equal("0x12");
    const bareOwner: object = Object.assign(Object.create(null), bare);
    expect(parseAuthorization(bareOwner)).to.deep.equal(parseAuthorization(bare));
    const tricked = JSON.parse(
      `{"__proto__":{"value":"1"},${JSON.stringify(change(bare, "value", undefined)).slice(1)}`,
    );
    expect(errorOf(tricked)).to.include({ field: "value", problem: "is missing." });
    expect(errorOf(Object.create(bare))).to.include({ field: "from" });
  });

  it("takes a v2 payload without extra, and with half of one, without a domain", () => {
    for (const extra of [undefined, null, {}, { name: "USDC" }, { version: "2" }]) {
      expect(parseAuthorization(change(v2, "accepted.extra", extra))).to.not.have.property("domain");
    }
  });

  it("takes 8192 bytes of signature and not one more", () => {
    const longest = `0x${"ab".repeat(8192)}`;
    expect(parseAuthorization({ ...bare, signature: longest }).authorization.signature).to.equal(longest);
    expect(errorOf({ ...bare, signature: `${longest}ab` })).to.include({
      field: "signature",
      problem: "has 8193 bytes, more than the 8192 that can be settled.",
    });
  });

  const wrongChecksum = payee.replace("C", "c");
  const v1Authorization = "payload.authorization";
  const refused: [string, unknown, string, string][] = [
    ["no JSON", "{", "record", "is not valid JSON."],
    ["no base64", "hello, world", "record", "is neither JSON nor base64."],
    ["base64 of no JSON", "aGVsbG8=", "record", "is base64, but not of valid JSON."],
    ["base64 of no text", "/////w==", "record", "is base64, but not of UTF-8 text."],
    [
      "base64 of base64",
      Buffer.from(vectorOf("x402-v1").header).toString("base64"),
      "record",
      "is base64, but not of valid JSON.",
    ],
    ["an unclosed string", '"abc', "record", "is not valid JSON."],
    ["nothing", "", "record", "is empty."],
    ["white space", " \t", "record", "is empty."],
    ["an array", [bare], "record", "is not a JSON object."],
    ["an array as JSON", JSON.stringify([bare]), "record", "is not a JSON object."],
    ["null", null, "record", "is not a JSON object."],
    ["undefined", undefined, "record", "is not a JSON object."],
    ["a number", 7, "record", "is not a JSON object."],
    ["a huge string", "x".repeat(2 ** 20 + 1), "record", "has 1048577 characters, more than the 1048576 allowed."],
    ["an empty object", {}, "from", "is missing."],
    ["no payer", change(bare, "from", undefined), "from", "is missing."],
    ["a short address", change(bare, "to", "0x12"), "to", '"0x12" is not an address.'],
    ["a huge address", change(bare, "to", "a".repeat(1e6)), "to", `"${"a".repeat(60)}…" is not an address.`],
    ["a wrong checksum", change(bare, "to", wrongChecksum), "to", `${wrongChecksum} has a wrong checksum (EIP-55).`],
    ["a number as address", change(bare, "to", 5), "to", "is of type number where an address is expected."],
    ["an array as address", change(bare, "to", [payee]), "to", "is an array where an address is expected."],
    ["a negative value", change(bare, "value", "-1"), "value", 'The number "-1" is negative.'],
    ["a fraction", change(bare, "value", 0.5), "value", 'The number "0.5" is a fraction.'],
    ["a fraction as text", change(bare, "value", "0.001"), "value", 'The number "0.001" is a fraction.'],
    ["a hexadecimal value", change(bare, "value", "0x10"), "value", 'The number "0x10" is hexadecimal.'],
    ["a value of 2^256", change(bare, "value", String(maxUint256 + 1n)), "value", "The number is above 2^256 − 1."],
    [
      "an inexact value",
      change(bare, "value", 2 ** 60),
      "value",
      "The number is above 2^53 − 1, where a JSON number loses digits.",
    ],
    ["a null value", change(bare, "value", null), "value", "Expected a whole number, got null."],
    ["no validity", change(bare, "validBefore", undefined), "validBefore", "is missing."],
    [
      "31 bytes of nonce",
      change(bare, "nonce", `0x${"00".repeat(31)}`),
      "nonce",
      "has 31 bytes where 32 are expected.",
    ],
    [
      "33 bytes of nonce",
      change(bare, "nonce", `0x${"00".repeat(33)}`),
      "nonce",
      "has 33 bytes where 32 are expected.",
    ],
    ["a decimal nonce", change(bare, "nonce", "12345"), "nonce", "is not hexadecimal."],
    [
      "a number as nonce",
      change(bare, "nonce", 1),
      "nonce",
      "is of type number where 32 bytes in hexadecimal are expected.",
    ],
    ["no signature", change(bare, "signature", undefined), "signature", "is missing."],
    ["a signature of half bytes", change(bare, "signature", "0x123"), "signature", "is not hexadecimal."],
    ["a signature in base64", change(bare, "signature", "q83v"), "signature", "is not hexadecimal."],
    ["no r", change(split, "r", undefined), "r", "is missing."],
    ["no v", change(split, "v", undefined), "v", "is missing."],
    ["a v of 29", change(split, "v", 29), "v", "is not 0, 1, 27 or 28."],
    ["no token", change(bare, "token", undefined), "token", "is missing."],
    [
      "two tokens",
      { ...bare, asset: payee },
      "asset",
      `is ${payee}, but token is ${networks.baseSepolia.usdc.address}.`,
    ],
    ["no network", change(bare, "network", undefined), "network", "is missing."],
    ["an unknown network", change(bare, "network", "solana"), "network", '"solana" is not a known network.'],
    ["an unknown chain id", change(split, "chainId", 31337), "chainId", '"31337" is not a known network.'],
    ["network and chain id apart", { ...bare, chainId: 8453 }, "chainId", "is 8453, but network is eip155:84532."],
    ["a number as network", change(bare, "network", 84532), "network", "is of type number where text is expected."],
    [
      "a huge network",
      change(bare, "network", "n".repeat(2000)),
      "network",
      "has 2000 characters, more than the 1024 allowed.",
    ],
    ["x402 version 3", { ...v1, x402Version: 3 }, "x402Version", "is neither 1 nor 2."],
    ["x402 version as text", { ...v1, x402Version: "1" }, "x402Version", "is neither 1 nor 2."],
    ["a payload without version", change(v1, "x402Version", undefined), "x402Version", "is missing."],
    ["v1: another scheme", change(v1, "scheme", "upto"), "scheme", '"upto" is not supported.'],
    ["v1: no scheme", change(v1, "scheme", undefined), "scheme", "is missing."],
    ["v1: no network", change(v1, "network", undefined), "network", "is missing."],
    [
      "v1: an unknown network",
      change(v1, "network", "solana-devnet"),
      "network",
      '"solana-devnet" is not a known network.',
    ],
    ["v1: no payload", change(v1, "payload", undefined), "payload", "is missing."],
    ["v1: text as payload", change(v1, "payload", "0x"), "payload", "is not an object."],
    ["v1: an array as payload", change(v1, "payload", []), "payload", "is not an object."],
    ["v1: no authorization", change(v1, v1Authorization, undefined), v1Authorization, "is missing."],
    ["v1: no value", change(v1, `${v1Authorization}.value`, undefined), `${v1Authorization}.value`, "is missing."],
    [
      "v1: negative value",
      change(v1, `${v1Authorization}.value`, "-5"),
      `${v1Authorization}.value`,
      'The number "-5" is negative.',
    ],
    ["v1: no signature", change(v1, "payload.signature", undefined), "payload.signature", "is missing."],
    ["v2: no accepted", change(v2, "accepted", undefined), "accepted", "is missing."],
    [
      "v2: another scheme",
      change(v2, "accepted.scheme", "batch-settlement"),
      "accepted.scheme",
      '"batch-settlement" is not supported.',
    ],
    ["v2: no asset", change(v2, "accepted.asset", undefined), "accepted.asset", "is missing."],
    [
      "v2: an unknown network",
      change(v2, "accepted.network", "eip155:5"),
      "accepted.network",
      '"eip155:5" is not a known network.',
    ],
    [
      "v2: another payee",
      change(v2, "accepted.payTo", payer.address),
      "payload.authorization.to",
      `is ${payee}, but accepted.payTo is ${payer.address}.`,
    ],
    [
      "v2: another amount",
      change(v2, "accepted.amount", "1"),
      "payload.authorization.value",
      "is 250000, but accepted.amount is 1.",
    ],
    ["v2: an empty version", change(v2, "accepted.extra.version", ""), "accepted.extra.version", "is empty."],
    [
      "v2: a name that is not text",
      change(v2, "accepted.extra.name", 5),
      "accepted.extra.name",
      "is of type number where text is expected.",
    ],
    ["v2: extra that is not an object", change(v2, "accepted.extra", "USDC"), "accepted.extra", "is not an object."],
    [
      "v2: Permit2 by method",
      change(v2, "accepted.extra.assetTransferMethod", "permit2"),
      "accepted.extra.assetTransferMethod",
      'is "permit2", not "eip3009".',
    ],
    [
      "v2: Permit2 by payload",
      change(v2, "payload", { signature: "0x", permit2Authorization: {} }),
      "payload.permit2Authorization",
      "is a Permit2 payment.",
    ],
  ];
  for (const [what, input, field, problem] of refused) {
    it(`refuses ${what}`, () => {
      const error = errorOf(input);
      expect(error.field).to.equal(field);
      expect(error.problem).to.equal(problem);
      expect(error.shortMessage).to.equal(`${field}: ${problem}`);
      expect(error.message.length).to.be.below(1000);
    });
  }

  it("says that only EIP-3009 is supported if it is something else", () => {
    for (const input of [
      change(v2, "accepted.extra.assetTransferMethod", "permit2"),
      change(v2, "payload", { permit2Authorization: {} }),
      change(v1, "scheme", "upto"),
    ]) {
      expect(errorOf(input).hint).to.match(/^Only EIP-3009 payments/);
    }
  });

  it("refuses a record of another chain than the one in use", () => {
    for (const [record, field] of [
      [bare, "network"],
      [split, "chainId"],
      [v1, "network"],
      [v2, "accepted.network"],
    ] as const) {
      expect(errorOf(record, { network: networks.base })).to.include({
        field,
        problem: "is Base Sepolia (eip155:84532), not Base (eip155:8453).",
      });
    }
  });

  it("never shows a signature, and survives objects that throw", () => {
    const secret = "deadbeef".repeat(8);
    for (const input of [
      `{"signature":"0x${secret}`,
      { ...bare, signature: `0x${secret}zz` },
      { ...split, r: `0x${secret}00` },
      { ...bare, signature: secret },
    ]) {
      expect(errorOf(input).message).to.not.include("deadbeef");
    }
    const throwing = {
      get x402Version(): number {
        throw new RangeError("gotcha");
      },
    };
    expect(errorOf(throwing)).to.include({ field: "record", problem: "cannot be read." });
    expect(
      errorOf(new Proxy({}, { getOwnPropertyDescriptor: () => ({ value: 1 }) as PropertyDescriptor })),
    ).to.have.property("field", "record");
    expect(errorOf(`${"[".repeat(200_000)}`)).to.include({ field: "record" });
  });

  it("answers any mutation of a good record with an authorization or an AuthorizationInputError", () => {
    const paths = (record: object, prefix = ""): string[] =>
      Object.entries(record).flatMap(([key, value]) => [
        `${prefix}${key}`,
        ...(typeof value === "object" && value !== null ? paths(value, `${prefix}${key}.`) : []),
      ]);
    const mutation = fc
      .constantFrom(bare, split, v1, v2)
      .chain((record) =>
        fc.tuple(
          fc.constant(record),
          fc.constantFrom(...paths(record)),
          fc.anything({ withBigInt: true, withNullPrototype: true }),
        ),
      );
    fc.assert(
      fc.property(mutation, ([record, path, value]) => {
        const copy = structuredClone(record) as Record<string, unknown>;
        let place = copy;
        const keys = path.split(".");
        for (const key of keys.slice(0, -1)) place = place[key] as Record<string, unknown>;
        place[keys.at(-1) ?? ""] = value;
        try {
          expect(parseAuthorization(copy).authorization.signature).to.match(/^0x/);
        } catch (error) {
          expect(error).to.be.instanceOf(AuthorizationInputError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("answers any change of characters in a good record's text likewise", () => {
    const texts = [bare, v1, v2].map((record) => JSON.stringify(record));
    const headers = texts.map((text) => Buffer.from(text).toString("base64"));
    fc.assert(
      fc.property(
        fc.constantFrom(...texts, ...headers),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(5),
        fc.string({ unit: character, maxLength: 5 }),
        (text, at, removed, inserted) => {
          const index = Math.floor(at * text.length);
          const mutated = text.slice(0, index) + inserted + text.slice(index + removed);
          try {
            expect(parseAuthorization(mutated).authorization.nonce).to.have.lengthOf(66);
          } catch (error) {
            expect(error).to.be.instanceOf(AuthorizationInputError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
