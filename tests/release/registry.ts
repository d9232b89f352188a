/**
 * A registry like jsr.io, as far as `deno publish`, `deno add`, `deno run` and
 * `deno install` talk to it (`JSR_URL`).
 *
 * @module
 */

/** The files of a version by path, each path with a slash in front. */
type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

interface Version {
  readonly files: Files;
  readonly exports: Readonly<Record<string, string>>;
}

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly exports: string | Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
}

/** Deno 2.9 installs no version that is younger than a day. */
const CREATED = new Date(Date.now() - 3 * 24 * 3_600_000).toISOString();

/** Where packages are published, and where they are got from. */
export class Registry implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #packages = new Map<string, Map<string, Version>>();
  /** What was refused, for the test to say. */
  readonly failures: string[] = [];

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#respond(request),
    );
  }

  /** For `JSR_URL`. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** The files of a published version. */
  files(name: string, version: string): Files | undefined {
    return this.#packages.get(name)?.get(version)?.files;
  }

  /** Adds a folder as a package, without publishing it. */
  async addFolder(folder: URL): Promise<void> {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile) continue;
      files.set(`/${name}`, await Deno.readFile(new URL(name, folder)));
    }
    this.#add(files);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #add(files: Map<string, Uint8Array<ArrayBuffer>>): void {
    const text = new TextDecoder().decode(files.get("/deno.json"));
    const { name, version, exports, imports = {} }: PackageJson = JSON.parse(
      text,
    );
    for (const [path, bytes] of files) {
      if (path.endsWith(".ts")) files.set(path, unfurl(bytes, imports));
    }
    const versions = this.#packages.get(name) ?? new Map<string, Version>();
    versions.set(version, {
      files,
      exports: typeof exports === "string" ? { ".": exports } : exports,
    });
    this.#packages.set(name, versions);
  }

  async #respond(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const body = await request.arrayBuffer();
    const found = pathname.startsWith("/api/")
      ? await this.#api(request.method, pathname, body)
      : await this.#module(pathname);
    if (found !== undefined) return found;
    this.failures.push(`${request.method} ${pathname}`);
    return Response.json({ code: "notFound", message: pathname }, {
      status: 404,
    });
  }

  async #api(
    method: string,
    path: string,
    body: ArrayBuffer,
  ): Promise<Response | undefined> {
    const task = { id: "1", status: "success", error: null };
    if (path.startsWith("/api/publish_status/")) return Response.json(task);
    const { scope, name, version } = path.match(
      /^\/api\/scopes\/(?<scope>[^/]+)\/packages\/(?<name>[^/]+)(\/versions\/(?<version>[^/]+))?$/,
    )?.groups ?? {};
    if (version === undefined) {
      return name === undefined ? undefined : Response.json({ scope, name });
    }
    if (method !== "POST") return undefined;
    this.#add(await untar(new Blob([body])));
    return Response.json({ ...task, packageScope: scope, packageName: name });
  }

  async #module(path: string): Promise<Response | undefined> {
    const { name, rest } = path.match(
      /^\/(?<name>@[^/]+\/[^/]+)\/(?<rest>.+)$/,
    )?.groups ?? {};
    const versions = this.#packages.get(name ?? "");
    if (name === undefined || rest === undefined || versions === undefined) {
      return undefined;
    }
    if (rest === "meta.json") {
      const [scope, short] = name.slice(1).split("/");
      const all = [...versions.keys()];
      return Response.json({
        scope,
        name: short,
        latest: all.at(-1),
        versions: Object.fromEntries(
          all.map((version) => [version, { createdAt: CREATED }]),
        ),
      });
    }
    const [, metaOf] = rest.match(/^(.+)_meta\.json$/) ?? [];
    if (metaOf !== undefined) {
      const version = versions.get(metaOf);
      return version && Response.json({
        exports: version.exports,
        manifest: await manifest(version.files),
      });
    }
    const [version = "", ...parts] = rest.split("/");
    const bytes = versions.get(version)?.files.get(`/${parts.join("/")}`);
    return bytes && new Response(bytes, {
      headers: {
        "Content-Type": path.endsWith(".ts")
          ? "application/typescript"
          : "application/octet-stream",
      },
    });
  }
}

/** Imports by bare name become what the package's `deno.json` says. */
function unfurl(
  bytes: Uint8Array<ArrayBuffer>,
  imports: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  let text = new TextDecoder().decode(bytes);
  for (const [name, target] of Object.entries(imports)) {
    text = text.replaceAll(`from "${name}"`, `from "${target}"`);
    text = text.replaceAll(`from "${name}/`, `from "${target}/`);
  }
  return new TextEncoder().encode(text);
}

async function manifest(files: Files) {
  const entries: [string, { size: number; checksum: string }][] = [];
  for (const [path, bytes] of files) {
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    const hex = [...new Uint8Array(digest)]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    entries.push([path, { size: bytes.length, checksum: `sha256-${hex}` }]);
  }
  return Object.fromEntries(entries);
}

/** The plain files of a `.tar.gz`. */
async function untar(
  archive: Blob,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const stream = archive.stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const text = (from: number, length: number) =>
    new TextDecoder().decode(bytes.subarray(from, from + length))
      .replace(/\0.*$/s, "");
  let at = 0;
  while (at + 512 <= bytes.length && bytes[at] !== 0) {
    const prefix = text(at + 345, 155);
    const name = (prefix === "" ? "" : `${prefix}/`) + text(at, 100);
    const size = parseInt(text(at + 124, 12), 8);
    const kind = text(at + 156, 1);
    if (kind === "0" || kind === "") {
      const path = `/${name.replace(/^\.?\//, "")}`;
      files.set(path, bytes.slice(at + 512, at + 512 + size));
    } else if (kind !== "5") {
      throw new Error(`Cannot unpack ${name}: it is of the kind ${kind}`);
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
