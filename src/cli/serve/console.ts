/**
 * The prompt of `serve` on a terminal: typed lines go to the clients.
 *
 * @module
 */

import type { Peer } from "../../server/peer.ts";
import type { WebSocketServer } from "../../server/server.ts";
import type { Flags } from "../args/flags.ts";
import type { ExitStatus } from "../exit_status.ts";
import { showMany, styleOf, terminalWidth, wantsColor } from "../format.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { blockingSink } from "../stdio.ts";
import type { EditorEvent } from "../terminal/line_editor.ts";
import { RawMode, readKeys, Terminal } from "../terminal/terminal.ts";

/** A prompt, and where to print meanwhile. */
export interface Console extends Disposable {
  readonly notices: Stderr;
  /** Shows the prompt; `end` is called when the user leaves. */
  readonly start: (
    server: WebSocketServer,
    end: (status: ExitStatus) => void,
  ) => void;
}

/** Takes the terminal over, from `start` until it is disposed of. */
export function openConsole(flags: Flags): Console {
  const style = styleOf(wantsColor(flags.color, true));
  const terminal = new Terminal({
    sink: blockingSink(Deno.stdout),
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
    start(server, end) {
      notices.good("type to send to every client; /help, Ctrl-D to stop");
      raw = new RawMode(terminal);
      const commands = new ServerCommands(server, notices, end);
      readKeys(terminal, (event) => commands.onEvent(event));
    },
    [Symbol.dispose]: () => raw?.[Symbol.dispose](),
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
  readonly #end: (status: ExitStatus) => void;

  constructor(
    server: Pick<WebSocketServer, "peers">,
    notices: Stderr,
    end: (status: ExitStatus) => void,
  ) {
    this.#server = server;
    this.#notices = notices;
    this.#end = end;
  }

  /** Handles the effect of a key. */
  onEvent(event: EditorEvent): void {
    switch (event.kind) {
      case "line":
        return this.#onLine(event.text);
      case "end":
        return this.#end(0);
      case "interrupt":
        return this.#end("SIGINT");
      case "clear-screen":
      case "suspend":
        return;
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
        if (rest === "") return this.#notices.complaint("use /to N TEXT");
        return this.#send(rest, this.#one(id));
      case "/clients":
        return this.#list();
      case "/close":
        return this.#close(id, rest);
      case "/quit":
        return this.#end(0);
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

  #one(id: string | undefined): Peer[] {
    return this.#all().filter((peer) => String(peer.id) === id);
  }

  #send(text: string, peers: readonly Peer[]): void {
    if (peers.length === 0) return this.#noClient();
    for (const peer of peers) peer.send(text);
  }

  #list(): void {
    const peers = this.#all();
    if (peers.length === 0) return this.#noClient();
    for (const { id, request: { remote, path } } of peers) {
      const from = `${remote.hostname}:${remote.port}`;
      this.#notices.line(`  #${id} ${from} ${path}`);
    }
  }

  #close(id: string | undefined, rest: string): void {
    const peers = id === undefined ? this.#all() : this.#one(id);
    const [, digits = "1000", reason] = /^(\d*) ?(.*)$/s.exec(rest) ?? [];
    if (peers.length === 0) return this.#noClient();
    try {
      for (const peer of peers) peer.close(Number(digits || 1000), reason);
      this.#notices.detail(`closing ${showMany(peers.length, "connection")}`);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#notices.complaint(error.message);
    }
  }

  #noClient(): void {
    this.#notices.complaint("no such client is connected");
  }
}
