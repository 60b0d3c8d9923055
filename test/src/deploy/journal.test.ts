import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { openDeploymentJournal } from "../../../src/deploy/journal.ts";
import { withFolder } from "../../helpers/cli.ts";

describe("openDeploymentJournal", () => {
  it("keeps a development chain's journal in a folder that is removed", () => {
    const journal = openDeploymentJournal(84532, undefined);
    expect(journal.id).to.equal("chain-84532");
    expect(existsSync(journal.ignitionFolder)).to.equal(true);
    journal.close();
    expect(existsSync(journal.ignitionFolder)).to.equal(false);
  });

  it("leaves the journal of an interrupted deployment in its place", async () => {
    await withFolder(async (folder) => {
      mkdirSync(join(folder, "deployments", "chain-84532"), { recursive: true });
      const journal = openDeploymentJournal(84532, folder);
      journal.close();
      expect(journal).to.include({ ignitionFolder: folder, id: "chain-84532", resumes: true, movedTo: undefined });
      expect(readdirSync(join(folder, "deployments"))).to.deep.equal(["chain-84532"]);
    });
  });

  it("moves an interrupted journal aside to begin anew", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "deployments", "chain-84532");
      mkdirSync(path, { recursive: true });
      const journal = openDeploymentJournal(84532, folder, { anew: true });
      expect(journal).to.include({ resumes: false, movedTo: `${path}-stale-1` });
    });
  });

  it("moves journals aside that name a router which the chain does not have, and deletes none", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "deployments", "chain-84532");
      for (const index of [1, 2]) {
        mkdirSync(path, { recursive: true });
        writeFileSync(join(path, "deployed_addresses.json"), "{}");
        expect(openDeploymentJournal(84532, folder).movedTo).to.equal(`${path}-stale-${index}`);
        expect(existsSync(path)).to.equal(false);
      }
      expect(readdirSync(join(folder, "deployments"))).to.have.members(["chain-84532-stale-1", "chain-84532-stale-2"]);
    });
  });
});
