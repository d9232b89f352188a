/**
 * The commands: how each is called, what it does, and where its code is. The code
 * is loaded when it is needed, so that a pipe does not wait for a server's code.
 *
 * @module
 */

import type { CommandName } from "./args/flag.ts";
import type { Flags } from "./args/flags.ts";
import type { ExitStatus } from "./exit_status.ts";

/** What a command is called with. */
export interface Invocation {
  readonly flags: Flags;
  /** The words that are no flags. */
  readonly operands: readonly string[];
}

/** One command of the program. */
export interface Command {
  readonly name: CommandName;
  /** What follows the program's name. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** Command lines with what they do. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** Loads its code. */
  readonly load: () => Promise<CommandModule>;
}

/** The code of a command. */
export interface CommandModule {
  /**
   * Does it.
   * @throws {UsageError} before anything was started
   * @throws {MissingPermissionError} before anything was started
   */
  readonly run: (invocation: Invocation) => Promise<ExitStatus>;
}

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    name: "connect",
    usage: "[connect] URL...",
    summary: "Sends lines of stdin, prints messages",
    examples: [
      [
        "ws-stream wss://example.com/feed | jq .price",
        "Messages into a pipe; reconnects by itself.",
      ],
      [
        `echo '{"op":"time"}' | ws-stream wss://example.com/api`,
        "A request and its answers: ends when none has come for a second.",
      ],
      [
        `ws-stream wss://h.example --bearer-file token --on-open '{"op":"sub"}'`,
        "Authenticates and subscribes, after each reconnect again.",
      ],
      [
        "ws-stream wss://a.example.com wss://b.example.com --json -n 100",
        "Failover; a hundred messages as JSON events, then 0.",
      ],
      [
        "ws-stream wss://example.com -o 'feeds/{date}/{hour}.ndjson'",
        "One complete file an hour.",
      ],
    ],
    load: () => import("./commands/connect.ts"),
  },
  {
    name: "serve",
    usage: "serve [ADDR]",
    summary: "A server to test a client against",
    examples: [
      ["ws-stream serve 9000", "Echoes on ws://127.0.0.1:9000."],
      [
        "ws-stream serve --feed --chaos drop=1%,half-open@30s --seed 7",
        "A feed whose links break, each time in the same way.",
      ],
    ],
    load: () => import("./serve/serve.ts"),
  },
  {
    name: "demo",
    usage: "demo",
    summary: "Breaks a link again and again, and loses nothing",
    examples: [["ws-stream demo", "Needs no network; takes some seconds."]],
    load: () => import("./demo/demo.ts"),
  },
  {
    name: "ping",
    usage: "ping URL",
    summary: "Round-trip times of messages",
    examples: [
      [
        "ws-stream ping -n 5 wss://echo.example.com",
        "Of a server that echoes.",
      ],
      [
        `ws-stream ping wss://example.com --message '{"op":"ping"}' --pong pong`,
        "Of a server with a heartbeat of its own.",
      ],
    ],
    load: () => import("./ping/ping.ts"),
  },
  {
    name: "probe",
    usage: "probe URL",
    summary: "Why can I not connect? Step by step",
    examples: [
      [
        "ws-stream probe wss://example.com/feed",
        "DNS, TCP, TLS, HTTP, WebSocket: times, certificate, headers, advice.",
      ],
    ],
    load: () => import("./probe/probe.ts"),
  },
  {
    name: "record",
    usage: "record URL -o FILE",
    summary: "Writes what comes, with its time",
    examples: [
      [
        "ws-stream record wss://example.com/feed -o feed.ndjson --timeout 10m",
        "Ten minutes of a feed, for replay.",
      ],
    ],
    load: () => import("./replay/record.ts"),
  },
  {
    name: "replay",
    usage: "replay FILE [URL]",
    summary: "Sends what was recorded, at its times",
    examples: [
      [
        "ws-stream replay feed.ndjson --serve 9000 --loop",
        "A mock server that sends the recording to each client.",
      ],
      [
        "ws-stream replay feed.ndjson ws://127.0.0.1:8080 --speed 10x",
        "Sends it to a server, ten times as fast.",
      ],
    ],
    load: () => import("./replay/replay.ts"),
  },
  {
    name: "completions",
    usage: "completions SHELL",
    summary: "A completion script: bash, zsh or fish",
    examples: [
      ["source <(ws-stream completions bash)", "For this shell."],
    ],
    load: () => import("./completions.ts"),
  },
];
