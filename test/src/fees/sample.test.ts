import { expect } from "chai";
import { bytesToHex, size } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { estimateDataSize, sampleTransaction } from "../../../src/fees/index.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { makeRandom } from "../../helpers/gasLab.ts";

describe("sampleTransaction", () => {
  it("has the bytes of the calldata and of everything around it", () => {
    const call = { to: freshAddress(1), gas: 3_000_000n };
    const empty = size(sampleTransaction({ ...call, data: "0x" }, 84532));
    expect(empty).to.be.within(110, 125);
    const thousand = size(sampleTransaction({ ...call, data: `0x${"ab".repeat(1000)}` }, 84532));
    expect(thousand - empty).to.be.within(1000, 1006);
  });

  it("is charged for as the same call with a real signature is", async () => {
    const account = privateKeyToAccount(`0x${"12".repeat(32)}`);
    for (const bytes of [32, 320, 3_200]) {
      const random = makeRandom(bytes);
      const data = bytesToHex(Uint8Array.from({ length: bytes }, () => random(256)));
      const call = { to: account.address, data, gas: 200_000n };
      const fees = { maxFeePerGas: 12_345_678n, maxPriorityFeePerGas: 1_234_567n };
      const signed = await account.signTransaction({ type: "eip1559", chainId: 84532, nonce: 1234, ...call, ...fees });
      const [sample, real] = [sampleTransaction(call, 84532), signed].map((raw) => Number(estimateDataSize(raw)) / 1e6);
      expect(sample, `${bytes} bytes`).to.be.closeTo(real!, 2);
    }
  });
});
