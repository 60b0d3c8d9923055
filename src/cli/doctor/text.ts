import type { DoctorReport } from "../../doctor/index.ts";
import { paint } from "../output/terminal.ts";
import { currentRun, type Output } from "../process/surroundings.ts";

const TONES = { ok: "good", warn: "open", fail: "bad" } as const;

/** One line for each check, and one more with the fix if there is one. */
export function formatReport({ checks }: DoctorReport, stream: Output = currentRun().stdout): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, found, fix }) => {
    const line = `${paint(TONES[status], status.padEnd(4), stream)}  ${name.padEnd(width)}  ${found}`;
    return fix === undefined ? [line] : [line, `${" ".repeat(width + 8)}→ ${fix}`];
  });
  const count = (wanted: string) => checks.filter(({ status }) => status === wanted).length;
  return [...lines, "", `${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} failed`];
}
