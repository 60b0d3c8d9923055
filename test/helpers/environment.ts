/** The environment of a tested program, without this process's keys and settings. */
export function cleanEnvironment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  // Starting a program takes half as long with compiled code at hand; the test runner names the folder.
  const { PATH = "", NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }), ...env };
}
