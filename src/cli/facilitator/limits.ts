import { type Command, InvalidArgumentError, Option } from "commander";
import { type FacilitatorPolicy, resolveFacilitatorPolicy, UNBOUNDED } from "../../facilitator/admission/policy.ts";
import { UsageError } from "../exit/errors.ts";
import { integer } from "../options/options.ts";

/** A bound, or `none`; undefined means the network's default. */
type Bound = number | "none" | undefined;

/** Bounds of what strangers may make the operator pay. */
export type LimitOptions = {
  readonly minGasMultiple?: number;
  readonly payerGasPerDay?: Bound;
  readonly anonymousGasPerDay?: Bound;
  readonly merchantGasPerDay?: Bound;
  readonly payerOpenCap?: Bound;
  readonly maxValidity: number;
};

/** Adds the options to a command. */
export function addLimitOptions(command: Command): Command {
  const usual = resolveFacilitatorPolicy(1);
  const gas = (name: string, whose: string, most: bigint | undefined) =>
    new Option(
      `--${name}-gas-per-day <gas>`,
      `expected gas taken in a day (UTC) for ${whose}, or none (default: ${most})`,
    ).argParser(bound);
  return command
    .addOption(
      new Option("--min-gas-multiple <factor>", "smallest payment as a multiple of its gas at the price of --eth-usd")
        .env("MIN_GAS_MULTIPLE")
        .argParser(factor),
    )
    .addOption(gas("payer", "one payer", usual.gasPerDay.payer).env("PAYER_GAS_PER_DAY"))
    .addOption(
      gas("anonymous", "all callers without an API key", usual.gasPerDay.anonymous).env("ANONYMOUS_GAS_PER_DAY"),
    )
    .addOption(gas("merchant", "each merchant without gasPerDay", usual.gasPerDay.merchant).env("MERCHANT_GAS_PER_DAY"))
    .addOption(
      new Option("--payer-open-cap <count>", "open payments of one payer, or none (default: 20; with merchants 100)")
        .env("PAYER_OPEN_CAP")
        .argParser(bound),
    )
    .addOption(
      new Option("--max-validity <seconds>", "how far ahead the end of an authorization may be")
        .env("MAX_VALIDITY")
        .argParser(integer(60, 31_536_000))
        .default(usual.maxValiditySeconds),
    );
}

/** The policy that these options ask for. On test chains and development chains, only given bounds apply. */
export function limitsOf(
  options: LimitOptions & { readonly ethUsd: bigint },
  chainId: number,
  isDevelopment: boolean,
): Pick<FacilitatorPolicy, "gasPerDay" | "payerOpenCap" | "maxValiditySeconds" | "minGasPermille"> {
  const { gasPerDay, payerOpenCap } = isDevelopment ? UNBOUNDED : resolveFacilitatorPolicy(chainId);
  const gas = (given: Bound, usual: bigint | undefined) =>
    given === undefined ? usual : given === "none" ? undefined : BigInt(given);
  const open = options.payerOpenCap;
  const { minGasMultiple } = options;
  if (minGasMultiple !== undefined && options.ethUsd === 0n) {
    throw new UsageError("--min-gas-multiple needs the price of ether.", {
      hint: "Give it with --eth-usd, such as 3000.",
    });
  }
  return {
    gasPerDay: {
      payer: gas(options.payerGasPerDay, gasPerDay.payer),
      anonymous: gas(options.anonymousGasPerDay, gasPerDay.anonymous),
      merchant: gas(options.merchantGasPerDay, gasPerDay.merchant),
    },
    payerOpenCap:
      open === undefined
        ? payerOpenCap
        : { anonymous: open === "none" ? undefined : open, merchant: open === "none" ? undefined : open },
    maxValiditySeconds: options.maxValidity,
    minGasPermille: minGasMultiple === undefined ? undefined : BigInt(Math.round(minGasMultiple * 1_000)),
  };
}

function bound(text: string): Bound {
  return text === "none" ? "none" : integer(1)(text);
}

function factor(text: string): number {
  if (!/^[0-9]{1,6}([.][0-9]{1,3})?$/.test(text)) throw new InvalidArgumentError("Write a number such as 2 or 1.5.");
  return Number(text);
}
