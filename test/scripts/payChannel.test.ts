import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Address, getAddress, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { readChannelState } from "../../src/chain/facts/channels.ts";
import { channelIdOf } from "../../src/channels/index.ts";
import { type Journal, openJournal } from "../../src/journal/index.ts";
import { createChannelStorage } from "../../src/keeper/index.ts";
import { networks } from "../../src/networks.ts";
import { freshAddress } from "../helpers/chainLab.ts";
import { authorizer, channelOf } from "../helpers/channelPayloads.ts";
import { type ChannelShop, facilitatorAt, openChannelBuyer, openChannelShop } from "../helpers/channelShop.ts";
import { type CliResult, type RunningProcess, runCli, spawnCommand, withFolder } from "../helpers/cli.ts";
import { type FacilitatorLab, openFacilitatorLab } from "../helpers/facilitator.ts";
import { type HttpGate, openHttpGate } from "../helpers/httpGate.ts";

const { chainId } = networks.baseSepolia;
const PRICE = 1_000n;
/** What the official server asks for if the route names no deposit: ten prices. */
const DEPOSIT = 10_000n;
const FUNDS = 1_000_000n;

/** A payer with a folder, and a seller whose answers can be lost. */
type Stall = {
  readonly pay: (...args: readonly string[]) => Promise<CliResult>;
  /** The same for something else that the seller has. */
  readonly payFor: (what: string, ...args: readonly string[]) => Promise<CliResult>;
  /** A run that is killed when its payment, or the answer to it, is lost. */
  readonly payAndDie: (loss: "request" | "answer", ...args: readonly string[]) => Promise<void>;
  readonly start: () => RunningProcess;
  readonly gate: HttpGate;
  readonly shop: ChannelShop;
  readonly folder: string;
  readonly payer: Address;
  readonly key: Hex;
  readonly receiver: Address;
  readonly channelId: Hex;
  /** The amount that has left the payer's account. */
  readonly spent: () => Promise<bigint>;
  readonly charged: () => Promise<bigint>;
};

describe("tributary pay through a channel", () => {
  let lab: FacilitatorLab;
  let facilitator: HttpGate;
  let next = 0;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitator = await openHttpGate((await lab.serve()).url);
  });
  after(async () => {
    facilitator.shut();
    await lab.stop();
  });

  async function withStall(body: (stall: Stall) => Promise<void>): Promise<void> {
    next += 1;
    const receiver = freshAddress(8_900 + next);
    const key: Hex = `0x${next.toString(16).padStart(64, "9")}`;
    const payer = privateKeyToAccount(key).address;
    await lab.chain.fund(payer, FUNDS);
    const journal: Journal = await openJournal(":memory:");
    const storage = createChannelStorage(journal, { chainId });
    const shop = await openChannelShop(facilitatorAt(facilitator.url), receiver, {
      price: PRICE,
      storage,
      receiverAuthorizerSigner: authorizer,
    });
    const gate = await openHttpGate(shop.url);
    const channelId = channelIdOf(chainId, channelOf(payer, receiver));
    const env = { RPC_URL: lab.chain.rpcUrl, PRIVATE_KEY: key };
    const options = ["--scheme", "batch-settlement"];
    try {
      await withFolder((folder) => {
        const run = (url: string, args: readonly string[]) =>
          runCli(["pay", url, ...options, ...args], { cwd: folder, env });
        const start = () => spawnCommand(["pay", gate.url, ...options], { cwd: folder, env });
        return body({
          pay: (...args) => run(gate.url, args),
          payFor: (what, ...args) => run(`${gate.url}?what=${what}`, args),
          payAndDie: async (loss) => {
            const lost = gate.lose(loss);
            const child = start();
            await lost;
            await child.stop("SIGKILL");
          },
          start,
          gate,
          shop,
          folder,
          payer,
          key,
          receiver,
          channelId,
          spent: async () => FUNDS - (await lab.balanceOf(payer)),
          charged: async () => BigInt((await storage.get(channelId))?.chargedCumulativeAmount ?? 0),
        });
      });
    } finally {
      gate.shut();
      shop.stop();
      await journal.close();
    }
  }

  const filesIn = (folder: string, name: "payments" | "channels") =>
    readdirSync(join(folder, ".tributary", name)).map((file) => join(folder, ".tributary", name, file));
  const ok = ({ code, stderr }: CliResult) => expect(code, stderr).to.equal(0);

  it("opens a channel, pays from it, says what is left, and takes that back", () =>
    withStall(async ({ pay, spent, charged, folder, channelId, receiver, shop }) => {
      const first = await pay();
      ok(first);
      expect(first.stdout).to.equal('{"served":1}\n');
      expect(first.stderr)
        .to.include(`price: 0.001 USDC on Base Sepolia, to ${receiver}`)
        .and.include(`deposit: 0.01 USDC into channel ${channelId}`)
        .and.include(`paid 0.001 USDC through channel ${channelId}: 0.009 USDC left in it`)
        .and.match(/deposited in transaction 0x[0-9a-f]{64}/);
      expect(await spent()).to.equal(DEPOSIT);

      const second = await pay("--json");
      ok(second);
      expect(JSON.parse(second.stdout)).to.deep.include({
        status: 200,
        outcome: "sold",
        paid: "1000",
        network: "eip155:84532",
        payTo: getAddress(receiver),
        nonce: null,
        transaction: null,
        channel: { id: channelId, charged: "2000", left: "8000", voucher: "2000", deposit: null },
        reason: null,
        body: '{"served":2}',
      });
      expect(await charged()).to.equal(2n * PRICE);
      expect(await spent()).to.equal(DEPOSIT);
      expect(filesIn(folder, "payments")).to.deep.equal([]);
      for (const path of filesIn(folder, "channels")) expect(statSync(path).mode & 0o777, path).to.equal(0o600);
      const [path = ""] = filesIn(folder, "channels").filter((one) => one.endsWith(".json"));
      expect(JSON.parse(readFileSync(path, "utf8"))).to.deep.include({ network: "eip155:84532", charged: "2000" });

      const part = await pay("--refund", "0.003", "--json");
      ok(part);
      const { refunded, channel } = JSON.parse(part.stdout);
      expect([refunded, channel]).to.deep.equal(["3000", { id: channelId, charged: "2000", left: "5000" }]);
      const rest = await pay("--refund");
      expect(rest.stdout).to.match(/^refunded 0\.005 USDC of channel 0x[0-9a-f]{64}: transaction 0x[0-9a-f]{64}\n$/);
      const none = await pay("--refund");
      expect(none).to.deep.include({ code: 0, stdout: "" });
      expect(none.stderr).to.include(`nothing is left in channel ${channelId}`);
      expect(await spent()).to.equal(2n * PRICE);
      await shop.manager.settle();
      expect(await lab.balanceOf(receiver)).to.equal(2n * PRICE);

      // The same channel opens again.
      ok(await pay());
      expect(await spent()).to.equal(2n * PRICE + DEPOSIT);
    }));

  it("deposits what --deposit says, refills an empty channel, and respects --max-deposit", () =>
    withStall(async ({ pay, spent, charged, folder }) => {
      const above = await pay("--deposit", "0.02", "--max-deposit", "0.01");
      expect(above.code).to.equal(2);
      expect(above.stderr).to.include(
        "The 0.02 USDC of --deposit is above the 0.01 of --max-deposit; nothing was paid.",
      );
      const tooLittle = await pay("--max-deposit", "0.000999");
      expect(tooLittle.code).to.equal(2);
      expect(tooLittle.stderr).to.include("needs a deposit of 0.001 USDC, above the 0.000999 of --max-deposit");
      expect(filesIn(folder, "channels").length).to.be.above(0);
      expect(await spent()).to.equal(0n);

      ok(await pay("--max-deposit", "0.002"));
      expect(await spent()).to.equal(2n * PRICE);
      ok(await pay());
      ok(await pay("--deposit", "0.004"));
      expect([await spent(), await charged()]).to.deep.equal([6n * PRICE, 3n * PRICE]);
    }));

  it("counts what was charged, and not what could have been", () =>
    withStall(async ({ payFor, charged }) => {
      const { stderr } = await payFor("x&amount=250");
      expect(stderr).to.include("paid 0.00025 USDC").and.include("0.00975 USDC left");
      ok(await payFor("x"));
      expect(await charged()).to.equal(1_250n);
    }));

  it("accepts only an offer of the chosen scheme, and says which one there is", () =>
    withStall(async ({ gate, key, folder }) => {
      const env = { RPC_URL: lab.chain.rpcUrl, PRIVATE_KEY: key };
      const { code, stderr } = await runCli(["pay", gate.url], { cwd: folder, env });
      expect(code).to.equal(2);
      expect(stderr).to.include("with the scheme exact; nothing was paid").and.include("--scheme batch-settlement");
      const deposit = await runCli(["pay", gate.url, "--deposit", "0.01"], { cwd: folder, env });
      expect(deposit.stderr).to.include("--deposit is for channels");
    }));

  it("needs a node of the channel's chain before it signs", () =>
    withStall(async ({ pay, spent, folder }) => {
      const { code, stderr } = await pay("--rpc-url", "http://127.0.0.1:9");
      expect(code).to.equal(1);
      expect(stderr).to.include("No node answers at http://127.0.0.1:9");
      expect(readdirSync(folder)).to.deep.equal([]);
      expect(await spent()).to.equal(0n);
    }));

  it("loses and pays nothing twice when it is killed between signing and answer", () =>
    withStall(async ({ pay, payAndDie, spent, charged, shop, receiver, folder }) => {
      // The deposit and its voucher, which nobody received.
      await payAndDie("request");
      expect([await spent(), await charged()]).to.deep.equal([0n, 0n]);
      const first = await pay();
      ok(first);
      expect(first.stderr).to.include("sending the same voucher again").and.include(", with its deposit");
      expect([await spent(), await charged()]).to.deep.equal([DEPOSIT, PRICE]);

      // A voucher that nobody received.
      await payAndDie("request");
      ok(await pay());
      expect([await spent(), await charged()]).to.deep.equal([DEPOSIT, 2n * PRICE]);

      // A voucher that was charged, and whose answer nobody received.
      await payAndDie("answer");
      for (let run = 0; run < 2; run += 1) {
        const { code, stderr } = await pay();
        expect(code).to.equal(3);
        expect(stderr).to.include("It was paid, but the server did not sell");
      }
      expect([await spent(), await charged()]).to.deep.equal([DEPOSIT, 3n * PRICE]);
      ok(await pay("--again"));
      expect(await charged()).to.equal(4n * PRICE);
      expect(filesIn(folder, "payments")).to.deep.equal([]);

      ok(await pay("--refund"));
      await shop.manager.settle();
      expect([await spent(), await lab.balanceOf(receiver)]).to.deep.equal([4n * PRICE, 4n * PRICE]);
    }));

  it("deposits once when it is killed after the seller took the deposit", () =>
    withStall(async ({ pay, payAndDie, spent, charged }) => {
      await payAndDie("answer");
      const { code, stderr } = await pay();
      expect(code).to.equal(3);
      expect(stderr).to.include("It was paid, but the server did not sell");
      const again = await pay("--again");
      ok(again);
      expect(again.stderr).to.include("0.008 USDC left");
      expect([await spent(), await charged()]).to.deep.equal([DEPOSIT, 2n * PRICE]);
    }));

  it("sends the voucher alone if its deposit was made without the seller's knowledge", () =>
    withStall(async ({ pay, spent, charged }) => {
      const lost = facilitator.lose("answer", ({ url }) => url === "/settle").then(facilitator.hangUp);
      const first = await pay();
      await lost;
      expect(first.code).to.be.oneOf([3, 4]);
      expect([await spent(), await charged()]).to.deep.equal([DEPOSIT, 0n]);
      const second = await pay();
      ok(second);
      expect(second.stderr).to.include("sending the same voucher again").and.not.include(", with its deposit");
      expect(second.stderr).to.include("0.009 USDC left");
      ok(await pay());
      expect([await spent(), await charged()]).to.deep.equal([DEPOSIT, 2n * PRICE]);
    }));

  it("exits with 4 if the answer is lost, and with 0 when the next run gets the resource", () =>
    withStall(async ({ pay, gate, charged }) => {
      ok(await pay());
      const lost = gate.lose("request").then(gate.hangUp);
      const { code, stdout, stderr } = await pay("--json");
      await lost;
      expect(code, stderr).to.equal(4);
      expect(JSON.parse(stdout)).to.include({ outcome: "unknown", paid: "0" });
      expect(stderr).to.include("Whether it was paid is unknown: the answer to the payment did not arrive.");
      ok(await pay());
      expect(await charged()).to.equal(2n * PRICE);
    }));

  it("pays through the channel for something else while a payment is open, and tells the two apart", () =>
    withStall(async ({ pay, payFor, payAndDie, charged }) => {
      ok(await pay());
      // The seller never received it: the next one takes its place.
      await payAndDie("request");
      ok(await payFor("other"));
      expect(await charged()).to.equal(2n * PRICE);
      const late = await pay();
      ok(late);
      expect(late.stderr).to.include("the earlier payment was not charged");
      expect(await charged()).to.equal(3n * PRICE);

      // Charged: the next one is signed beyond it, and the first is known to be paid.
      await payAndDie("answer");
      ok(await payFor("other"));
      expect(await charged()).to.equal(5n * PRICE);
      const { code, stderr } = await pay();
      expect(code).to.equal(3);
      expect(stderr).to.include("It was paid");
      expect(await charged()).to.equal(5n * PRICE);
    }));

  it("continues after it was killed between its notes of a payment that was charged", () =>
    withStall(async ({ pay, payFor, payAndDie, folder, charged }) => {
      ok(await pay());
      const [path = ""] = filesIn(folder, "channels").filter((one) => one.endsWith(".json"));
      const before = readFileSync(path, "utf8");
      await payAndDie("answer");
      expect((await pay()).code).to.equal(3);
      writeFileSync(path, before);
      ok(await payFor("other"));
      expect((await pay()).code).to.equal(3);
      expect(await charged()).to.equal(3n * PRICE);
    }));

  it("signs no deposit while another one may still be made", () =>
    withStall(async ({ payFor, payAndDie, spent }) => {
      await payAndDie("request");
      const { code, stderr } = await payFor("other");
      expect(code).to.equal(2);
      expect(stderr).to.include("A deposit of 0.01 USDC into the same channel may be on its way; nothing was paid.");
      expect(await spent()).to.equal(0n);
    }));

  it("has its channel for itself while another process pays through it", () =>
    withStall(async ({ pay, payFor, gate, start, charged }) => {
      ok(await pay());
      const lost = gate.lose("answer");
      const child = start();
      await lost;
      for (const run of [pay(), payFor("other"), pay("--refund")]) {
        const { code, stderr } = await run;
        expect(code, stderr).to.equal(2);
        expect(stderr).to.include("Another process is paying through the same channel from this folder");
      }
      expect(await child.stop("SIGINT")).to.equal(4);
      expect(await charged()).to.equal(2n * PRICE);
    }));

  it("asks the seller what was charged if the folder knows nothing of the channel", () =>
    withStall(async ({ pay, folder, key, shop, spent, charged }) => {
      const elsewhere = openChannelBuyer(lab.client, privateKeyToAccount(key));
      for (let purchase = 0; purchase < 3; purchase += 1) {
        expect((await elsewhere.buy(shop.url)).status).to.equal(200);
      }
      const before = await spent();
      const first = await pay();
      ok(first);
      expect(first.stderr).to.include("paid 0.001 USDC");
      rmSync(join(folder, ".tributary"), { recursive: true });
      ok(await pay());
      expect([await spent(), await charged()]).to.deep.equal([before, 5n * PRICE]);
    }));

  it("begins the account anew if the chain began anew", () =>
    withStall(async ({ pay, folder, charged }) => {
      ok(await pay());
      const [path = ""] = filesIn(folder, "channels").filter((one) => one.endsWith(".json"));
      const account = JSON.parse(readFileSync(path, "utf8"));
      const before = { ...account, genesis: `0x${"1".repeat(64)}`, charged: "700000", ceiling: "700000" };
      writeFileSync(path, JSON.stringify(before));
      const { code, stderr } = await pay();
      expect(code, stderr).to.equal(0);
      expect(stderr).to.include("the chain began anew").and.include("0.008 USDC left");
      expect(await charged()).to.equal(2n * PRICE);
      expect(JSON.parse(readFileSync(path, "utf8"))).to.include({ genesis: account.genesis, charged: "2000" });
    }));

  it("refuses to continue if the account of the channel is damaged", () =>
    withStall(async ({ pay, folder, charged }) => {
      ok(await pay());
      const [path = ""] = filesIn(folder, "channels").filter((one) => one.endsWith(".json"));
      writeFileSync(path, "{");
      const { code, stderr } = await pay();
      expect(code).to.equal(2);
      expect(stderr).to.include("is not a readable account of a channel; nothing was paid.");
      expect(await charged()).to.equal(PRICE);
    }));

  it("learns of a refund whose answer was lost from the chain", () =>
    withStall(async ({ pay, gate, spent, channelId, shop }) => {
      ok(await pay());
      const tooMuch = await pay("--refund", "0.0091");
      expect(tooMuch.code).to.equal(2);
      expect(tooMuch.stderr).to.include("There are 0.009 USDC left in the channel, less than 0.0091.");
      const lost = gate.lose("answer").then(gate.hangUp);
      const { code, stderr } = await pay("--refund");
      await lost;
      expect(code, stderr).to.equal(4);
      expect(stderr).to.include("Whether the channel was refunded is unknown.");
      const again = await pay("--refund");
      expect(again).to.include({ code: 0, stdout: "" });
      expect(again.stderr).to.include("nothing is left in channel");
      expect(await spent()).to.equal(PRICE);
      expect(await readChannelState(lab.client, channelId)).to.include({ balance: PRICE, totalClaimed: PRICE });
      await shop.manager.settle();
    }));

  it("signs nothing else if the seller asks another price after a lost answer, without --again", () =>
    withStall(async ({ pay, payAndDie, gate, shop, receiver, charged }) => {
      ok(await pay());
      await payAndDie("request");
      const dearer = await openChannelShop(facilitatorAt(facilitator.url), receiver, {
        price: 2n * PRICE,
        storage: shop.scheme.getStorage(),
        receiverAuthorizerSigner: authorizer,
      });
      gate.leadTo(dearer.url);
      const { code, stderr } = await pay();
      expect(code, stderr).to.equal(3);
      expect(stderr).to.include("The server did not sell");
      expect(await charged()).to.equal(PRICE);
      ok(await pay("--again"));
      expect(await charged()).to.equal(3n * PRICE);
      dearer.stop();
    }));

  // The last one: the chain is ahead of this machine's clock afterwards.
  it("forgets a deposit that expired unused at a final block, and signs another", () =>
    withStall(async ({ pay, payAndDie, spent, charged, folder }) => {
      await payAndDie("request");
      const [path = ""] = filesIn(folder, "payments");
      const { headers } = JSON.parse(readFileSync(path, "utf8"));
      const { payload } = JSON.parse(Buffer.from(String(Object.values(headers)[0]), "base64").toString());
      const until = BigInt(payload.deposit.authorization.erc3009Authorization.validBefore);
      await lab.chain.request("evm_setNextBlockTimestamp", [`0x${(until + 1n).toString(16)}`]);
      await lab.chain.request("hardhat_mine", ["0x100"]);
      const again = await pay();
      expect(again.stderr).to.include("was not made and never will be; nothing was charged for it");
      // What this machine's clock signs has expired on a chain that is ahead of it: the seller refuses that too.
      expect(again.code, again.stderr).to.equal(3);
      expect(filesIn(folder, "payments")).to.deep.equal([path]);
      expect(JSON.parse(readFileSync(path, "utf8")).headers).not.to.deep.equal(headers);
      expect([await spent(), await charged()]).to.deep.equal([0n, 0n]);
    }));
});
