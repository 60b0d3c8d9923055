import { createReadStream } from "node:fs";
import { Command } from "commander";
import type { Address } from "viem";
import { authorizationId, readAuthorizations, termsDigest } from "../src/authorization/index.ts";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import type { Network } from "../src/networks.ts";
import { OPEN_STATES, type PaymentRow, type PaymentState, type Store } from "../src/settlement/store/index.ts";
import { UsageError } from "./cli/errors.ts";
import { EXIT } from "./cli/exitCodes.ts";
import { findPayments, namesPayment } from "./cli/findPayments.ts";
import { journalOption, withJournal } from "./cli/journal.ts";
import { address, jsonOption, network } from "./cli/options.ts";
import { formatTable, printJson, printLine, streamLine, toJson } from "./cli/output.ts";
import { evidenceText, paymentJson, retryOf, time } from "./cli/paymentText.ts";
import { examples } from "./cli/program.ts";

type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly json?: true;
};

const STATES: readonly PaymentState[] = [
  "queued",
  "batched",
  "submitted",
  "settled",
  "settled-elsewhere",
  "already-used",
  "rejected",
  "expired",
  "cancelled",
];
const LINES_AT_ONCE = 500;

/** `tributary status`: what the journal knows. Asks no node and needs no key. */
export function statusCommand(): Command {
  return new Command("status")
    .description(
      "Show what the journal knows: of everything, of one payment with its history and evidence, or of each line of a file.",
    )
    .argument("[payment]", "a payment's number, nonce or identity, or a file of payments")
    .addOption(journalOption())
    .option("--network <name>", "network of a file's payments that name none", network)
    .option("--token <address>", "token of a file's payments that name none", address)
    .addOption(jsonOption())
    .addHelpText("after", examples("status", "status 17", "status payments.jsonl --json"))
    .action((what: string | undefined, options: Options) =>
      withJournal(options, async (store) => {
        if (what === undefined) await showJournal(store, options.json === true);
        else if (namesPayment(what)) await showPayments(store, what, options.json === true);
        else await showFile(store, what, options);
      }),
    );
}

async function showJournal(store: Store, json: boolean): Promise<void> {
  const counts = await store.count();
  const [oldest] = await store.list({ states: ["queued"], limit: 1 });
  const senders = await store.senders();
  const open = OPEN_STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  if (json) {
    printJson({
      payments: STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0),
      open,
      states: Object.fromEntries(STATES.map((state) => [state, counts[state] ?? 0])),
      oldestQueued: oldest === undefined ? null : { id: oldest.id, acceptedAt: time(oldest.acceptedAtMs) },
      senders: senders.map(({ chainId, sender, openBatches, lease }) => {
        return { chainId, sender, openBatches, owner: lease?.owner ?? null };
      }),
    });
    return;
  }
  const rows = STATES.filter((state) => (counts[state] ?? 0) > 0).map((state) => [state, String(counts[state])]);
  printLine(formatTable([{ title: "state" }, { title: "payments", align: "right" }], rows));
  if (rows.length === 0) printLine("the journal is empty");
  if (oldest !== undefined) {
    printLine(`oldest in the queue: payment ${oldest.id}, accepted ${time(oldest.acceptedAtMs)}`);
  }
  for (const { chainId, sender, openBatches } of senders) {
    printLine(`${sender} on chain ${chainId}: ${openBatches} open ${openBatches === 1 ? "batch" : "batches"}`);
  }
}

async function showPayments(store: Store, what: string, json: boolean): Promise<void> {
  const rows = await findPayments(store, what);
  for (const [index, row] of rows.entries()) {
    const history = await store.history(row.id);
    if (json) {
      printJson(paymentJson(row, history));
      continue;
    }
    if (index > 0) printLine();
    for (const line of describe(row)) printLine(line);
    printLine("history");
    for (const step of history) {
      const reason = step.reason === undefined ? "" : ` (${step.reason})`;
      printLine(`  ${time(step.atMs)}  ${step.to}${reason}: ${evidenceText(step.evidence)}`);
    }
  }
}

function describe(row: PaymentRow): string[] {
  const { work } = row;
  const terms =
    work.kind === "call"
      ? [["call", `${work.to}, ${work.gas} gas`]]
      : [
          ["payer", work.authorization.from],
          ["payee", work.authorization.to],
          ["value", `${work.authorization.value} of ${work.authorization.token}`],
          ["nonce", work.authorization.nonce],
        ];
  const reason = row.reason === undefined ? "" : ` (${row.reason})`;
  const lines: string[][] = [
    ...terms,
    ["valid before", time(Number(row.deadlineSeconds < MAX_TIME ? row.deadlineSeconds : MAX_TIME) * 1000)],
    ["state", `${row.state}${reason}`],
    ["evidence", evidenceText(row.evidence)],
    ["retry", RETRIES[retryOf(row)] ?? retryOf(row)],
    ["source", row.source ?? "–"],
  ];
  return formatTable([{ title: "payment" }, { title: String(row.id) }], lines).split("\n");
}

/** The last second that a date can show. */
const MAX_TIME = 8_640_000_000_000n;

const RETRIES: Readonly<Record<string, string>> = {
  now: "goes by itself: it is in the queue",
  hold: "none while its outcome is unknown",
  "until-deadline": "tributary retry, once what the token held against it has passed",
  never: "never by itself",
};

async function showFile(store: Store, file: string, options: Options): Promise<void> {
  const context = {
    ...(options.network === undefined ? {} : { network: options.network }),
    ...(options.token === undefined ? {} : { token: options.token }),
  };
  const tally = new Map<string, number>();
  let chunk: { line: number; authorization: SignedAuthorization }[] = [];
  let unknown = 0;
  const flush = async (): Promise<void> => {
    const rows = await store.withIdentities(chunk.map(({ authorization }) => authorizationId(authorization)));
    const byDigest = new Map(rows.map((row) => [row.digest, row]));
    for (const { line, authorization } of chunk) {
      const row = byDigest.get(termsDigest(authorization));
      if (row === undefined) unknown += 1;
      await show(line, row, authorization.nonce);
    }
    chunk = [];
  };
  const show = async (line: number, row: PaymentRow | undefined, nonce: string): Promise<void> => {
    const state = row?.state ?? "not in the journal";
    tally.set(state, (tally.get(state) ?? 0) + 1);
    if (options.json === true) {
      const of = row === undefined ? { state: null, nonce } : paymentJson(row);
      await streamLine(toJson({ line, ...of }));
    } else {
      const why = row === undefined ? "" : `: ${evidenceText(row.evidence)}`;
      await streamLine(`${line}  ${row === undefined ? "" : `payment ${row.id}  `}${state}${why}`);
    }
  };
  try {
    for await (const result of readAuthorizations(createReadStream(file), context)) {
      if (result.status === "bad") {
        tally.set("bad line", (tally.get("bad line") ?? 0) + 1);
        const { field, problem } = result.error;
        await streamLine(
          options.json === true
            ? toJson({ line: result.line, state: "invalid", field, message: problem })
            : `${result.line}  bad line: ${field} ${problem}`,
        );
        continue;
      }
      chunk.push(result);
      if (chunk.length === LINES_AT_ONCE) await flush();
    }
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && "syscall" in cause)) throw cause;
    throw new UsageError(`${file} is neither a payment nor a file that can be read (${String(cause.code)}).`, {
      hint: "Give a payment's number, nonce or identity, or the path of a file.",
      cause,
    });
  }
  await flush();
  if (options.json !== true) {
    printLine([...tally].map(([state, count]) => `${count} ${state}`).join(", ") || "the file is empty");
  }
  if (unknown > 0) process.exitCode = EXIT.unknown;
}
