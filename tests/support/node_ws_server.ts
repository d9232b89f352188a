/**
 * The program behind `startNodeWs`: prints its port, then serves.
 *
 * @module
 */

import { setImmediate } from "node:timers";
// @ts-types="@types/ws"
import { type WebSocket, WebSocketServer } from "ws";

const HEARTBEAT = 100;
const BURST = 100;
const [mode] = Deno.args;

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("connection", (socket) => {
  guard(socket);
  if (mode === "feed") feed(socket, 0);
  else socket.on("message", (data, binary) => socket.send(data, { binary }));
});
server.on("listening", () => {
  const address = server.address();
  if (address === null || typeof address === "string") return Deno.exit(1);
  console.log(address.port);
});

/** Ends a client that does not answer pings. */
function guard(socket: WebSocket): void {
  let alive = true;
  socket.on("pong", () => alive = true);
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, HEARTBEAT);
  socket.on("close", () => clearInterval(timer));
  // A client that breaks off is routine.
  socket.on("error", () => socket.terminate());
}

/** Sends the next numbers when the last ones have left. */
function feed(socket: WebSocket, number: number): void {
  const next = number + BURST;
  for (; number < next - 1; number++) socket.send(String(number));
  socket.send(String(number), (error) => {
    // A turn of the event loop between: clients want to be heard.
    if (!error) setImmediate(() => feed(socket, next));
  });
}
