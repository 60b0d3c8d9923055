import { expect } from "chai";
import fc from "fast-check";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import {
  authorize,
  bodyV1,
  bodyV2,
  type FacilitatorLab,
  JSON_BODY,
  openFacilitatorLab,
  payerOf,
} from "../helpers/facilitator.ts";
import { character, isLong, seed } from "../helpers/randomness.ts";

/** Bodies for each of the two endpoints. */
const RUNS = isLong ? 5_000 : 500;

describe("unexpected bodies", () => {
  let lab: FacilitatorLab;
  let facilitator: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  let signed: SignedAuthorization;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitator = await lab.serve();
    signed = await authorize(payerOf(5));
  });
  after(() => lab.stop());

  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(null, "", "0x", "0", "-1", "1e9", "0x0", -1, 0.5, 2 ** 53, true, [], {}, "9".repeat(79)),
    fc.constantFrom<unknown>("eip155:84532", "base-sepolia", "eip155:1", "exact", "upto", `0x${"f".repeat(64)}`),
    fc.string({ unit: character, maxLength: 80 }),
    fc.bigInt({ min: 0n, max: 2n ** 257n }).map(String),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`),
  );
  /** A good body with one to four of its parts replaced, removed or added to. */
  const mutated = fc
    .tuple(
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom("replace", "remove", "add"), odd), { minLength: 1, maxLength: 4 }),
    )
    .map(([isV1, changes]) => {
      const body: unknown = JSON.parse(JSON.stringify(isV1 ? bodyV1(signed) : extended(bodyV2(signed))));
      for (const [pick, what, value] of changes) {
        const places = placesIn(body);
        const [parent, key] = places[pick % places.length] ?? [];
        if (parent === undefined || key === undefined) continue;
        if (what === "remove") Reflect.deleteProperty(parent, key);
        else Reflect.set(parent, what === "add" ? `${key}_` : key, value);
      }
      return JSON.stringify(body);
    });
  const text = fc.oneof(
    { weight: 6, arbitrary: mutated },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ unit: character, maxLength: 300 }) },
    { weight: 1, arbitrary: fc.nat(20_000).map((depth) => "[".repeat(depth)) },
    {
      weight: 1,
      arbitrary: fc.nat(5_000).map((depth) => `${'{"paymentPayload":'.repeat(depth)}1${"}".repeat(depth)}`),
    },
  );

  for (const endpoint of ["verify", "settle"] as const) {
    it(`answers /${endpoint} below 500 and in its own shape`, async () => {
      const statuses = new Map<number, number>();
      const run = async (body: string): Promise<void> => {
        const response = await facilitator.facilitator.app.request(`/${endpoint}`, {
          method: "POST",
          headers: JSON_BODY,
          body,
        });
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        expect(response.status).to.be.oneOf([200, 400]);
        const answer = (await response.json()) as Record<string, unknown>;
        if (endpoint === "verify") {
          expect(answer.isValid).to.be.a("boolean");
          if (answer.isValid === false) expect(answer.invalidReason).to.match(/^[a-z0-9_]+$/);
        } else {
          expect(answer).to.include({ success: false });
          expect(answer.errorReason).to.match(/^[a-z0-9_]+$/);
          expect(answer.transaction).to.equal("");
          expect(answer.network).to.be.a("string");
        }
      };
      await fc.assert(fc.asyncProperty(text, run), { numRuns: RUNS, seed });
      const told = [...statuses].map(([status, count]) => `${status}: ${count}`).join(", ");
      console.log(`      /${endpoint}: ${RUNS} bodies, seed ${seed}; ${told}`);
    });
  }
});

/** A body with the extensions that the facilitator reads. */
function extended(body: ReturnType<typeof bodyV2>) {
  const schema = { type: "object", properties: { input: { type: "object" } } };
  const extensions = {
    "payment-identifier": { info: { required: true, id: "pay_0123456789abcdef" }, schema },
    bazaar: { info: { input: { type: "http", method: "GET" } }, schema },
  };
  return { ...body, paymentPayload: { ...body.paymentPayload, extensions } };
}

/** Every property of an object, with the object that it is in. */
function placesIn(value: unknown): (readonly [object, string])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[value, key] as const, ...placesIn(inner)]);
}
