/**
 * Turns calls one by one into calls in bulk: what comes in while a bulk is under way, or within one turn of the event loop,
 * goes with the next one. An output that is an error fails its call; a bulk that fails fails each of its calls.
 */
export function createCollector<Input, Output>(
  work: (inputs: readonly Input[]) => Promise<readonly (Output | Error)[]>,
  maximum = 500,
): (input: Input) => Promise<Output> {
  type Call = {
    readonly input: Input;
    readonly resolve: (output: Output) => void;
    readonly reject: (error: unknown) => void;
  };
  const waiting: Call[] = [];
  let busy = false;

  async function run(): Promise<void> {
    busy = true;
    while (waiting.length > 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const bulk = waiting.splice(0, maximum);
      try {
        const outputs = await work(bulk.map(({ input }) => input));
        for (const [i, { resolve, reject }] of bulk.entries()) {
          const output = outputs[i];
          if (output === undefined || output instanceof Error) reject(output ?? new Error("a call was not answered"));
          else resolve(output);
        }
      } catch (error) {
        for (const { reject } of bulk) reject(error);
      }
    }
    busy = false;
  }

  return (input) =>
    new Promise((resolve, reject) => {
      waiting.push({ input, resolve, reject });
      if (!busy) void run();
    });
}
