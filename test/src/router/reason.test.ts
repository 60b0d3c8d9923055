import { expect } from "chai";
import fc from "fast-check";
import { concatHex, encodeErrorResult, type Hex, parseAbi, size, slice } from "viem";
import { decodeRefusal, type RefusalReason } from "../../../src/router/reason.ts";
import { hexOf } from "../../helpers/routerItems.ts";

const errors = parseAbi([
  "error Error(string message)",
  "error Panic(uint256 code)",
  "error ERC3009UsedAuthorization(address authorizer, bytes32 nonce)",
  "error ERC3009InvalidAuthorizationTime(uint256 validAfter, uint256 validBefore)",
  "error ERC3009InvalidSignature()",
  "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
  "error EnforcedPause()",
]);

const text = (message: string): Hex => encodeErrorResult({ abi: errors, errorName: "Error", args: [message] });

const address: Hex = `0x${"11".repeat(20)}`;

describe("decodeRefusal", () => {
  const strings: readonly (readonly [string, RefusalReason])[] = [
    ["FiatTokenV2: authorization is used or canceled", "already-used"],
    ["FiatTokenV2: authorization is expired", "expired"],
    ["FiatTokenV2: authorization is not yet valid", "not-yet-valid"],
    ["FiatTokenV2: invalid signature", "bad-signature"],
    ["ECRecover: invalid signature", "bad-signature"],
    ["ECRecover: invalid signature length", "bad-signature"],
    ["ECRecover: invalid signature 's' value", "bad-signature"],
    ["ECRecover: invalid signature 'v' value", "bad-signature"],
    ["ERC20: transfer amount exceeds balance", "underfunded"],
    ["Blacklistable: account is blacklisted", "blocked"],
    ["Pausable: paused", "token-paused"],
  ];
  for (const [message, reason] of strings) {
    it(`reads "${message}"`, () => {
      expect(decodeRefusal(text(message))).to.deep.equal({ reason, message, data: text(message) });
    });
  }

  it("shows nothing of a message that would control a terminal", () => {
    const hostile = "\u001b]0;paid\u0007 \u001b[2J\u0000\u009b1m\u202egnp\u2028x";
    expect(decodeRefusal(text(hostile)).message).to.equal("?]0;paid? ?[2J??1m?gnp?x");
    const cut = decodeRefusal(slice(text(hostile.repeat(20)), 0, 256)).message;
    expect(cut)
      .to.match(/^\?\]0;paid\? .+…$/u)
      .and.not.match(/[\p{Cc}\p{Cf}]/u);
  });

  it("compares messages whole", () => {
    for (const [message] of strings) {
      for (const other of [`${message} `, ` ${message}`, message.toUpperCase(), message.slice(0, -1)]) {
        expect(decodeRefusal(text(other))).to.include({ reason: "refused", message: other });
      }
    }
  });

  it("does not mistake a message for a property that every object has", () => {
    for (const message of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", ""]) {
      expect(decodeRefusal(text(message))).to.deep.equal({ reason: "refused", message, data: text(message) });
    }
  });

  it("reads the errors of ERC-6093 and of OpenZeppelin's ERC-3009", () => {
    const custom: readonly (readonly [Hex, RefusalReason, string])[] = [
      [
        encodeErrorResult({
          abi: errors,
          errorName: "ERC3009UsedAuthorization",
          args: [address, `0x${"22".repeat(32)}`],
        }),
        "already-used",
        `ERC3009UsedAuthorization(${address}, 0x${"22".repeat(32)})`,
      ],
      [
        encodeErrorResult({ abi: errors, errorName: "ERC3009InvalidAuthorizationTime", args: [1n, 2n] }),
        "refused",
        "ERC3009InvalidAuthorizationTime(1, 2)",
      ],
      [
        encodeErrorResult({ abi: errors, errorName: "ERC3009InvalidSignature" }),
        "bad-signature",
        "ERC3009InvalidSignature",
      ],
      [
        encodeErrorResult({ abi: errors, errorName: "ERC20InsufficientBalance", args: [address, 3n, 4n] }),
        "underfunded",
        `ERC20InsufficientBalance(${address}, 3, 4)`,
      ],
      [encodeErrorResult({ abi: errors, errorName: "EnforcedPause" }), "token-paused", "EnforcedPause"],
    ];
    for (const [data, reason, message] of custom) {
      expect(decodeRefusal(data)).to.deep.equal({ reason, message, data });
    }
  });

  it("treats an empty reason as a lack of gas", () => {
    expect(decodeRefusal("0x")).to.include({ reason: "gas-capped", data: "0x" });
  });

  it("shows what is left of a message that the router cut", () => {
    const message = "x".repeat(300);
    const { reason, message: shown } = decodeRefusal(slice(text(message), 0, 256));
    expect(reason).to.equal("refused");
    expect(shown).to.equal(`${"x".repeat(256 - 68)}…`);
  });

  it("names the selector of an error that it does not know", () => {
    expect(decodeRefusal("0xdeadbeef00")).to.deep.equal({
      reason: "refused",
      message: "unknown error 0xdeadbeef",
      data: "0xdeadbeef00",
    });
    const panic = encodeErrorResult({ abi: errors, errorName: "Panic", args: [0x11n] });
    expect(decodeRefusal(panic).reason).to.equal("refused");
  });

  it("answers to any bytes", () => {
    const selectors = [text("a"), encodeErrorResult({ abi: errors, errorName: "EnforcedPause" })].map((d) =>
      slice(d, 0, 4),
    );
    const data = fc.oneof(
      hexOf(0, 300),
      fc.tuple(fc.constantFrom(...selectors), hexOf(0, 256)).map((parts) => concatHex(parts)),
      fc.tuple(fc.constantFrom(...strings), fc.nat(160)).map(([[message], cut]) => {
        const whole = text(message);
        return slice(whole, 0, Math.max(1, size(whole) - (cut % size(whole))));
      }),
    );
    fc.assert(
      fc.property(data, (bytes) => {
        const refusal = decodeRefusal(bytes);
        expect(refusal.data).to.equal(bytes);
        expect(refusal.message).to.be.a("string");
        if (bytes === "0x") expect(refusal.reason).to.equal("gas-capped");
      }),
    );
  });
});
