/**
 * The permissions that a run needs. Missing ones are named before anything
 * starts. Deno's own question would name an internal function, and would block a
 * program without a terminal.
 *
 * @module
 */

import { type Address, showAddress, UsageError } from "./args/values.ts";

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
  /** The environment variables that it may read, of those that it uses. */
  readonly variables: readonly string[];
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

/** The permission to connect to a URL, or through a proxy. */
export function netNeed(url: string): Need {
  const { hostname, port, protocol } = new URL(url);
  return { kind: "net", host: `${hostname}:${port || PORTS[protocol]}` };
}

/** The permissions to connect to a WebSocket server. */
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

/** The permission to listen on an address. */
export function listenNeed(address: Address): Need {
  return { kind: "net", host: showAddress(address) };
}

/** The permissions to write a file under its final name: renaming reads too. */
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
      variables: ["HOME", "TERM"].filter((variable) =>
        isGranted({ name: "env", variable })
      ),
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
 * A variable of the environment; undefined if it is empty, or without the
 * permission to read it. Deno asks nobody for that.
 */
export function environmentVariable(variable: string): string | undefined {
  if (!isGranted({ name: "env", variable })) return undefined;
  return Deno.env.get(variable) || undefined;
}

/**
 * The missing flags, and a command to run, which depends on how the program was
 * started. The command keeps the permissions that were granted already.
 */
export function permissionHint(
  missing: readonly Need[],
  needs: readonly Need[],
  launch: Launch,
): string {
  const { standalone, mainModule, granted } = launch;
  const head = `missing permission: ${permissionFlags(missing)}`;
  if (standalone) {
    const kinds = needs.map(({ kind }) => kind)
      .filter((kind) => kind !== "net" && !granted.includes(kind));
    const more = [...new Set(kinds)].map((kind) => `--allow-${kind}`);
    const all = [...keptFlags(withNet(launch)), ...more].join(" ");
    return `${head}\n` +
      `this program was compiled without it; compile one that has it:\n` +
      `  deno compile ${all} --output ws-stream jsr:@ws-stream/client/cli`;
  }
  const run = `deno run ${flagsFor(needs, launch)}`;
  if (mainModule.startsWith("file:")) {
    // With its folder: an installed program is called from another one.
    const script = decodeURIComponent(new URL(mainModule).pathname)
      .replace(/^\/(?=[A-Za-z]:)/, "");
    return `${head}\nrun it as:\n  ${run} ${quoted(script)} ...`;
  }
  return `${head}\nrun it once with it, or install it again: ` +
    "that keeps what it may do already\n" +
    `  ${run} ${mainModule} ...\n` +
    `  deno install --global --force ${flagsFor(needs, withNet(launch))} ` +
    `--name ws-stream ${mainModule}`;
}

/**
 * Adds the whole network, for a program that is made for later runs: Deno does
 * not show which hosts are allowed.
 */
function withNet(launch: Launch): Launch {
  const granted = new Set<Deno.PermissionName>(["net", ...launch.granted]);
  return { ...launch, granted: [...granted] };
}

/** The flags of the granted permissions and of the needed ones. */
function flagsFor(needs: readonly Need[], launch: Launch): string {
  const more = needs.filter(({ kind }) => !launch.granted.includes(kind));
  const flags = more.length === 0 ? [] : [permissionFlags(more)];
  return [...keptFlags(launch), ...flags].join(" ");
}

function keptFlags({ granted, variables }: Launch): string[] {
  const env = granted.includes("env") || variables.length === 0
    ? []
    : [`--allow-env=${variables.join(",")}`];
  return [...granted.map((kind) => `--allow-${kind}`), ...env];
}

function permissionFlags(needs: readonly Need[]): string {
  const values = new Map<Need["kind"], Set<string>>();
  for (const need of needs) {
    const value = need.kind === "net" ? need.host : need.path;
    const sofar = values.get(need.kind) ?? new Set();
    values.set(need.kind, sofar.add(value));
  }
  return [...values].map(([kind, list]) => {
    // A comma cannot be written in such a list: then without a limit.
    const isListable = [...list].every((value) => !value.includes(","));
    return isListable
      ? quoted(`--allow-${kind}=${[...list].join(",")}`)
      : `--allow-${kind}`;
  }).join(" ");
}

/** As a shell wants it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
