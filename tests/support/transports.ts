/**
 * The same behaviour over both transports: one test, run for each.
 *
 * @module
 */

import type { TransportName, WSCallbacks, WSConfig } from "../../mod.ts";
import { Guest, World, type WorldOptions } from "./client_world.ts";

/** A transport, and where it differs by design. */
export interface TransportCase {
  readonly name: TransportName;
  /** What a reader's full buffer does by default. */
  readonly receiveOverflow: "disconnect" | "pause";
  /**
   * How often a server is asked by an attempt that it refuses: the runtime shows
   * no headers, so the native transport asks again.
   */
  readonly requestsPerRefusal: 1 | 2;
  /** A client and its server. */
  world(options?: WorldOptions): World;
  /** The same, once the client is open. */
  openWorld(options?: WorldOptions): Promise<World>;
  /** A client of another server, once it is open. */
  guest(config: WSConfig, callbacks?: WSCallbacks): Promise<Guest>;
}

type Traits = Pick<TransportCase, "receiveOverflow" | "requestsPerRefusal">;

const TRAITS: Readonly<Record<TransportName, Traits>> = {
  native: { receiveOverflow: "disconnect", requestsPerRefusal: 2 },
  tcp: { receiveOverflow: "pause", requestsPerRefusal: 1 },
};

function caseOf(name: TransportName): TransportCase {
  const world = (options: WorldOptions = {}) =>
    new World({ ...options, config: { transport: name, ...options.config } });
  return {
    name,
    ...TRAITS[name],
    world,
    async openWorld(options) {
      const opened = world(options);
      await opened.client.start();
      return opened;
    },
    guest: (config, callbacks) =>
      Guest.start({ transport: name, ...config }, callbacks),
  };
}

/** Both of them. */
export const TRANSPORTS: readonly TransportCase[] = [
  caseOf("native"),
  caseOf("tcp"),
];

/**
 * Registers a test for each transport, or for the `only` one that it concerns.
 *
 * @example
 * ```ts
 * import { forEachTransport } from "./transports.ts";
 *
 * forEachTransport("a client opens", async (transport) => {
 *   await using world = await transport.openWorld();
 *   console.log(world.client.state);
 * });
 * ```
 */
export function forEachTransport(
  name: string,
  test: (
    transport: TransportCase,
    t: Deno.TestContext,
  ) => void | Promise<void>,
  { only, ...options }: {
    readonly only?: TransportName;
    readonly ignore?: boolean;
    readonly sanitizeResources?: boolean;
  } = {},
): void {
  for (const transport of TRANSPORTS) {
    if (only !== undefined && only !== transport.name) continue;
    Deno.test({
      name: `${transport.name}: ${name}`,
      ...options,
      fn: (t) => test(transport, t),
    });
  }
}
