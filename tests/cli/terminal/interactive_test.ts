import { gzipSync } from "node:zlib";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Commands } from "../../../src/cli/terminal/interactive.ts";
import { decoderOf } from "../../../src/cli/run/input.ts";
import { stderrNotices } from "../../../src/cli/notices.ts";
import { ClientRun } from "../../../src/cli/run/client_run.ts";
import { sentences } from "../../../src/cli/run/connection_events.ts";
import { echo } from "../../../src/server/behaviours.ts";
import { serve } from "../../../src/server/server.ts";
import { Recorder, within } from "../../support/events.ts";
import { hearingEcho } from "../../support/hearing_echo.ts";
import { TempFile } from "../../support/temp_file.ts";
import { cli } from "../session.ts";
import { hasTmux, Tmux, tmuxNote } from "../tmux.ts";

/** A session with an echo server, drawn by tmux. */
function onTerminal(
  name: string,
  body: (
    start: (...args: string[]) => Promise<Tmux>,
    heard: string[],
  ) => Promise<void>,
): void {
  Deno.test({
    name: name + tmuxNote,
    ignore: !hasTmux,
    fn: async () => {
      const heard: string[] = [];
      await using server = serve({ onPeer: hearingEcho(heard) });
      await body((...args) => Tmux.start([server.url, ...args]), heard);
    },
  });
}

onTerminal("what is typed is sent, and the answer is marked", async (start) => {
  await using terminal = await start();
  await terminal.waitFor("connected to");
  await terminal.type("hello");
  await terminal.press("Enter");
  await terminal.waitFor(/^> hello\n< hello\n>$/m);
});

Deno.test({
  name: "Ctrl-Z gives the terminal to the shell, and fg takes it back" +
    tmuxNote,
  // Deno 2.6 may not send itself a signal.
  ignore: !hasTmux || Deno.version.deno.startsWith("2.6."),
  fn: async () => {
    await using server = serve({ onPeer: echo });
    await using shell = await Tmux.run(["bash", "--norc", "-i"]);
    await shell.type(cli(server.url).words.join(" "));
    await shell.press("Enter");
    await shell.waitFor("connected to");
    await shell.type("half ");
    await shell.waitFor("> half");
    await shell.press("C-z");
    await shell.waitFor("Stopped");
    await shell.type("stty -a | grep -o ' icanon'; fg");
    await shell.press("Enter");
    await shell.waitFor(/^ icanon$/m);
    await shell.waitFor(/> half$/);
    await shell.type("a line");
    await shell.press("Enter");
    await shell.waitFor("< half a line");
  },
});

onTerminal("a tab is kept, and shown", async (start, heard) => {
  await using terminal = await start();
  await terminal.type("a\tb");
  await terminal.waitFor("> a⇥b");
  await terminal.press("Enter");
  await terminal.waitFor(/^< a +b$/m);
  assertEquals(heard, ["a\tb"]);
});

onTerminal(
  "pasted JSON of several lines is one message",
  async (start, heard) => {
    await using terminal = await start();
    await terminal.waitFor("connected to");
    const json = '{\n\t"op": "subscribe",\n\t"to": [\n\t\t1\n\t]\n}';
    await terminal.paste(`${json}\n`);
    await terminal.waitFor('> {↵⇥"op": "subscribe"');
    assertEquals(heard, []);
    await terminal.press("Enter");
    await terminal.waitFor(/^< \{"op": "subscribe", "to": \[1\]\}$/m);
    assertEquals(heard, [json]);
  },
);

onTerminal("--raw prints JSON as it came", async (start) => {
  await using terminal = await start("--raw");
  await terminal.type('{"a":[1,2],"b":3}');
  await terminal.press("Enter");
  await terminal.waitFor(/^< \{"a":\[1,2\],"b":3\}$/m);
});

onTerminal("--grep and --timestamps hold on a terminal, too", async (start) => {
  await using terminal = await start("--grep", "^y", "--timestamps");
  await terminal.waitFor("connected to");
  await terminal.type("no");
  await terminal.press("Enter");
  await terminal.type("yes");
  await terminal.press("Enter");
  const screen = await terminal.waitFor(/^< \d{4}-\d\d-\d\dT\S+Z yes$/m);
  assertEquals(screen.includes("Z no"), false);
});

Deno.test({
  name: `--decompress holds on a terminal, too${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using server = serve({
      onPeer: (peer) => void peer.send(new Uint8Array(gzipSync("unpacked"))),
    });
    await using terminal = await Tmux.start([
      ...[server.url, "--decompress", "gzip"],
    ]);
    await terminal.waitFor("< unpacked");
  },
});

onTerminal(
  "the cursor is where the text is, wide characters or not",
  async (start, heard) => {
    await using terminal = await start();
    await terminal.waitFor("connected to");
    await terminal.type("a世界👨‍👩‍👧é");
    await terminal.waitFor("> a世界");
    assertEquals((await terminal.cursor())[0], 2 + 1 + 4 + 2 + 1);
    await terminal.press("Left", "Left", "Left");
    await terminal.type("X");
    await terminal.waitFor("世X界");
    assertEquals((await terminal.cursor())[0], 2 + 1 + 2 + 1);
    await terminal.press("Enter");
    await terminal.waitFor("< a世X界");
    assertEquals(heard, ["a世X界👨‍👩‍👧é"]);
  },
);

onTerminal("Ctrl-R finds what was typed before", async (start, heard) => {
  await using terminal = await start();
  for (const line of ["subscribe one", "unsubscribe", "other"]) {
    await terminal.type(line);
    await terminal.press("Enter");
    await terminal.waitFor(`< ${line}`);
  }
  await terminal.press("C-r");
  await terminal.type("sub");
  await terminal.waitFor('> search "sub": unsubscribe');
  await terminal.press("C-r");
  await terminal.waitFor('> search "sub": subscribe one');
  await terminal.press("Enter");
  await terminal.waitFor(/(< subscribe one[^]*){2}/);
  assertEquals(heard.at(-1), "subscribe one");
});

onTerminal("a status line is broken between words", async (start) => {
  await using terminal = await start(
    ...["--no-reconnect", "--on-open", "x", "--await", "never"],
    ...["--connect-timeout", "300ms"],
  );
  await terminal.end();
  const screen = await terminal.screen();
  for (const line of screen.split("\n")) assert(line.length <= 80, line);
});

Deno.test({
  name: `text from the network does not drive the terminal${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using server = serve({
      onPeer: async (peer) => {
        await peer.send("evil\x1b[2J\x1b]0;title\x07 text");
      },
    });
    await using terminal = await Tmux.start([server.url]);
    await terminal.waitFor("< evil\\x1b[2J\\x1b]0;title\\x07 text");
  },
});

Deno.test({
  name: `what arrives while somebody types leaves the line as it is${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using server = serve({
      onPeer: (peer) => {
        peer.onmessage = (data) => peer.send(data);
      },
    });
    await using terminal = await Tmux.start([server.url]);
    await terminal.waitFor("connected to");
    await terminal.type("half a li");
    await terminal.waitFor("> half a li");
    for (const peer of server.peers) await peer.send("in between");
    await terminal.waitFor(/< in between\n> half a li$/);
    await terminal.type("ne");
    await terminal.press("Enter");
    await terminal.waitFor("< half a line");
  },
});

onTerminal("the commands do what /help says", async (start, heard) => {
  await using terminal = await start(
    ...["--ping", "are you there", "--pong", "^are you there$"],
  );
  await terminal.waitFor("connected to");
  const enter = async (line: string) => {
    await terminal.type(line);
    await terminal.press("Enter");
  };
  await enter("/help");
  await terminal.waitFor("//TEXT");
  await enter("/ping");
  await terminal.waitFor(/answered after [\d.]+ ms/);
  assertEquals(heard, ["are you there"]);
  await enter("/stats");
  await terminal.waitFor(/open: received \d+ message/);
  await enter("/nonsense");
  await terminal.waitFor("there is no /nonsense");
  await enter("//slash");
  await terminal.waitFor("< /slash");
  await enter("/reconnect");
  await terminal.waitFor("connected again");
  await enter("/close 4000 so long");
  assertEquals(await terminal.end(), 0);
});

onTerminal("/ping over tcp is a protocol ping", async (start, heard) => {
  await using terminal = await start("--transport", "tcp");
  await terminal.waitFor("connected to");
  for (let i = 1; i <= 2; i++) {
    await terminal.type("/ping");
    await terminal.press("Enter");
    await terminal.waitFor(new RegExp(`(answered after [^]*){${i}}`));
  }
  assertEquals(heard, []);
});

onTerminal(
  "/ping says what it needs where no answer could be told",
  async (start, heard) => {
    await using terminal = await start("--ping", "are you there");
    await terminal.waitFor("connected to");
    await terminal.type("/ping");
    await terminal.press("Enter");
    await terminal.waitFor("/ping needs");
    assertEquals(heard, []);
  },
);

onTerminal(
  "Ctrl-D leaves with 0, Ctrl-C by the signal with a summary",
  async (start) => {
    await using first = await start();
    await first.waitFor("connected to");
    await first.press("C-d");
    assertEquals(await first.end(), 0);
    await using second = await start();
    await second.waitFor("connected to");
    await second.press("C-c");
    assertEquals(await second.end(), 130);
    assertMatch(await second.screen(), /received 0 messages, sent 0 messages/);
  },
);

Deno.test({
  name: `the terminal is as it was${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using server = serve({ onPeer: () => {} });
    const line =
      'trap : INT; before=$(stty -a); "$@"; test "$before" = "$(stty -a)" && echo restored';
    const { words } = cli(server.url);
    await using terminal = await Tmux.run([
      "bash",
      "-c",
      line,
      "bash",
      ...words,
    ]);
    await terminal.waitFor("connected to");
    await terminal.press("C-c");
    await terminal.waitFor("restored");
  },
});

Deno.test({
  name:
    `the history outlives the program, but not what began with a space${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    using temp = new TempFile();
    await using server = serve({
      onPeer: (peer) => {
        peer.onmessage = (data) => peer.send(data);
      },
    });
    const home = temp.folder;
    const options = {
      env: { HOME: home },
      allow: [
        ...["--allow-net", "--allow-env=HOME"],
        `--allow-read=${home}/.ws-stream-history`,
        `--allow-write=${home}/.ws-stream-history`,
      ],
    };
    {
      await using terminal = await Tmux.start([server.url], options);
      await terminal.waitFor("connected to");
      await terminal.type("first");
      await terminal.press("Enter");
      await terminal.type(" secret");
      await terminal.press("Enter");
      await terminal.waitFor("<  secret");
    }
    await using terminal = await Tmux.start([server.url], options);
    await terminal.waitFor("connected to");
    await terminal.press("Up", "Up");
    await terminal.waitFor("> first");
  },
});

Deno.test({
  name: `a --history that cannot be kept is told before the start${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using terminal = await Tmux.start(
      ["ws://127.0.0.1:9", "--history", "/no/such/folder/history"],
      { allow: ["--allow-net", "--allow-read", "--allow-write"] },
    );
    await terminal.waitFor("--history cannot be kept in /no/such/folder");
    assertEquals(await terminal.end(), 2);
  },
});

Deno.test({
  name: `TERM=dumb gets neither colours nor a line editor${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using server = serve({
      onPeer: (peer) => {
        peer.onmessage = (data) => peer.send(data);
      },
    });
    const { words } = cli(server.url).allow("--allow-net", "--allow-env=TERM");
    await using terminal = await Tmux.run(
      ["script", "-qec", `env TERM=dumb ${words.join(" ")}`, "/dev/null"],
    );
    await terminal.waitFor("connected to");
    await terminal.type("hello");
    await terminal.press("Enter");
    await terminal.waitFor("< hello");
    assertEquals((await terminal.colored()).includes("\x1b"), false);
    await terminal.type("/help");
    await terminal.press("Enter");
    const screen = await terminal.waitFor("//TEXT");
    // The terminal edits lines here, and knows no such keys.
    assertEquals(screen.includes("Ctrl-R"), false);
    await terminal.type("/quit");
    await terminal.press("Enter");
    assertEquals(await terminal.end(), 0);
  },
});

function commands(
  form: "hex" | undefined = undefined,
  url = "ws://127.0.0.1:9",
  quiet = false,
) {
  const printed: string[] = [];
  const ignore = () => {};
  const run = new ClientRun({
    config: { url, sendQueueMaxSize: 2, initialBackoff: 1 },
    events: sentences({
      isQuiet: true,
      good: ignore,
      trouble: ignore,
      detail: ignore,
      trace: ignore,
    }),
    deliver: ignore,
  });
  const it = new Commands(run, {
    notices: stderrNotices(
      { quiet, verbose: 1, color: "never" },
      { print: (line) => printed.push(line), prefix: "•", isTerminal: false },
    ),
    decode: decoderOf(form),
    ping: undefined,
    hasEditor: true,
    suspend: () => {},
  });
  const say = (text: string) => it.onEvent({ kind: "line", text });
  return { printed, run, it, say };
}

Deno.test("what cannot be sent at once is told at once, even with -q", () => {
  const { printed, say, run } = commands(undefined, undefined, true);
  ["one", "//two", "three"].forEach(say);
  assertEquals(printed, ["• not sent: the queue is full"]);
  assertEquals(run.client.stats.queued, 2);
});

Deno.test("what is not of the form of --binary is told", () => {
  const { printed, say, run } = commands("hex");
  say("zz");
  assertMatch(printed.join(), /must be hex: got "zz"/);
  assertEquals(run.client.stats.queued, 0);
});

Deno.test("/close takes what a close frame takes, and nothing else", () => {
  const { printed, say, run } = commands();
  say("/close 999");
  say("/close 1001");
  say("/close 3000.5");
  say("/close now");
  say("/close 5000");
  say("/close 3000 " + "ü".repeat(62));
  assertEquals(printed, [
    ...Array(5).fill("• a close code is 1000 or 3000 to 4999"),
    "• a reason has at most 123 bytes",
  ]);
  assertEquals(run.isOver, false);
  say("/close 3000 enough of it");
  assertEquals(run.isOver, true);
});

/** Types at the prompt, with a server that notes its connections. */
async function typeTo(
  runInteractive: (
    say: (text: string) => void,
    heard: Recorder<{ open: null; message: string; close: string }>,
  ) => Promise<void>,
) {
  const heard = new Recorder<{ open: null; message: string; close: string }>();
  await using server = serve({
    onPeer: (peer) => {
      heard.add("open", null);
      peer.onmessage = (data) => heard.add("message", String(data));
      peer.closed.then(({ code, reason }) =>
        heard.add("close", `${code} ${reason}`)
      );
    },
  });
  const { run, say, printed } = commands(undefined, server.url);
  const ended = run.run();
  await heard.next("open");
  await run.opened;
  await runInteractive(say, heard);
  const { status } = await within(ended, "the end");
  return { status, printed };
}

Deno.test("what is typed is sent, with // for a leading /", async () => {
  const { status, printed } = await typeTo(async (say, heard) => {
    ["hello", "//me", " /no command", "/close"].forEach(say);
    await heard.next("close");
    assertEquals(heard.all("message"), ["hello", "/me", " /no command"]);
    assertEquals(heard.all("close"), ["1000 "]);
  });
  assertEquals(status, 0);
  assertEquals(printed, []);
});

Deno.test("/close says its code and its words, as many as a close frame holds", async () => {
  await typeTo(async (say, heard) => {
    say(`/close 4999 so long ${"x".repeat(115)}`);
    assertEquals(await heard.next("close"), `4999 so long ${"x".repeat(115)}`);
  });
});

Deno.test("a command that there is not is told, and not sent", () => {
  const { printed, say, run } = commands();
  say("/pnig");
  assertEquals(printed, [
    "• there is no /pnig; /help lists all, //TEXT sends /TEXT",
  ]);
  assertEquals(run.client.stats.queued, 0);
});
