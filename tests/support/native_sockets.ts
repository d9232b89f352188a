/**
 * Which of Deno's WebSockets have not ended. The client leaves one alone whose
 * server does not answer its close: it ends when the server hangs up, a moment
 * later than that on a busy machine, and must not outlive its test.
 *
 * @module
 */

const sockets = new Set<WebSocket>();

globalThis.WebSocket = class extends WebSocket {
  constructor(...args: ConstructorParameters<typeof WebSocket>) {
    super(...args);
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
  }
};

/** Resolves once no native socket of this server is left. */
export async function nativeSocketsEnded(url: string): Promise<void> {
  const { host } = new URL(url);
  for (const socket of sockets) {
    if (new URL(socket.url).host !== host) continue;
    await new Promise((resolve) => socket.addEventListener("close", resolve));
  }
}
