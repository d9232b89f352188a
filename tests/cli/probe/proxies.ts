/**
 * Scripted proxies on bare TCP or TLS: CONNECT and SOCKS5.
 *
 * @module
 */

import type { TcpExchange, TcpScript } from "../../support/tcp_peer.ts";

/** What a proxy asks for: `user:password`. */
export type Credentials = string | undefined;

/** Tunnels where CONNECT says; answers 407 without the credentials. */
export function httpProxy(credentials?: Credentials): TcpScript {
  return async (exchange) => {
    const head = await readHead(exchange);
    const [, host = "", port] = /^CONNECT (.+):(\d+) /.exec(head) ?? [];
    const [, given] = /^proxy-authorization: Basic (.*)$/im.exec(head) ?? [];
    const wanted = credentials && btoa(credentials);
    if (given?.trim() !== wanted) {
      return await exchange.write("HTTP/1.1 407 Who are you\r\n\r\n");
    }
    if (port === undefined) {
      return await exchange.write("HTTP/1.1 405 No\r\n\r\n");
    }
    await tunnel(exchange, host, Number(port), "HTTP/1.1 200 Sure\r\n\r\n");
  };
}

/** Tunnels as SOCKS5 says; wants the credentials if there are any. */
export function socksProxy(credentials?: Credentials): TcpScript {
  return async (exchange) => {
    const { conn } = exchange;
    const [, count = 0] = await read(conn, 2);
    const methods = await read(conn, count);
    const wanted = credentials === undefined ? 0 : 2;
    if (!methods.includes(wanted)) {
      return await exchange.write(Uint8Array.of(5, 0xff));
    }
    await exchange.write(Uint8Array.of(5, wanted));
    if (credentials !== undefined) {
      const [, userLength = 0] = await read(conn, 2);
      const user = await readText(conn, userLength);
      const [passwordLength = 0] = await read(conn, 1);
      const given = `${user}:${await readText(conn, passwordLength)}`;
      await exchange.write(Uint8Array.of(1, given === credentials ? 0 : 1));
      if (given !== credentials) return;
    }
    const [, , , , length = 0] = await read(conn, 5);
    const host = await readText(conn, length);
    const [high = 0, low = 0] = await read(conn, 2);
    const reply = Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0);
    await tunnel(exchange, host, high << 8 | low, reply);
  };
}

async function tunnel(
  { conn, write }: TcpExchange,
  hostname: string,
  port: number,
  reply: string | Uint8Array,
): Promise<void> {
  const target = await Deno.connect({ hostname, port });
  await write(reply);
  const up = copy(conn, target);
  await copy(target, conn);
  await up;
}

/** Copies until one side has gone, then closes the other. */
async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  try {
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) break;
      for (let at = 0; at < length;) {
        at += await to.write(buffer.subarray(at, length));
      }
    }
  } catch {
    // Either side may break off.
  }
  try {
    to.close();
  } catch {
    // It was closed by the other direction.
  }
}

async function readHead({ conn }: TcpExchange): Promise<string> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) head += await readText(conn, 1);
  return head;
}

async function readText(conn: Deno.Conn, length: number): Promise<string> {
  return new TextDecoder().decode(await read(conn, length));
}

async function read(conn: Deno.Conn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let used = 0; used < length;) {
    const some = await conn.read(bytes.subarray(used));
    if (some === null) throw new Deno.errors.UnexpectedEof();
    used += some;
  }
  return bytes;
}
