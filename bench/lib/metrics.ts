/** What a facilitator of ours says of itself by /metrics: the value of a name with its labels, zero if it has no line yet. */
export type Metrics = (name: string) => number;

export async function readMetrics(url: string): Promise<Metrics> {
  return metricsIn(await (await fetch(`${url}/metrics`)).text());
}

export function metricsIn(text: string): Metrics {
  const lines = text.split("\n");
  return (name) => {
    const line = lines.find((one) => one.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.slice(name.length + 1));
  };
}
