import { Command, Option } from "commander";
import { examples } from "../src/cli/options/examples.ts";
import { httpUrl, jsonOption, keystoreOption, rpcUrlOption, usdcAmount } from "../src/cli/options/options.ts";
import { runPay } from "../src/cli/pay/command/run.ts";
import { SCHEMES } from "../src/cli/pay/offer.ts";

/** `tributary pay`: buys one resource. */
export function payCommand(): Command {
  return new Command("pay")
    .description(
      "Buy an x402 resource: ask its price, pay it in USDC if it is within --max, and print what came back. A payment whose " +
        "outcome is unknown is kept in .tributary/payments; the same command again sends the same payment and signs no second one.",
    )
    .argument("<url>", "the resource", httpUrl)
    .option("--max <usdc>", "the most to pay, in USDC", usdcAmount, 10_000n)
    .addOption(
      new Option("--scheme <scheme>", "exact, or batch-settlement to pay through a channel with a deposit now and then")
        .choices(SCHEMES)
        .default("exact"),
    )
    .option(
      "--deposit <usdc>",
      "deposit if the channel holds too little (default: what the seller asks for)",
      usdcAmount,
    )
    .option("--max-deposit <usdc>", "the most to deposit at once, in USDC", usdcAmount, 100_000n)
    .option("--refund [usdc]", "buy nothing: ask the seller to send back what is left in the channel", usdcAmount)
    .option("--method <method>", "HTTP method", "GET")
    .option("--data <body>", "body to send, as JSON")
    .option("--again", "sign another payment although one for the same request is open or was paid")
    .addOption(rpcUrlOption())
    .addOption(keystoreOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples(
        "pay http://127.0.0.1:4021/weather --max 0.01",
        "pay http://127.0.0.1:4021/weather --scheme batch-settlement --max-deposit 0.05",
        "pay http://127.0.0.1:4021/weather --refund",
      ),
    )
    .action(runPay);
}
