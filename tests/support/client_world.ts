/**
 * A client, its server in the same process, and all that the client said.
 *
 * @module
 */

import {
  type ClientState,
  type DisconnectInfo,
  type DropReason,
  type Gap,
  type Message,
  type RetryInfo,
  type Session,
  WebSocketStreamClient,
  type WSCallbacks,
  type WSConfig,
  type WSError,
} from "../../mod.ts";
import type { Peer } from "../../src/server/peer.ts";
import {
  serve,
  type ServeOptions,
  type WebSocketServer,
} from "../../src/server/server.ts";
import { Recorder, within } from "./events.ts";
import { nativeSocketsEnded } from "./native_sockets.ts";

/** What the client said, by the name of the callback. */
export interface Calls {
  connect: Session;
  message: Message;
  disconnect: DisconnectInfo;
  error: WSError;
  retry: RetryInfo;
  drop: readonly [data: Message, reason: DropReason];
  gap: Gap;
  state: ClientState;
  /** Not a callback: whatever a test wants to have in the order of things. */
  note: string;
}

/** What a world is made of; all of it may be left out. */
export interface WorldOptions {
  readonly config?: Partial<WSConfig>;
  /** Called after the call was recorded; what they return counts. */
  readonly callbacks?: WSCallbacks;
  readonly server?: Partial<ServeOptions>;
}

/** Quick, and without chance. */
const QUICK: Partial<WSConfig> = {
  initialBackoff: 1,
  maxBackoff: 1,
  jitter: 0,
  closeTimeout: 300,
};

/** Callbacks that record their calls and then do what they are given. */
function recorded(
  calls: Recorder<Calls>,
  callbacks: WSCallbacks = {},
): WSCallbacks {
  return {
    onConnect(session) {
      calls.add("connect", session);
      return callbacks.onConnect?.(session);
    },
    onMessage(data) {
      calls.add("message", data);
      return callbacks.onMessage?.(data);
    },
    onDisconnect(info) {
      calls.add("disconnect", info);
      return callbacks.onDisconnect?.(info);
    },
    onError(error) {
      calls.add("error", error);
      return callbacks.onError?.(error);
    },
    onRetry(info) {
      calls.add("retry", info);
      return callbacks.onRetry?.(info);
    },
    onDrop(data, reason) {
      calls.add("drop", [data, reason]);
      return callbacks.onDrop?.(data, reason);
    },
    onGap(gap) {
      calls.add("gap", gap);
      return callbacks.onGap?.(gap);
    },
    onStateChange(state, previous) {
      calls.add("state", state);
      return callbacks.onStateChange?.(state, previous);
    },
  };
}

/** A client of somebody else's server. */
export class Guest implements AsyncDisposable {
  readonly client: WebSocketStreamClient;
  readonly calls = new Recorder<Calls>();

  constructor(config: WSConfig, callbacks?: WSCallbacks) {
    this.client = new WebSocketStreamClient(
      { ...QUICK, ...config },
      recorded(this.calls, callbacks),
    );
  }

  /** A guest that is connected. */
  static async start(
    config: WSConfig,
    callbacks?: WSCallbacks,
  ): Promise<Guest> {
    const guest = new Guest(config, callbacks);
    try {
      await guest.client.start();
      return guest;
    } catch (error) {
      await guest.client.stop();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.stop({ drain: 0 });
  }
}

/** A client and its server. */
export class World implements AsyncDisposable {
  readonly server: WebSocketServer;
  readonly client: WebSocketStreamClient;
  readonly calls = new Recorder<Calls>();
  /** The server's ends, in the order in which they came. */
  readonly arrivals = new Recorder<{ peer: Peer }>();

  constructor({ config, callbacks = {}, server }: WorldOptions = {}) {
    this.server = serve({
      closeTimeout: 300,
      ...server,
      onPeer: (peer) => {
        this.arrivals.add("peer", peer);
        return server?.onPeer?.(peer);
      },
    });
    this.client = new WebSocketStreamClient(
      { url: this.server.url, ...QUICK, ...config },
      recorded(this.calls, callbacks),
    );
  }

  /** A world whose client is open. */
  static async open(options?: WorldOptions): Promise<World> {
    const world = new World(options);
    await world.client.start();
    return world;
  }

  /** What the client said so far, without the changes of state. */
  get order(): readonly string[] {
    return this.calls.names.filter((name) => name !== "state");
  }

  /** The server's end of the latest connection. */
  get peer(): Peer {
    const peer = this.arrivals.all("peer").at(-1);
    if (peer === undefined) throw new Error("nobody has connected");
    return peer;
  }

  /** The server's end of the next connection not asked for so far. */
  nextPeer(): Promise<Peer> {
    return this.arrivals.next("peer");
  }

  /** Waits until the client is in this state. */
  until(state: ClientState): Promise<void> {
    return this.calls.until(() => this.client.state === state, state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Bounded, so that a test which fails does not hang the others.
    await within(this.client.stop({ drain: 0 }), "the end of the client");
    await within(this.server.close(), "the end of the server");
    const { url } = this.server;
    await within(nativeSocketsEnded(url), "the end of the native sockets");
  }
}
