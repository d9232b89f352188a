/**
 * The examples of `--help`, as they stand, in a shell. Only their ports are
 * replaced by free ones, and programs that are not installed by stand-ins.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS, type Example } from "../../src/cli/commands.ts";
import { certificates } from "../support/certificates.ts";
import { freePort } from "../support/free_port.ts";
import { cli, PROGRAM, type Running } from "./session.ts";

/** What an example prints or writes; one without an end is ended by then. */
interface Effect {
  readonly stdout?: RegExp;
  readonly stderr?: RegExp;
  readonly file?: readonly [name: RegExp, content: RegExp];
  /** @default the end is ours, by a signal */
  readonly code?: number;
}

/** By their jobs. */
const EFFECTS: Readonly<Record<string, Effect>> = {
  "Watch a feed and filter it": { stdout: /^0\n10\n/ },
  "Make one request": { stdout: /^{"op":"time"}\n$/, code: 0 },
  "Authenticate and subscribe, again after each reconnect": {
    stdout: /^{"op":"subscribe"}\n/,
  },
  "Log for days, one complete file an hour": {
    file: [/^logs\/[\d-]+\/\d\d\.ndjson/, /"type":"message"/],
  },
  "Monitor from cron, by exit code": { stdout: /^$/, code: 0 },
  "Bridge into a broker": { stdout: /^-t feed -l\n{"seq":0,/ },
  "Bridge from a broker, without loss over a restart": {
    stdout: /^out\n$/,
    code: 0,
  },
  "Send a file as one binary message, and keep the answer": {
    file: [/^answer\.jpg$/, /^jpeg\n$/],
    code: 0,
  },
  "Fail over to a second server, and see everything that happens": {
    stdout: /"type":"error".*CONNECT[^]*"type":"message"/,
  },
  "Measure the round-trip time": { stdout: /5 sent, 5 answered/, code: 0 },
  "Measure with the server's own heartbeat message": { stdout: /seq=1 time=/ },
  "Debug a 401": { stdout: /HTTP +401 [^]*credentials/, code: 3 },
  "See when a certificate expires": { stdout: /^\d{4}-\d\d-\d\dT/, code: 0 },
  "Record ten minutes of a feed": {
    file: [/^feed\.ndjson\.part$/, /"t":\d/],
  },
  "Load a server, ten times as fast": { stdout: /^$/, code: 0 },
  "Run a mock server": { stderr: /replaying feed\.ndjson on ws:/ },
  "Break connections, each time in the same way": { stderr: /--seed 7/ },
  "See the client survive five faults": { stdout: /RX: hello/ },
};

/** Beside these servers all others run. */
const SERVERS = [
  "Run a feed",
  "Run an echo server, and see what clients send",
  "Refuse every client",
  "Serve over TLS",
];

const EXAMPLES = COMMANDS.filter(({ name }) => name !== "completions")
  .flatMap(({ examples }) => examples);

Deno.test({
  name: "every example of --help runs as it stands",
  ignore: Deno.build.os === "windows",
  fn: async (t) => {
    const jobs = EXAMPLES.map(({ job }) => job);
    const tested = [...SERVERS, ...Object.keys(EFFECTS)];
    assertEquals(jobs.toSorted(), tested.toSorted());
    const folder = await prepare();
    const port = freePorts();
    const run = ({ lines }: Example) => start(port(lines.join("\n")), folder);
    const exampleOf = (job: string) =>
      EXAMPLES.find((example) => example.job === job) ?? { job, lines: [] };
    const servers = SERVERS.map((job) => run(exampleOf(job)));
    for (const server of servers) await server.stderr.waitFor("listening on");
    for (const [job, effect] of Object.entries(EFFECTS)) {
      await t.step(job, () => check(run(exampleOf(job)), effect, folder));
    }
    for (const server of servers) await end(server);
    await Deno.remove(folder, { recursive: true });
  },
});

/** A folder with the files that the examples name, and their programs. */
async function prepare(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const { good } = await certificates();
  const files = {
    "token": "secret\n",
    "subscribe.json": '{"op":"subscribe"}\n',
    "photo.jpg": "jpeg\n",
    "cert.pem": good.cert,
    "key.pem": good.key,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const programs = {
    "ws-stream": `exec '${Deno.execPath()}' run -qA '${PROGRAM}' "$@"`,
    "mosquitto_pub": 'echo "$*"; cat',
    "mosquitto_sub": "echo out",
    "mail": "cat",
  };
  await Deno.mkdir(`${folder}/bin`);
  for (const [name, script] of Object.entries(programs)) {
    const text = `#!/bin/sh\n${script}\n`;
    await Deno.writeTextFile(`${folder}/bin/${name}`, text, { mode: 0o755 });
  }
  return folder;
}

/** Puts a free port for each that an example has, always the same one. */
function freePorts(): (line: string) => string {
  const free = new Map<string, string>();
  return (line) =>
    line.replace(/\b(80|84|90)\d\d\b/g, (port) => {
      const found = free.get(port) ?? String(freePort());
      free.set(port, found);
      return found;
    });
}

/** In a process group of its own, so that all of a pipe can be ended. */
function start(line: string, folder: string): Running {
  return cli(line).program("setsid", "bash", "-c").in(folder)
    .env({ PATH: `${folder}/bin:${Deno.env.get("PATH")}` }).start();
}

async function end(running: Running): Promise<void> {
  const args = ["-TERM", "--", `-${running.pid}`];
  await new Deno.Command("kill", { args }).output();
  await running.end;
}

async function check(
  running: Running,
  { stdout, stderr, file, code }: Effect,
  folder: string,
): Promise<void> {
  if (code === undefined) {
    if (stdout !== undefined) await running.stdout.waitFor(stdout);
    if (stderr !== undefined) await running.stderr.waitFor(stderr);
    if (file !== undefined) await written(folder, file);
    return await end(running);
  }
  const ended = await running.end;
  assertEquals(ended.code, code, ended.stderr);
  if (stdout !== undefined) assertMatch(ended.stdout, stdout);
  if (file !== undefined) assert(contains(folder, file));
}

/** Waits until a file of that name has that content. */
async function written(
  folder: string,
  file: NonNullable<Effect["file"]>,
): Promise<void> {
  const watcher = Deno.watchFs(folder);
  if (contains(folder, file)) return watcher.close();
  for await (const _ of watcher) if (contains(folder, file)) return;
}

function contains(
  folder: string,
  [name, content]: NonNullable<Effect["file"]>,
): boolean {
  return paths(folder).some((path) =>
    name.test(path.slice(folder.length + 1)) &&
    content.test(Deno.readTextFileSync(path))
  );
}

function paths(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? paths(path) : [path];
  });
}
