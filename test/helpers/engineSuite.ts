import { type EngineLab, type LabNode, openEngineLab } from "./engineLab.ts";

/**
 * Makes one node for a suite, and a lab on it for each case, which `tell` hands to the cases. Once a case is over, no
 * transaction of it waits, and the node mines as it did at first.
 */
export function eachInLab<Node extends LabNode & { readonly stop: () => Promise<void> }>(
  start: () => Promise<Node>,
  tell: (node: Node, lab: EngineLab) => void,
): void {
  let node: Node;
  let lab: EngineLab;

  before(async () => {
    node = await start();
  });
  after(() => node?.stop());
  beforeEach(async () => {
    lab = await openEngineLab(node);
    tell(node, lab);
  });
  afterEach(async () => {
    await lab.close();
    if (lab.isAnvil) await node.request("anvil_dropAllTransactions");
    else await node.request("evm_setAutomine", [true]);
  });
}
