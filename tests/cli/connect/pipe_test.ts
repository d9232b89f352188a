import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { echo, feed } from "../../../src/server/behaviours.ts";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { installed, testWith } from "../../support/foreign_server.ts";
import { cli } from "../session.ts";

Deno.test({
  name:
    "a reader that stalls costs no memory and no line, and the heartbeat forgives it",
  // Where else could one read how much memory a process has?
  ignore: Deno.build.os !== "linux",
  fn: stalledReader,
});

testWith(
  await installed("bash", "--version"),
  "whoever closes our pipe ends the program with 0, at once",
  async () => {
    await using server = serve({ onPeer: feed({ rate: 200 }) });
    const { words } = cli(server.url, "--json");
    // The exit code of the first program counts.
    const pipeline = '"$@" | head -1; exit ${PIPESTATUS[0]}';
    const result = await cli()
      .program("bash", "-c", pipeline, "bash", ...words).run();
    assertEquals(result.stdout.split("\n").length, 2);
    assertEquals(result.stderr, "");
    assertEquals(result.code, 0);
  },
);

/** Runs a program whose stdout is a full pipe that does not block. */
const NOT_BLOCKING = `
import fcntl, os, struct, subprocess, sys, termios, time
reader, writer = os.pipe()
flags = fcntl.fcntl(writer, fcntl.F_GETFL)
fcntl.fcntl(writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
child = subprocess.Popen(sys.argv[1:], stdout=writer)
os.close(writer)
held = 0
while held < 60000 and child.poll() is None:
    time.sleep(0.01)
    size = fcntl.ioctl(reader, termios.FIONREAD, b"1234")
    held = struct.unpack("i", size)[0]
time.sleep(0.2)
left = int(os.environ["MOST"])
while left > 0 and (data := os.read(reader, 65536)):
    os.write(1, data)
    left -= len(data)
os.close(reader)
sys.exit(child.wait())
`;

for (const flags of [[], ["-0"], ["--format", "%s"]]) {
  testWith(
    await installed("python3", "--version"),
    `a full pipe that does not block loses and repeats nothing ${flags}`,
    async () => {
      const count = 40_000;
      const message = (i: number) => `${i} ${"x".repeat(i % 97)};`;
      await using server = serve({
        onPeer: feed({ rate: Infinity, count, message }),
      });
      const end = flags[0] === "-0" ? "\0" : flags.length > 0 ? "" : "\n";
      const expected = Array.from({ length: count }, (_, i) => message(i) + end)
        .join("");
      const { words } = cli(server.url, "-n", String(count), ...flags);
      const { stdout, code } = await cli()
        .env({ MOST: String(2 * expected.length) })
        .program("python3", "-c", NOT_BLOCKING, ...words).run();
      assert(stdout === expected, `${stdout.length} of ${expected.length}`);
      assertEquals(code, 0);
    },
  );
}

/** Makes a full pipe that does not block; `full` is the number of its bytes. */
const FULL_PIPE = `
import os, sys
reader, writer = os.pipe()
os.set_blocking(writer, False)
full = 0
try:
    while True:
        full += os.write(writer, b"x" * 4096)
except BlockingIOError:
    pass
`;

/** Runs a program whose stdout is full, and interrupts it after a line of input. */
const FULL = `
import signal, subprocess
${FULL_PIPE}
os.set_blocking(writer, True)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=writer)
os.close(writer)
sys.stdin.readline()
child.send_signal(signal.SIGINT)
print(child.wait())
`;

testWith(
  await installed("python3", "--version"),
  "a signal ends the program though its pipe was full when it began",
  async () => {
    const sent = Promise.withResolvers<void>();
    await using server = serve({
      onPeer: async (peer) => {
        for (let i = 0; i < 20; i++) {
          peer.send(`${i}`);
          await peer.flush();
        }
        peer.onmessage = () => sent.resolve();
      },
    });
    // The answer shows that the program has received them.
    const flags = [
      "--ping",
      "ping",
      "--pong",
      "pong",
      "--ping-interval",
      "50ms",
    ];
    const { words } = cli(server.url, ...flags);
    const session = cli().program("python3", "-c", FULL, ...words).typing()
      .start();
    await sent.promise;
    await session.type("now\n");
    const { stdout, stderr } = await session.end;
    assertMatch(stdout, /^(-2|130)$/m);
    assertMatch(stderr, /of output were not written: the reader was too slow/);
  },
);

testWith(
  await installed("python3", "--version"),
  "a pipe that does not block is read to its end",
  async () => {
    await using server = serve({ onPeer: echo });
    const { words } = cli(server.url, "--linger", "200ms");
    const script = `
import fcntl, os, subprocess, sys
reader, writer = os.pipe()
flags = fcntl.fcntl(reader, fcntl.F_GETFL)
fcntl.fcntl(reader, fcntl.F_SETFL, flags | os.O_NONBLOCK)
child = subprocess.Popen(sys.argv[1:], stdin=reader, stdout=subprocess.PIPE)
os.close(reader)
for line in [b"one\\n", b"two\\n"]:
    os.write(writer, line)
    os.write(1, child.stdout.readline())
os.close(writer)
sys.exit(child.wait())
`;
    const { stdout, stderr, code } = await cli()
      .program("python3", "-c", script, ...words).run();
    assertEquals([stdout, stderr, code], ["one\ntwo\n", "", 0]);
  },
);

testWith(
  await installed("python3", "--version"),
  "a stderr that is full and does not block gets its lines later",
  async () => {
    await using server = serve({ onPeer: echo });
    const { words } = cli(server.url, "-v");
    const script = `
import subprocess
${FULL_PIPE}
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=writer)
os.close(writer)
child.stdin.write(b"hello\\n")
child.stdin.flush()
child.stdout.readline()
child.stdin.close()
sys.stdout.buffer.write(open(reader, "rb").read().lstrip(b"x"))
sys.exit(child.wait())
`;
    const { stdout, code } = await cli()
      .program("python3", "-c", script, ...words).run();
    assertMatch(stdout, /^ws-stream: connected to /m);
    assertEquals(code, 0);
  },
);

/** Runs a program one of whose streams is full and does not block. */
const LATE_READER = `
import subprocess
${FULL_PIPE}
child = subprocess.Popen(sys.argv[2:], **{sys.argv[1]: writer})
os.close(writer)
try:
    child.wait(1)
except subprocess.TimeoutExpired:
    pass
sys.stdout.buffer.write(open(reader, "rb").read()[full:])
sys.stdout.flush()
sys.exit(child.wait())
`;

for (
  const [stream, ...args] of [
    ["stdout", "completions", "zsh"],
    ["stderr", "--bogus"],
  ] as const
) {
  testWith(
    await installed("python3", "--version"),
    `a ${stream} that is full and does not block gets the whole text of ${
      args[0]
    }`,
    async () => {
      const session = cli(...args);
      const expected = await session.run();
      const { stdout, code } = await cli()
        .program("python3", "-c", LATE_READER, stream, ...session.words).run();
      assertEquals(stdout, expected[stream]);
      assertEquals(code, expected.code);
    },
  );
}

Deno.test("an output that cannot be written is told before anything starts", async () => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "a file, no folder");
  const { code, stderr } = await cli(
    ...["ws://127.0.0.1:9", "-o", `${temp.path}/feed.txt`],
  ).allow("--allow-net", "--allow-read", "--allow-write").run();
  assertMatch(stderr, /^ws-stream: --output \S+ cannot be written: .*mkdir/);
  assertEquals(code, 2);
});

Deno.test("a line of a quiet feed waits for no other line", async () => {
  await using server = serve({ onPeer: echo });
  const session = cli(server.url).typing().start();
  await session.type("warm up\n");
  await session.stdout.waitFor("warm up\n");
  for (let i = 0; i < 20; i++) {
    await session.type(`${i}.\n`);
    await session.stdout.waitFor(`\n${i}.\n`);
  }
  await session.close();
  await session.end;
});

async function stalledReader() {
  const count = 60_000;
  const filler = "x".repeat(1000);
  await using server = serve({
    onPeer: (peer) => {
      const done = feed({
        rate: Infinity,
        count,
        message: (number) => `${number} ${filler}`,
      })(peer);
      peer.onmessage = (data) => peer.send(data);
      return done;
    },
  });
  const session = cli(
    server.url,
    ...["--no-reconnect", "--ping", "ping", "--pong", "^ping$"],
    ...["--ping-interval", "300ms", "--ping-timeout", "300ms"],
  ).start();
  session.stdout.pause();
  await session.stdout.waitFor("x");
  const before = await residentMemory(session.pid);
  // The one thing that shows that nothing happens is time.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const grown = await residentMemory(session.pid) - before;
  session.stdout.resume();
  const { stdout, stderr, code } = await session.end;
  assertLess(grown, 40e6);
  const numbers = stdout.trimEnd().split("\n").map((line) => parseInt(line));
  assertEquals(numbers.length, count);
  assert(numbers.every((number, i) => number === i));
  assertEquals(stderr, "");
  assertEquals(code, 0);
}

/** In bytes. */
async function residentMemory(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(status) ?? [];
  return Number(kib) * 1024;
}
