/**
 * Splits items into groups that hold each identity at most once. Variants are looked up separately, because a
 * transaction settles at most one of them.
 */
export function layersOf<T>(items: readonly T[], identityOf: (item: T) => string): T[][] {
  const layers: T[][] = [];
  const times = new Map<string, number>();
  for (const item of items) {
    const identity = identityOf(item);
    const layer = times.get(identity) ?? 0;
    times.set(identity, layer + 1);
    layers[layer] ??= [];
    layers[layer].push(item);
  }
  return layers;
}
