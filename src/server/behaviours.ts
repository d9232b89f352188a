import type { Peer } from "./peer.ts";

/** Sends everything back. */
export function echo(peer: Peer): void {
  peer.onmessage = (data) => peer.send(data);
}
