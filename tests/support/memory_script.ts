/**
 * Runs a script that measures memory, in a process of its own: elsewhere, other
 * tests would count. It can collect garbage (`gc`).
 *
 * @module
 */

/** What the script prints. */
export async function runMemoryScript(
  script: URL,
  ...args: readonly string[]
): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", "--v8-flags=--expose-gc"],
      script.pathname,
      ...args,
    ],
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout);
}
