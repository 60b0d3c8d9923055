import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Where Ignition keeps its journal of one deployment. */
export type DeploymentJournal = {
  /** Ignition's folder; the journal itself is `deployments/<id>` in it. */
  readonly ignitionFolder: string;
  readonly id: string;
  /** Whether an earlier run began this journal and did not come to its end. */
  readonly resumes: boolean;
  /** Where an older journal was moved that is of no use any more; undefined if none was. */
  readonly movedTo: string | undefined;
  /** Removes what only this run needed. */
  readonly close: () => void;
};

/**
 * Opens the journal of a chain in `ignitionFolder`, or one in a temporary folder if that is undefined. A development
 * chain begins anew with each start, and an old journal would make Ignition believe that the router is there.
 *
 * Call it only after you saw that the chain has no router. A journal that says otherwise (the chain was reset, or a
 * reorganisation undid the deployment) is then moved aside, never deleted.
 *
 * @param anew Also moves an interrupted journal aside.
 */
export function openDeploymentJournal(
  chainId: number,
  ignitionFolder: string | undefined,
  { anew = false }: { readonly anew?: boolean } = {},
): DeploymentJournal {
  const id = `chain-${chainId}`;
  if (ignitionFolder === undefined) {
    const folder = mkdtempSync(join(tmpdir(), "tributary-deploy-"));
    const close = () => rmSync(folder, { recursive: true, force: true });
    return { ignitionFolder: folder, id, resumes: false, movedTo: undefined, close };
  }
  // Hardhat would look for a relative path in this package.
  const folder = resolve(ignitionFolder);
  const path = join(folder, "deployments", id);
  const exists = existsSync(path);
  const movedTo = exists && (anew || existsSync(join(path, "deployed_addresses.json"))) ? freePath(path) : undefined;
  if (movedTo !== undefined) renameSync(path, movedTo);
  return { ignitionFolder: folder, id, resumes: exists && movedTo === undefined, movedTo, close: () => undefined };
}

function freePath(path: string): string {
  for (let i = 1; ; i += 1) {
    if (!existsSync(`${path}-stale-${i}`)) return `${path}-stale-${i}`;
  }
}
