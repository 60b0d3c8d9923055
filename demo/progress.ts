import { notice } from "../src/cli/output/output.ts";
import { startProgress } from "../src/cli/output/progress.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";

export type Reporter = {
  readonly update: (done: number) => void;
  /** Prints something without the bar in its way. */
  readonly interrupt: (print: () => void) => void;
};

const TELL_MS = 2_000;

/** Runs `work` under a bar on a terminal. Elsewhere, a line says what the work is, and every 2 s how far it is. */
export async function withProgress<Answer>(
  what: string,
  total: number,
  work: (reporter: Reporter) => Promise<Answer>,
): Promise<Answer> {
  if (currentRun().stderr.isTTY !== true) {
    notice(`${what} …`);
    let toldAtMs = Date.now();
    const update = (done: number): void => {
      if (Date.now() - toldAtMs < TELL_MS) return;
      toldAtMs = Date.now();
      notice(`${what}: ${done} of ${total}`);
    };
    return work({ update, interrupt: (print) => print() });
  }
  let progress = startProgress(what, total);
  let last = 0;
  const update = (done: number): void => {
    last = done;
    progress.update(done);
  };
  const interrupt = (print: () => void): void => {
    progress.stop();
    print();
    progress = startProgress(what, total);
    progress.update(last);
  };
  try {
    return await work({ update, interrupt });
  } finally {
    progress.stop();
  }
}
