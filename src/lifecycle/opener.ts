/**
 * Opens links: dials the endpoint whose turn it is, and takes the new link
 * through its gate.
 *
 * @module
 */

import type { Session } from "../callbacks.ts";
import type { Notifier } from "../notifier.ts";
import type { Endpoint } from "../resolve_config.ts";
import type { ConnectionLog } from "../stats.ts";
import { attempt, type AttemptOptions } from "./attempt.ts";
import { Diagnosis } from "./diagnose.ts";
import type { Endpoints } from "./endpoint.ts";
import { passGate } from "./gate.ts";
import { Link, type LinkParts } from "./link.ts";
import { Transport, type TransportOptions } from "./transport.ts";

/** What an {@linkcode Opener} works with. */
export interface OpenerParts {
  readonly config:
    & Omit<AttemptOptions, "endpoint" | "transport" | "diagnosis" | "signal">
    & TransportOptions;
  readonly onConnect: ((session: Session) => unknown) | undefined;
  readonly notifier: Notifier;
  readonly log: ConnectionLog;
  readonly linkParts: LinkParts;
  /** Whose gate this is; see `isInsideGate`. */
  readonly owner: object;
}

/** Opens the links of one client. */
export class Opener {
  readonly #parts: OpenerParts;
  readonly #endpoints: Endpoints<Endpoint>;
  readonly #transport: Transport;
  readonly #diagnosis: Diagnosis;

  constructor(parts: OpenerParts, endpoints: Endpoints<Endpoint>) {
    this.#parts = parts;
    this.#endpoints = endpoints;
    this.#transport = new Transport(parts.config);
    this.#diagnosis = new Diagnosis(this.#transport);
  }

  /**
   * One attempt, of at most `connectTimeout` and `limit` milliseconds.
   * @throws {WSError} it did not come about
   * @throws the signal's reason, once it aborts
   */
  dial(signal: AbortSignal, limit: number = Infinity): Promise<Link> {
    const { headers, subprotocols, followRedirects, connectTimeout } =
      this.#parts.config;
    return attempt({
      headers,
      subprotocols,
      followRedirects,
      connectTimeout: Math.min(connectTimeout, limit),
      endpoint: this.#endpoints.current,
      transport: this.#transport,
      diagnosis: this.#diagnosis,
      signal,
    }).then((socket) => new Link(socket, this.#parts.linkParts));
  }

  /** Counts it and runs its gate; the link is over if it did not pass. */
  async pass(
    link: Link,
    reconnected: boolean,
    attempt: number,
  ): Promise<void> {
    const { config, notifier, log, onConnect, owner } = this.#parts;
    log.connects++;
    if (onConnect === undefined) return;
    await passGate(link, {
      onConnect,
      reconnected,
      attempt,
      timeout: config.connectTimeout,
      owner,
      onError: (error) => notifier.error(error),
    });
  }

  /** Frees what connects. */
  close(): void {
    this.#transport.close();
  }
}
