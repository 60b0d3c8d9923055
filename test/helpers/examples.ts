import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanEnvironment } from "./environment.ts";

const root = join(import.meta.dirname, "..", "..");

export type ExampleDesk = Awaited<ReturnType<typeof openExampleDesk>>;

/** A folder in which the programs of `examples/` run as in a project that has installed the package. */
export async function openExampleDesk() {
  const folder = await mkdtemp(join(tmpdir(), "tributary-"));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  const children = new Set<ChildProcess>();

  async function start(file: string, env: Readonly<Record<string, string>>, args: readonly string[] = []) {
    const text = (await readFile(join(root, "examples", file), "utf8"))
      .replace('"tributary"', JSON.stringify(join(root, "src", "index.ts")))
      .replace(/"tributary\/([a-z]+)"/g, (_, part: string) => JSON.stringify(join(root, "src", part, "index.ts")));
    const place = join(folder, file);
    await writeFile(place, text);
    const child = spawn(process.execPath, [place, ...args], {
      cwd: folder,
      env: cleanEnvironment(env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    let said = "";
    const listeners = new Set<() => void>();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        for (const listener of listeners) listener();
      });
    }
    const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
    void ended.then(() => children.delete(child));
    return {
      child,
      said: () => said,
      ended,
      /** Waits until it prints something that matches. */
      says: (pattern: RegExp): Promise<RegExpExecArray> =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            const found = pattern.exec(said);
            if (found !== null) resolve(found);
          };
          listeners.add(look);
          look();
          void ended.then(() => reject(new Error(`${file} ended: ${said}`)));
        }),
    };
  }

  return {
    folder,
    /** Starts an example in its own process. */
    start,
    /** Runs one to its end. */
    run: async (file: string, env: Readonly<Record<string, string>>, args: readonly string[] = []) => {
      const { ended, said } = await start(file, env, args);
      const code = await ended;
      return { code, text: said() };
    },
    close: async () => {
      for (const child of children) child.kill("SIGKILL");
      await rm(folder, { recursive: true });
    },
  };
}
