/**
 * How long other clients wait before they connect again, with the defaults
 * that they publish: written down from their sources, which are named.
 *
 * @module
 */

import { backoff } from "../src/reconnect/retry_policy.ts";
import { resolveConfig } from "../src/resolve_config.ts";

/** Uniform in [0, 1). */
export type Chance = () => number;

/** The waits of one kind of client. */
export interface Formula {
  readonly name: string;
  /** Package, version and file. */
  readonly source: string;
  /**
   * One client, whose connection was stable and is lost: its wait in
   * milliseconds before each attempt, from 0.
   */
  readonly client: (chance: Chance) => (attempt: number) => number;
}

/** Ours, with the defaults or with a longer first wait. */
function wsStream(initialBackoff?: number): Formula {
  const config = resolveConfig({ url: "ws://localhost", initialBackoff });
  return {
    name: initialBackoff === undefined
      ? "ws-stream"
      : `ws-stream, initialBackoff ${initialBackoff}`,
    source: "src/reconnect/retry_policy.ts, src/resolve_config.ts",
    client: (chance) => (attempt) => backoff(config, attempt, chance()),
  };
}

/** What the documentation advises for large fleets. */
export const FLEET_FORMULAS: readonly Formula[] = [1000, 2000, 5000]
  .map(wsStream);

/**
 * `_getNextDelay` and `DEFAULT`. `minReconnectionDelay` is drawn once for each
 * page that loads the module, from 1 to 5 s; there is no jitter otherwise.
 */
const reconnectingWebSocket: Formula = {
  name: "reconnecting-websocket",
  source:
    "npm reconnecting-websocket 4.4.0, dist/reconnecting-websocket-mjs.js",
  client: (chance) => {
    const min = 1000 + chance() * 4000;
    return (attempt) => Math.min(min * 1.3 ** attempt, 10_000);
  },
};

/** `_getNextDelay` and `DEFAULT`; `partysocket/index.js` changes nothing. */
const partysocket: Formula = {
  name: "partysocket",
  source: "npm partysocket 1.3.0, dist/ws.js",
  client: () => (attempt) => Math.min(3000 * 1.3 ** attempt, 10_000),
};

/**
 * `Backoff.duration`, with what `manager.js` gives it: 1 s, at most 5 s, factor
 * 2, randomization 0.5. The jitter comes before the cap.
 */
const socketIo: Formula = {
  name: "socket.io-client",
  source: "npm socket.io-client 4.8.4, build/esm/{contrib/backo2,manager}.js",
  client: (chance) => (attempt) => {
    const ms = 1000 * 2 ** attempt;
    const draw = chance();
    const deviation = Math.floor(draw * 0.5 * ms);
    const jittered = (Math.floor(draw * 10) & 1) === 0
      ? ms - deviation
      : ms + deviation;
    return Math.trunc(Math.min(jittered, 5000));
  },
};

/**
 * `backoff()` and the `BACKOFF_` constants. `connect.__aiter__` connects at once
 * after a connection that was open, and only then begins to wait.
 */
const pythonWebsockets: Formula = {
  name: "websockets (Python)",
  source: "PyPI websockets 17.4, client.py and asyncio/client.py",
  client: (chance) => (attempt) => {
    if (attempt === 0) return 0;
    if (attempt === 1) return chance() * 5000;
    return Math.min(3100 * 1.618 ** (attempt - 2), 90_000);
  },
};

/**
 * `calculateRetryWaitMilliseconds`, 1 ms to 10 s; `checkConnection` waits only
 * after an attempt that failed.
 */
const ixWebSocket: Formula = {
  name: "IXWebSocket",
  source:
    "github machinezone/IXWebSocket 11.4.6, IXExponentialBackoff.cpp, IXWebSocket.cpp",
  client: () => (attempt) =>
    attempt === 0 ? 0 : Math.min(100 * 2 ** (attempt - 1), 10_000),
};

/**
 * `backoff()` with `minReconnectDelay` 500 and `maxReconnectDelay` 20000. The
 * least wait is added after the draw, and the cap is applied after that.
 */
const centrifuge: Formula = {
  name: "centrifuge-js",
  source: "npm centrifuge 5.8.0, build/index.js",
  client: (chance) => (attempt) => {
    const limit = Math.min(20_000, 500 * 2 ** Math.min(attempt, 31));
    const interval = Math.floor(chance() * (limit + 1));
    return Math.min(20_000, 500 + interval);
  },
};

/** Ours first. */
export const FORMULAS: readonly Formula[] = [
  wsStream(),
  reconnectingWebSocket,
  partysocket,
  socketIo,
  pythonWebsockets,
  ixWebSocket,
  centrifuge,
];
