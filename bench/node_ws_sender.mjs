/** `npm:ws` on Node.js, for `sending.ts`: `node node_ws_sender.mjs WS URL SIZE COUNT`. */

import { readFileSync } from "node:fs";
import process from "node:process";

const [path, url, size, count] = process.argv.slice(2);
const { default: WebSocket } = await import(path);
const texts = Array.from(
  { length: 64 },
  (_, i) => JSON.stringify({ i }).padEnd(Number(size), "x"),
);
const socket = new WebSocket(url, { perMessageDeflate: false });
socket.on("open", () => {
  const begun = performance.now();
  const before = process.cpuUsage();
  socket.on("message", () => {
    const perSecond = count / (performance.now() - begun) * 1000;
    const { user, system } = process.cpuUsage(before);
    const status = readFileSync("/proc/self/status", "utf8");
    const rss = Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) * 1024;
    console.log(
      JSON.stringify({ perSecond, processor: (user + system) / count, rss }),
    );
  });
  for (let i = 0; i < count; i++) socket.send(texts[i & 63]);
});
