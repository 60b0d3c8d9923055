import { expect } from "chai";
import { Command, Option } from "commander";
import { readEnvironment } from "../../../../src/cli/options/environment.ts";

describe("readEnvironment", () => {
  function parse(args: readonly string[], env: Readonly<Record<string, string>>): Record<string, unknown> {
    const command = new Command("buy")
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .addOption(new Option("--amount <n>").env("TEST_AMOUNT").argParser(Number).default(1))
      .addOption(new Option("--fast").env("TEST_FAST"));
    readEnvironment(command, env);
    return command.parse([...args], { from: "user" }).opts();
  }

  beforeEach(() => {
    process.env.TEST_AMOUNT = "7";
  });
  afterEach(() => {
    delete process.env.TEST_AMOUNT;
  });

  it("takes options from what it is given and never from the process", () => {
    expect(parse([], {})).to.deep.equal({ amount: 1 });
    expect(parse([], { TEST_AMOUNT: "3", TEST_FAST: "" })).to.deep.equal({ amount: 3, fast: true });
  });

  it("prefers the command line", () => {
    expect(parse(["--amount", "5"], { TEST_AMOUNT: "3" })).to.deep.equal({ amount: 5 });
  });
});
