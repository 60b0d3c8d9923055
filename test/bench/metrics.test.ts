import { expect } from "chai";
import { metricsIn } from "../../bench/lib/metrics.ts";

describe("metricsIn", () => {
  it("reads the value of a name with its labels, and zero if it has no line", () => {
    const metric = metricsIn('# TYPE a gauge\na{mined="in time"} 41\na{mined="late"} 1\nb NaN\n');
    expect(['a{mined="in time"}', 'a{mined="late"}', "c"].map(metric)).to.deep.equal([41, 1, 0]);
    expect(metric("b")).to.deep.equal(Number.NaN);
  });
});
