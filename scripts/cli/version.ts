import { existsSync, readFileSync } from "node:fs";

/** The version in this package's package.json, which is above this file, further up once compiled. */
export function readVersion(): string {
  for (let folder = new URL(".", import.meta.url); folder.pathname !== "/"; folder = new URL("..", folder)) {
    const file = new URL("package.json", folder);
    if (!existsSync(file)) continue;
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof content !== "object" || content === null || !("version" in content)) continue;
    return String(content.version);
  }
  return "unknown";
}
