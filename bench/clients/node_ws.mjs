/** `npm:ws` on Node.js: `node node_ws.mjs WS MODE URL SIZE COUNT BURSTS`. */

import { readFileSync } from "node:fs";
import process from "node:process";

const [path, mode, url, ...numbers] = process.argv.slice(2);
const [size, count, bursts] = numbers.map(Number);
const { default: WebSocket } = await import(path);
const texts = Array.from(
  { length: 64 },
  (_, i) => JSON.stringify({ i }).padEnd(size, "x"),
);

function stopwatch() {
  const begun = performance.now();
  const before = process.cpuUsage();
  return () => {
    const seconds = (performance.now() - begun) / 1000 / count;
    const { user, system } = process.cpuUsage(before);
    return { seconds, processor: (user + system) / count };
  };
}

function highestRss() {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) * 1024;
}

async function receive(socket) {
  const costs = [];
  for (let burst = 0; burst < bursts; burst++) {
    await new Promise((resolve) => {
      let seen = 0;
      let stop;
      socket.removeAllListeners("message");
      socket.on("message", (data, isBinary) => {
        // As a program gets it: a text is a string.
        const message = isBinary ? data : data.toString();
        if (message.length !== size) throw new Error("not the size");
        if (++seen === 1) stop = stopwatch();
        if (seen === count) {
          costs.push(stop());
          resolve();
        }
      });
      socket.send("more");
    });
  }
  return { costs, rss: highestRss() };
}

async function send(socket) {
  const costs = [];
  for (let burst = 0; burst < bursts; burst++) {
    const stop = stopwatch();
    const answer = new Promise((resolve) => socket.once("message", resolve));
    for (let i = 0; i < count; i++) socket.send(texts[i & 63]);
    await answer;
    costs.push(stop());
  }
  return { costs, rss: highestRss() };
}

async function echo(socket) {
  const ms = [];
  for (let i = 0; i < count; i++) {
    const answer = new Promise((resolve) => socket.once("message", resolve));
    const begun = performance.now();
    socket.send(texts[i & 63]);
    await answer;
    ms.push(performance.now() - begun);
  }
  return { ms };
}

const socket = new WebSocket(url, { perMessageDeflate: false });
await new Promise((resolve) => socket.once("open", resolve));
const run = { receive, send, echo }[mode];
console.log(JSON.stringify(await run(socket)));
process.exit();
