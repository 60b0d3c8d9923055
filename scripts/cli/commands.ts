import type { Command } from "commander";

/** A command of `tributary`. Its code is loaded only when it is asked for. */
export type CommandEntry = {
  readonly name: string;
  /** One line for `tributary --help`. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
  /** Whether an argument may be a 32-byte hash, which looks like a private key. */
  readonly takesHash?: true;
};

/** Every command, in the order of `tributary --help`. A new one is one more entry. */
export const commands: readonly CommandEntry[] = [
  {
    name: "demo",
    summary: "settle 1,000 payments on a local chain, and check every figure",
    load: async () => (await import("../demo.ts")).demoCommand(),
  },
  {
    name: "local",
    summary: "start a local chain that clients take for Base Sepolia",
    load: async () => (await import("../local.ts")).localCommand(),
  },
  {
    name: "fund",
    summary: "mint test USDC on the local chain",
    load: async () => (await import("../fund.ts")).fundCommand(),
  },
  {
    name: "keys",
    summary: "make and show encrypted keystore files",
    load: async () => (await import("../keys.ts")).keysCommand(),
  },
  {
    name: "sign",
    summary: "sign payments into a file",
    load: async () => (await import("../sign.ts")).signCommand(),
  },
  {
    name: "plan",
    summary: "show what settling a file would take and cost",
    load: async () => (await import("../plan.ts")).planCommand(),
  },
  {
    name: "settle",
    summary: "settle a file of signed payments",
    load: async () => (await import("../settle.ts")).settleCommand(),
  },
  {
    name: "inspect",
    summary: "show what a settlement transaction carried",
    load: async () => (await import("../inspect.ts")).inspectCommand(),
    takesHash: true,
  },
  {
    name: "deploy",
    summary: "deploy the settlement router to its one address",
    load: async () => (await import("../deploy.ts")).deployCommand(),
  },
  {
    name: "doctor",
    summary: "check the node, the router, the token and the signer",
    load: async () => (await import("../doctor.ts")).doctorCommand(),
  },
  {
    name: "smoke",
    summary: "try a network with a funded key, from doctor to settled payments",
    load: async () => (await import("../smoke.ts")).smokeCommand(),
  },
];
