import type { CommandEntry } from "../src/cli/program.ts";

/** Every command, in the order of `tributary --help`. */
export const commands: readonly CommandEntry[] = [
  {
    name: "demo",
    summary: "sell an API per call on a local chain, and report the result",
    isMain: true,
    load: async () => (await import("./demo.ts")).demoCommand(),
  },
  {
    name: "local",
    summary: "start a local chain that clients take for Base Sepolia",
    isMain: true,
    load: async () => (await import("./local.ts")).localCommand(),
  },
  {
    name: "settle",
    summary: "settle a file of signed payments",
    isMain: true,
    load: async () => (await import("./settle.ts")).settleCommand(),
    holdsMuch: true,
  },
  {
    name: "facilitator",
    summary: "run an x402 facilitator whose settlements share transactions",
    isMain: true,
    load: async () => (await import("./facilitator.ts")).facilitatorCommand(),
  },
  {
    name: "pay",
    summary: "buy an x402 resource",
    isMain: true,
    load: async () => (await import("./pay.ts")).payCommand(),
    runsOnNode20: true,
  },
  {
    name: "channels",
    summary: "keep a merchant's payment channels: claim, sweep, refund",
    load: async () => (await import("./channels.ts")).channelsCommand(),
    takesHash: true,
  },
  {
    name: "fund",
    summary: "mint test USDC on the local chain",
    load: async () => (await import("./fund.ts")).fundCommand(),
    runsOnNode20: true,
  },
  {
    name: "keys",
    summary: "make and show encrypted keystore files",
    load: async () => (await import("./keys.ts")).keysCommand(),
    runsOnNode20: true,
  },
  {
    name: "sign",
    summary: "sign payments into a file",
    load: async () => (await import("./sign.ts")).signCommand(),
    runsOnNode20: true,
  },
  {
    name: "plan",
    summary: "show what settling a file would cost",
    load: async () => (await import("./plan.ts")).planCommand(),
    runsOnNode20: true,
  },
  {
    name: "status",
    summary: "show what the journal knows: counts, one payment, or a file's",
    load: async () => (await import("./status.ts")).statusCommand(),
    takesHash: true,
  },
  {
    name: "retry",
    summary: "put rejected payments back into the queue",
    load: async () => (await import("./retry.ts")).retryCommand(),
    takesHash: true,
  },
  {
    name: "cancel",
    summary: "take payments out of the queue",
    load: async () => (await import("./cancel.ts")).cancelCommand(),
    takesHash: true,
  },
  {
    name: "accounts",
    summary: "show the sending keys of the journal",
    load: async () => (await import("./accounts.ts")).accountsCommand(),
  },
  {
    name: "reconcile",
    summary: "compare the journal with the chain",
    load: async () => (await import("./reconcile.ts")).reconcileCommand(),
  },
  {
    name: "earnings",
    summary: "show what was earned, by day, payee and merchant, and where the money is",
    load: async () => (await import("./earnings.ts")).earningsCommand(),
  },
  {
    name: "export",
    summary: "write a statement of the journal as CSV or JSON",
    load: async () => (await import("./export.ts")).exportCommand(),
  },
  {
    name: "inspect",
    summary: "show what a settlement transaction carried",
    load: async () => (await import("./inspect.ts")).inspectCommand(),
    takesHash: true,
    runsOnNode20: true,
  },
  {
    name: "deploy",
    summary: "deploy the settlement router to its one address",
    load: async () => (await import("./deploy.ts")).deployCommand(),
  },
  {
    name: "doctor",
    summary: "check the node, the router, the token and the signer",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
    runsOnNode20: true,
  },
  {
    name: "smoke",
    summary: "try a network with a funded key, from doctor to settled payments",
    load: async () => (await import("./smoke.ts")).smokeCommand(),
  },
];
