/**
 * The commands: how each is called and what it does. `main.ts` loads their
 * code.
 *
 * @module
 */

import type { CommandName } from "./args/flag.ts";
import type { ExitCode } from "./exit_status.ts";

const BY_SIGNAL = [129, 130, 143] as const;
/** How a command that dials may exit. */
const DIALED = [0, 1, 2, 3, 4, 5, 6, 7, 8, 124, ...BY_SIGNAL] as const;

/** A job, and the command lines that do it. */
export interface Example {
  /** The job, as a sentence without a full stop. */
  readonly job: string;
  /** A line that ends with a backslash goes on in the next one. */
  readonly lines: readonly string[];
}

/** One command of the program. */
export interface Command {
  readonly name: CommandName;
  /** The words behind the program's name. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** A paragraph for `COMMAND --help`. */
  readonly about: string;
  /** How it may exit. @default in every way */
  readonly exits?: readonly ExitCode[];
  readonly examples: readonly Example[];
}

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    name: "connect",
    usage: "[connect] URL...",
    summary: "Send lines of stdin, print messages",
    about:
      "Connects and stays connected. Each line of stdin becomes a message, " +
      "each message a line of stdout. Several URLs are for failover: the next " +
      "one is tried when one fails. On a terminal there is a prompt with a " +
      "history, and JSON is pretty-printed; /help lists the commands.",
    examples: [
      {
        job: "Watch a feed and filter it",
        lines: [
          String
            .raw`ws-stream ws://127.0.0.1:8080 --grep '"seq":\d*0,' | jq --unbuffered .seq`,
        ],
      },
      {
        job: "Make one request",
        lines: [
          `echo '{"op":"time"}' | ws-stream ws://127.0.0.1:9000 --once`,
        ],
      },
      {
        job: "Authenticate and subscribe, again after each reconnect",
        lines: [
          "ws-stream ws://127.0.0.1:9000 --bearer-file token \\",
          `  --on-open @subscribe.json --await '"subscribe"'`,
        ],
      },
      {
        job: "Log for days, one complete file an hour",
        lines: [
          "ws-stream ws://127.0.0.1:8080 --json -o 'logs/{date}/{hour}.ndjson'",
        ],
      },
      {
        job: "Monitor from cron, by exit code",
        lines: [
          "ws-stream ws://127.0.0.1:8080 -q -n 1 --timeout 30s > /dev/null ||",
          '  echo "no message, code $?" | mail -s feed ops@example.com',
        ],
      },
      {
        job: "Bridge into a broker",
        lines: ["ws-stream ws://127.0.0.1:8080 | mosquitto_pub -t feed -l"],
      },
      {
        job: "Bridge from a broker, without loss over a restart",
        lines: [
          "mosquitto_sub -t out | ws-stream ws://127.0.0.1:9000 --spool out.db",
        ],
      },
      {
        job: "Send a file as one binary message, and keep the answer",
        lines: [
          "ws-stream ws://127.0.0.1:9000 --binary raw --one-message \\",
          "  < photo.jpg > answer.jpg",
        ],
      },
      {
        job: "Fail over to a second server, and see everything that happens",
        lines: ["ws-stream ws://127.0.0.1:9999 ws://127.0.0.1:8080 --json"],
      },
    ],
  },
  {
    name: "serve",
    usage: "serve [ADDR]",
    summary: "Run a server to test clients",
    about:
      "Listens on ADDR (HOST:PORT, :PORT or PORT; 127.0.0.1:8080 by default) " +
      "and echoes, broadcasts or sends a feed. --chaos breaks connections on " +
      "purpose, and with the same --seed in the same way. On a terminal the " +
      "lines that you type go to the clients.",
    exits: [0, 1, 2, 124, ...BY_SIGNAL],
    examples: [
      {
        job: "Run a feed",
        lines: ["ws-stream serve 8080 --feed"],
      },
      {
        job: "Run an echo server, and see what clients send",
        lines: ["ws-stream serve 9000 -v"],
      },
      {
        job: "Refuse every client",
        lines: ["ws-stream serve 9001 --chaos refuse=401"],
      },
      {
        job: "Break connections, each time in the same way",
        lines: [
          "ws-stream serve 9002 --feed --chaos drop=1%,half-open@30s --seed 7",
        ],
      },
      {
        job: "Serve over TLS",
        lines: ["ws-stream serve 8443 --cert cert.pem --key key.pem"],
      },
    ],
  },
  {
    name: "demo",
    usage: "demo",
    summary: "Break connections again and again, lose nothing",
    about: "The demo takes ten seconds and connects only to this machine.",
    exits: [0, 1, 2, ...BY_SIGNAL],
    examples: [
      { job: "See the client survive five faults", lines: ["ws-stream demo"] },
    ],
  },
  {
    name: "ping",
    usage: "ping URL",
    summary: "Measure round-trip times",
    about:
      "Sends protocol pings, which every server answers, or --message with " +
      "--pong, and prints the time of each answer. At the end it prints the " +
      "losses, the minimum, mean, median, 99th percentile and maximum time, " +
      "and a histogram. Exits with 1 if nothing was answered.",
    exits: DIALED,
    examples: [
      {
        job: "Measure the round-trip time",
        lines: ["ws-stream ping -n 5 ws://127.0.0.1:9000"],
      },
      {
        job: "Measure with the server's own heartbeat message",
        lines: [
          `ws-stream ping ws://127.0.0.1:9000 --message '{"op":"ping"}' --pong ping`,
        ],
      },
    ],
  },
  {
    name: "probe",
    usage: "probe URL",
    summary: "Show step by step why a connection fails",
    about:
      "Makes each step of a connection separately: DNS, TCP, proxy, TLS, HTTP, " +
      "WebSocket. Shows the time of each, the certificate, the status and the " +
      "headers of the answer, the body of a refusal, and one line of advice. " +
      "Exits with the same code as connect.",
    exits: DIALED,
    examples: [
      {
        job: "Debug a 401",
        lines: ["ws-stream probe ws://127.0.0.1:9001 --bearer-file token"],
      },
      {
        job: "See when a certificate expires",
        lines: [
          "ws-stream probe wss://localhost:8443 -k --json |",
          "  jq -r 'select(.step == \"tls\").certificate.to'",
        ],
      },
    ],
  },
  {
    name: "record",
    usage: "record URL [-o FILE]",
    summary: "Write messages to a file, with their times",
    about:
      "Writes the events of --json to a file or to stdout, one per line. Each " +
      "message also has the time since the start, which replay uses.",
    examples: [
      {
        job: "Record ten minutes of a feed",
        lines: [
          "ws-stream record ws://127.0.0.1:8080 -o feed.ndjson --for 10m",
        ],
      },
    ],
  },
  {
    name: "replay",
    usage: "replay FILE [URL]",
    summary: "Send a recording at its own times",
    about:
      "Sends the messages of a recording to a server, or with --serve to each " +
      "client that connects, at the times at which they were recorded. What " +
      "connect --json printed can be replayed too. FILE may be -, for stdin.",
    exits: DIALED,
    examples: [
      {
        job: "Run a mock server",
        lines: ["ws-stream replay feed.ndjson --serve 9003 --loop"],
      },
      {
        job: "Load a server, ten times as fast",
        lines: ["ws-stream replay feed.ndjson ws://127.0.0.1:9000 --speed 10x"],
      },
    ],
  },
  {
    name: "completions",
    usage: "completions SHELL",
    summary: "Print a completion script for bash, zsh or fish",
    about: "The script completes commands, flags, their values and file names.",
    exits: [0, 1, 2],
    examples: [
      {
        job: "Complete in this shell, bash",
        lines: ["source <(ws-stream completions bash)"],
      },
      {
        job: "Complete in each zsh, and in each fish",
        lines: [
          'ws-stream completions zsh > "${fpath[1]}/_ws-stream"',
          "ws-stream completions fish > ~/.config/fish/completions/ws-stream.fish",
        ],
      },
    ],
  },
];

/** The command of this name. */
export function commandOf(name: CommandName): Command {
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) throw new Error(`there is no command ${name}`);
  return command;
}
