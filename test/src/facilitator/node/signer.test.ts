import { expect } from "chai";
import { erc20Abi, parseEventLogs } from "viem";
import { CallNotSentError, createEngineSigner } from "../../../../src/facilitator/index.ts";
import { type FacilitatorLab, openFacilitatorLab, PAYEE } from "../../../helpers/facilitator.ts";

describe("createEngineSigner", () => {
  let lab: FacilitatorLab;
  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
  });
  after(() => lab.stop());

  it("sends the writes of an official scheme through the engine, and waits for them", async () => {
    const { facilitator, journal, account } = await lab.serve();
    await lab.chain.fund(account.address, 100n);
    const { engine } = facilitator;
    const signer = createEngineSigner(lab.client, { engine, journal });
    const transfer = { address: lab.chain.usdc, abi: erc20Abi, functionName: "transfer" } as const;
    const before = await lab.balanceOf(PAYEE);
    // Equal writes are two writes.
    const hashes = await Promise.all([1, 2].map(() => signer.writeContract({ ...transfer, args: [PAYEE, 40n] })));
    expect(new Set(hashes).size).to.equal(2);
    for (const hash of hashes) {
      const { status, logs } = await signer.waitForTransactionReceipt({ hash });
      expect(status).to.equal("success");
      expect(parseEventLogs({ abi: erc20Abi, logs: [...(logs ?? [])], eventName: "Transfer" })[0]?.args.value).to.equal(
        40n,
      );
    }
    expect((await lab.balanceOf(PAYEE)) - before).to.equal(80n);
    const read = { address: lab.chain.usdc, abi: erc20Abi, functionName: "balanceOf", args: [account.address] };
    expect(await signer.readContract(read)).to.equal(20n);
    expect(signer.getAddresses()).to.deep.equal([account.address]);
  });

  it("sends no write above its gas bound, whoever names the gas", async () => {
    const { facilitator, journal, account } = await lab.serve();
    await lab.chain.fund(account.address, 100n);
    const { engine } = facilitator;
    const options = { engine, journal, maxGas: 30_000n };
    const transfer = { address: lab.chain.usdc, abi: erc20Abi, functionName: "transfer", args: [PAYEE, 1n] } as const;
    const failed = (work: Promise<unknown>) => work.catch((error: unknown) => error);
    const tight = createEngineSigner(lab.client, options);
    expect(await failed(tight.writeContract(transfer))).to.be.instanceOf(CallNotSentError);
    expect(await failed(tight.writeContract({ ...transfer, gas: 30_001n }))).to.be.instanceOf(CallNotSentError);
    expect((await journal.count()).queued).to.equal(undefined);
    expect(await facilitator.engine.accounts()).to.deep.include({
      address: account.address,
      openBatches: 0,
      paused: undefined,
    });
    expect(await lab.client.getTransactionCount({ address: account.address })).to.equal(0);
  });

  it("takes back a write that could not be sent in time", async () => {
    const { facilitator, journal } = await lab.serve({ engine: { minimumSenderBalanceWei: 10n ** 30n } });
    const { engine } = facilitator;
    const options = { engine, journal, timeoutMs: 300 };
    const failure = await createEngineSigner(lab.client, options)
      .sendTransaction({ to: PAYEE, data: "0x" })
      .catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(CallNotSentError);
    expect((await journal.count()).queued).to.equal(undefined);
  });
});
