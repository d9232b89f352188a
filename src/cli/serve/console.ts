/**
 * The prompt of `serve` on a terminal: typed lines go to the clients.
 *
 * @module
 */

import type { Peer } from "../../server/peer.ts";
import type { WebSocketServer } from "../../server/server.ts";
import type { Flags } from "../args/flags.ts";
import { showAddress } from "../args/values.ts";
import {
  escapeLine,
  showMany,
  styleOf,
  terminalWidth,
  wantsColor,
} from "../format.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { streamSink } from "../output/output.ts";
import type { StreamOwner } from "../output/stream_sink.ts";
import { Limit } from "../run/timers.ts";
import {
  RawMode,
  suspendOr,
  Terminal,
  type TerminalEvent,
} from "../terminal/terminal.ts";
import type { ServerControl } from "./server_run.ts";

/** A prompt, and where to print meanwhile. */
export interface Console extends Disposable {
  readonly notices: Stderr;
  /** Shows the prompt. */
  readonly start: (server: WebSocketServer, control: ServerControl) => void;
  /** Waits a little until everything is written. */
  readonly finish: () => Promise<void>;
}

/** How long the terminal has to take the last lines, in milliseconds. */
const LAST_WORDS = 100;

/** Takes the terminal over, from `start` until it is disposed of. */
export function openConsole(flags: Flags): Console {
  const style = styleOf(wantsColor(flags.color, true));
  let control: ServerControl | undefined;
  const owner: StreamOwner = {
    get deadline() {
      return control?.deadline ?? Infinity;
    },
    interrupt: (signal) => control?.interrupt(signal),
    // A terminal that was closed hangs up.
    outputFailed: () => control?.end("SIGHUP"),
  };
  const sink = streamSink({ kind: "stdout" }, () => owner);
  const terminal = new Terminal({
    sink,
    prompt: { text: style.bold("> "), width: 2 },
    columns: terminalWidth,
  });
  const notices = stderrNotices(flags, {
    print: (line) => terminal.print(line),
    prefix: "•",
  });
  let raw: RawMode | undefined;
  return {
    notices,
    start(server, given) {
      control = given;
      notices.good("type to send to every client; /help, Ctrl-D to stop");
      raw = new RawMode(terminal, { settle: () => sink.settle() });
      const suspend = () => raw?.suspend();
      const commands = new ServerCommands(server, notices, given, suspend);
      const onEvent = (event: TerminalEvent) => {
        if (given.over.aborted && event.kind !== "interrupt") return;
        commands.onEvent(event);
      };
      sink.readStdin((bytes) => terminal.onBytes(bytes, onEvent));
    },
    async finish() {
      const limit = new Limit();
      limit.set(LAST_WORDS);
      limit.arm();
      await sink.written(limit);
      limit.clear();
    },
    [Symbol.dispose]() {
      sink.discard();
      raw?.[Symbol.dispose]();
      sink.stop(LAST_WORDS);
    },
  };
}

const HELP = [
  "TEXT            send TEXT to every client",
  "/to N TEXT      send TEXT to client #N",
  "/clients        list the clients",
  "/close [N [CODE [REASON]]]",
  "                close the connection of client #N, or of all",
  "/quit           stop the server; so does Ctrl-D",
  "//TEXT          send /TEXT",
];

/** Executes the lines that are typed at the prompt of a server. */
class ServerCommands {
  readonly #server: Pick<WebSocketServer, "peers">;
  readonly #notices: Stderr;
  readonly #control: ServerControl;
  readonly #suspend: () => void;

  constructor(
    server: Pick<WebSocketServer, "peers">,
    notices: Stderr,
    control: ServerControl,
    suspend: () => void,
  ) {
    this.#server = server;
    this.#notices = notices;
    this.#control = control;
    this.#suspend = suspend;
  }

  /** Handles the effect of a key. */
  onEvent(event: TerminalEvent): void {
    switch (event.kind) {
      case "line":
        return this.#onLine(event.text);
      case "end":
        return this.#control.end(0);
      case "interrupt":
        return this.#control.raise("SIGINT");
      case "suspend":
        return suspendOr(
          (text) => this.#notices.complaint(text),
          this.#suspend,
        );
      default:
        return event satisfies never;
    }
  }

  #onLine(line: string): void {
    if (line.startsWith("//")) return this.#send(line.slice(1), this.#all());
    if (!line.startsWith("/")) {
      if (line !== "") this.#send(line, this.#all());
      return;
    }
    const [, command, id, rest = ""] =
      /^(\S+)(?: +(\S+))?(?: +(.*))?$/s.exec(line.trimEnd()) ?? [];
    switch (command) {
      case "/to":
        if (id === undefined || rest === "") {
          return this.#notices.complaint("use /to N TEXT");
        }
        return this.#send(rest, this.#one(id), id);
      case "/clients":
        return this.#list();
      case "/close":
        return this.#close(id, rest);
      case "/quit":
        return this.#control.end(0);
      case "/help":
        return HELP.forEach((text) => this.#notices.line(`  ${text}`));
      default:
        return this.#notices.complaint(
          `there is no ${command}; /help lists all, //TEXT sends /TEXT`,
        );
    }
  }

  #all(): Peer[] {
    return [...this.#server.peers].filter(({ state }) => state === "open");
  }

  /** The client of this number, which may be given as `#N`. */
  #one(id: string): Peer[] {
    const number = id.replace(/^#/, "");
    return this.#all().filter((peer) => String(peer.id) === number);
  }

  #send(text: string, peers: readonly Peer[], id?: string): void {
    if (peers.length === 0) return this.#noClient(id);
    for (const peer of peers) peer.send(text);
  }

  #list(): void {
    const peers = this.#all();
    if (peers.length === 0) return this.#noClient();
    for (const { id, request: { remote, path } } of peers) {
      this.#notices.line(
        `  #${id} ${showAddress(remote)} ${escapeLine(path)}`,
      );
    }
  }

  #close(id: string | undefined, rest: string): void {
    const peers = id === undefined ? this.#all() : this.#one(id);
    const [, digits = "1000", reason] = /^(\d*) ?(.*)$/s.exec(rest) ?? [];
    if (peers.length === 0) return this.#noClient(id);
    try {
      for (const peer of peers) peer.close(Number(digits || 1000), reason);
      this.#notices.detail(`closing ${showMany(peers.length, "connection")}`);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#notices.complaint(error.message);
    }
  }

  #noClient(id?: string): void {
    this.#notices.complaint(
      id === undefined
        ? "no client is connected"
        : `there is no client #${id.replace(/^#/, "")}; /clients lists all`,
    );
  }
}
