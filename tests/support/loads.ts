/**
 * What a module of the project loads when it is imported.
 *
 * @module
 */

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

/**
 * All modules but those of dynamic imports: files as their paths from the root,
 * others as they are written.
 */
export async function loads(path: string): Promise<string[]> {
  const root = new URL("../../", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", path],
    cwd: root,
  }).output();
  const { modules }: { modules: Module[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const loaded = new Set<string>([new URL(path, root).href]);
  for (const specifier of loaded) {
    const module = modules.find((module) => module.specifier === specifier);
    for (const { code, isDynamic } of module?.dependencies ?? []) {
      if (code?.specifier !== undefined && !isDynamic) {
        loaded.add(code.specifier);
      }
    }
  }
  return [...loaded].map((specifier) => specifier.replace(root.href, ""));
}
