import type { Peer } from "../../src/server/peer.ts";

/** Sends every message back, for `onPeer`, and adds it to `heard` before. */
export function hearingEcho(heard: string[]): (peer: Peer) => void {
  return (peer) => {
    peer.onmessage = (data) => {
      heard.push(String(data));
      return peer.send(data);
    };
  };
}
