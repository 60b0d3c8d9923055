/** The exit codes of all commands. Stable: scripts may rely on them. */
export const EXIT = {
  done: 0,
  failure: 1,
  usage: 2,
  unsettled: 3,
  unknown: 4,
  check: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Explains {@link EXIT} in `--help`. */
export const exitCodesHelp = `
Exit codes:
  0  done
  1  the node or the journal cannot be used, or something unexpected failed
  2  bad usage or bad input; nothing was sent
  3  done, but some payments did not settle
  4  not through: an outcome is unknown, or the run was interrupted; run the command again
  5  a check failed`;
