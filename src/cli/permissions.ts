/**
 * The permissions that a run needs. Missing ones are named before anything
 * starts. Deno's own question would name an internal function, and would block a
 * program without a terminal.
 *
 * @module
 */

import { UsageError } from "./args/values.ts";

/** Something that a run has to be allowed. */
export type Need =
  | { readonly kind: "net"; readonly host: string }
  | { readonly kind: "read"; readonly path: string }
  | { readonly kind: "write"; readonly path: string };

/** How this program was started, as far as its permissions go. */
export interface Launch {
  /** It was made by `deno compile`. */
  readonly standalone: boolean;
  /** Where its code is from. */
  readonly mainModule: string;
  /** The permissions that it has without a limit. */
  readonly granted: readonly Deno.PermissionName[];
}

/** Thrown before anything starts; exit code 2. */
export class MissingPermissionError extends UsageError {
  override readonly name = "MissingPermissionError";
}

const PORTS: Readonly<Record<string, string>> = {
  "ws:": "80",
  "wss:": "443",
  "http:": "80",
  "https:": "443",
  "socks5:": "1080",
};

/** What connecting to a URL, or through a proxy, needs. */
export function netNeed(url: string): Need {
  const { hostname, port, protocol } = new URL(url);
  return { kind: "net", host: `${hostname}:${port || PORTS[protocol]}` };
}

/** What connecting to a WebSocket server needs. */
export function urlNeeds(url: string): Need[] {
  const { protocol, pathname } = new URL(url);
  if (protocol !== "ws+unix:") return [netNeed(url)];
  const [encoded = pathname] = pathname.split(":");
  const path = decodeURIComponent(encoded);
  const net: Need = { kind: "net", host: `unix:${path}` };
  return [...fileNeeds(path), ...(isKnown(net) ? [net] : [])];
}

/** Deno 2.6 knows no permission for Unix sockets besides those of the file. */
function isKnown(need: Need): boolean {
  try {
    isMet(need);
    return true;
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return false;
  }
}

/** What listening on an address needs. */
export function listenNeed(
  hostname: string,
  port: number,
): Extract<Need, { kind: "net" }> {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return { kind: "net", host: `${host}:${port}` };
}

/** What writing a file under its final name needs: renaming reads too. */
export function fileNeeds(path: string): Need[] {
  return [{ kind: "read", path }, { kind: "write", path }];
}

/**
 * Makes sure that everything is allowed.
 * @throws {MissingPermissionError} with the exact flags
 */
export function requirePermissions(needs: readonly Need[]): void {
  const missing = needs.filter((need) => !isMet(need));
  if (missing.length === 0) return;
  throw new MissingPermissionError(
    permissionHint(missing, needs, {
      standalone: Deno.build.standalone,
      mainModule: Deno.mainModule,
      granted: PERMISSIONS.filter((name) => isGranted({ name })),
    }),
  );
}

const PERMISSIONS = [
  "net",
  "read",
  "write",
  "env",
  "run",
  "sys",
  "ffi",
] as const;

function isMet(need: Need): boolean {
  return isGranted(
    need.kind === "net"
      ? { name: "net", host: need.host }
      : { name: need.kind, path: need.path },
  );
}

/** Whether the program has a permission. Deno asks nobody for it. */
export function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/**
 * The missing flags, and a command to run, which depends on how the program was
 * started. The command keeps the permissions that were granted already.
 */
export function permissionHint(
  missing: readonly Need[],
  needs: readonly Need[],
  { standalone, mainModule, granted }: Launch,
): string {
  const flags = permissionFlags(needs);
  const head = `missing permission: ${permissionFlags(missing)}`;
  if (standalone) {
    const kinds = [...new Set(["net", ...needs.map(({ kind }) => kind)])];
    const all = kinds.map((kind) => `--allow-${kind}`).join(" ");
    return `${head}\n` +
      `this program was compiled without it; compile one that has it:\n` +
      `  deno compile ${all} --output ws-stream jsr:@ws-stream/client/cli`;
  }
  if (mainModule.startsWith("file:")) {
    const script = mainModule.split("/").at(-1) ?? mainModule;
    return `${head}\nrun it as:\n  deno run ${flags} ${script} ...`;
  }
  return `${head}\nrun it once with it, or install it again: ` +
    "that keeps what it may do already\n" +
    `  deno run ${flags} ${mainModule} ...\n` +
    `  deno install --global --force ${installFlags(needs, granted)} ` +
    `--name ws-stream ${mainModule}`;
}

/**
 * The granted permissions and the needed ones. Deno does not show which hosts are
 * allowed, so the network is allowed as a whole.
 */
function installFlags(
  needs: readonly Need[],
  granted: readonly Deno.PermissionName[],
): string {
  const kinds = new Set<Deno.PermissionName>(["net", ...granted]);
  const more = needs.filter(({ kind }) => !kinds.has(kind));
  return [
    ...[...kinds].map((kind) => `--allow-${kind}`),
    ...more.length === 0 ? [] : [permissionFlags(more)],
  ].join(" ");
}

function permissionFlags(needs: readonly Need[]): string {
  const values = new Map<Need["kind"], Set<string>>();
  for (const need of needs) {
    const value = need.kind === "net" ? need.host : need.path;
    const sofar = values.get(need.kind) ?? new Set();
    values.set(need.kind, sofar.add(value));
  }
  return [...values]
    .map(([kind, list]) => quoted(`--allow-${kind}=${[...list].join(",")}`))
    .join(" ");
}

/** As a shell wants it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
