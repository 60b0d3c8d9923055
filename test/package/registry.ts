import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { basename, dirname, join } from "node:path";
import { root } from "./project.ts";

type Package = { readonly name: string; readonly version: string; readonly folder: string };

export type Registry = { readonly url: string; readonly close: () => Promise<void> };

/**
 * An npm registry on this machine that has what the checkout has installed, in each version of it. npm installs from it
 * as from any other, so what it makes of peers and ranges is seen without the network.
 */
export async function serveRegistry(): Promise<Registry> {
  const packages = installedPackages();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "/").slice(1);
    const url = `http://${request.headers.host}`;
    const [, name = "", version] = /^(.+)\/-\/(.+)\.tar$/.exec(path) ?? [];
    if (version !== undefined)
      sendTar(
        packages.find((p) => p.name === name && p.version === version),
        response,
      );
    else {
      const versions = packages.filter((p) => p.name === path);
      if (versions.length === 0) response.writeHead(404);
      response.end(
        JSON.stringify(
          packument(
            path,
            versions.map((p) => manifestOf(p, url)),
          ),
        ),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the registry has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function installedPackages(): Package[] {
  const { packages }: { packages: Record<string, { version?: string; name?: string }> } = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  return Object.entries(packages).flatMap(([path, { version, name }]) => {
    const folder = join(root, path);
    if (path === "" || version === undefined || !existsSync(folder)) return [];
    return [{ name: name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length), version, folder }];
  });
}

type Manifest = { readonly version: string; readonly dist: { readonly tarball: string } };

function manifestOf({ name, version, folder }: Package, url: string): Manifest {
  const own = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return { ...own, dist: { tarball: `${url}/${name}/-/${version}.tar` } };
}

function packument(name: string, manifests: readonly Manifest[]): object {
  const versions = Object.fromEntries(manifests.map((entry) => [entry.version, entry]));
  return {
    name,
    "dist-tags": { latest: manifests.at(-1)?.version },
    versions,
  };
}

/**
 * npm also accepts an uncompressed tarball, and drops the first folder of every path in it. Source maps are left out,
 * since nobody reads them.
 */
function sendTar(found: Package | undefined, response: ServerResponse): void {
  if (found === undefined) {
    response.writeHead(404).end();
    return;
  }
  const name = basename(found.folder);
  const tar = spawn("tar", [
    "-cf",
    "-",
    `--exclude=${name}/node_modules`,
    "--exclude=*.map",
    "-C",
    dirname(found.folder),
    name,
  ]);
  tar.stdout.pipe(response);
}
