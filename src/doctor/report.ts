/** One thing that the doctor looked at. */
export type DoctorCheck = {
  /** What was looked at, the same in every report. */
  readonly name: string;
  /** `warn`: settling works, and something deserves a look. `fail`: payments will not settle. */
  readonly status: "ok" | "warn" | "fail";
  /** What was found, in one line. */
  readonly found: string;
  /** How to fix it, in one line; undefined if all is well. */
  readonly fix: string | undefined;
};

/** What the doctor found. */
export type DoctorReport = {
  /** Undefined if no node answered. */
  readonly chainId: number | undefined;
  /** Whether no check failed. */
  readonly healthy: boolean;
  /** In the order in which they build on each other. */
  readonly checks: readonly DoctorCheck[];
};

export function passed(name: string, found: string): DoctorCheck {
  return { name, status: "ok", found, fix: undefined };
}

export function warned(name: string, found: string, fix: string): DoctorCheck {
  return { name, status: "warn", found, fix };
}

export function failed(name: string, found: string, fix: string): DoctorCheck {
  return { name, status: "fail", found, fix };
}

export function reportOf(chainId: number | undefined, checks: readonly DoctorCheck[]): DoctorReport {
  return { chainId, healthy: checks.every(({ status }) => status !== "fail"), checks };
}
