/**
 * What a server may do with its peers, for `onPeer`. See `feed.ts` for one that
 * speaks unasked.
 *
 * @module
 */

import type { Peer } from "./peer.ts";

/** Sends everything back. */
export function echo(peer: Peer): void {
  peer.onmessage = (data) => peer.send(data);
}

/**
 * Sends what one peer says to all the others. One that reads too slowly slows
 * nobody: it is closed with 1008 when more than `limit` bytes wait for it.
 */
export function broadcast(
  limit: number = 16 * 1024 * 1024,
): (peer: Peer) => void {
  const peers = new Set<Peer>();
  return (peer) => {
    peers.add(peer);
    peer.closed.then(() => peers.delete(peer));
    peer.onmessage = (data) => {
      for (const other of peers) {
        if (other === peer || other.state !== "open") continue;
        if (other.bufferedAmount > limit) other.close(1008, "too slow");
        else other.send(data);
      }
    };
  };
}
