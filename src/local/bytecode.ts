import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { bytesToHex, type Hex, isHex, keccak256 } from "viem";
import { LocalChainError } from "./errors.ts";

const require = createRequire(import.meta.url);

/** keccak256 of the code that every public chain has at Multicall3's address. */
const MULTICALL3_CODE_HASH = "0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891";
const MULTICALL3_SIZE = 3808;
/** The first bytes of Multicall3: memory pointer, calldata size check, jump to the first selector. */
const MULTICALL3_START = Buffer.from("6080604052600436106100f3", "hex");

/**
 * Runtime code of the genuine Multicall3; undefined if anvil's optional package is not installed. No other package
 * carries it, and this one has it inside its executable. It is found there by its first bytes and recognised by its
 * hash.
 */
export function genuineMulticall3Code(): Hex | undefined {
  genuine ??= { code: findMulticall3() };
  return genuine.code;
}

/** Kept, since the executable has tens of megabytes and every chain of a process needs the same code. */
let genuine: { readonly code: Hex | undefined } | undefined;

function findMulticall3(): Hex | undefined {
  const { platform, arch } = process;
  const file = `@foundry-rs/anvil-${platform}-${arch === "x64" ? "amd64" : arch}/bin/anvil`;
  let executable: Buffer;
  try {
    executable = readFileSync(require.resolve(platform === "win32" ? `${file}.exe` : file));
  } catch {
    return undefined;
  }
  for (let at = executable.indexOf(MULTICALL3_START); at >= 0; at = executable.indexOf(MULTICALL3_START, at + 1)) {
    const code = bytesToHex(executable.subarray(at, at + MULTICALL3_SIZE));
    if (keccak256(code) === MULTICALL3_CODE_HASH) return code;
  }
  return undefined;
}

/**
 * Creation code of Multicall3 as viem carries it. It is the same source compiled without optimisation, so each call
 * through it costs about 900 gas more than through the genuine one.
 *
 * @throws LocalChainError if this viem keeps it elsewhere.
 */
export function multicall3CreationCode(): Hex {
  // viem's entry point is <root>/_cjs/index.js.
  const code = readExport(
    () => require(join(dirname(require.resolve("viem")), "constants", "contracts.js")),
    "multicall3Bytecode",
  );
  if (code === undefined) {
    throw new LocalChainError("Multicall3 was not found in the installed viem.", {
      hint: "Install the viem version that this package asks for.",
    });
  }
  return code;
}

/**
 * The presigned transaction that creates CreateX at its canonical address on any chain, from the installed
 * `@nomicfoundation/ignition-core`. Undefined if that optional package is missing or keeps it elsewhere.
 */
export async function createXTransaction(): Promise<Hex | undefined> {
  try {
    const root = dirname(require.resolve("@nomicfoundation/ignition-core/package.json"));
    const file = join(root, "dist/src/internal/execution/strategy/createx-artifact.js");
    const module: unknown = await import(pathToFileURL(file).href);
    return readExport(() => module, "presignedTx");
  } catch {
    return undefined;
  }
}

function readExport(load: () => unknown, name: string): Hex | undefined {
  try {
    const module = load();
    if (typeof module !== "object" || module === null) return undefined;
    const value: unknown = Reflect.get(module, name);
    return isHex(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
