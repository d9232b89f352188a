import type { Identity } from "./certificates.ts";
import {
  canRun,
  type ForeignServer,
  type Program,
  startServerOn,
} from "./foreign_server.ts";
import { freePort } from "./free_port.ts";

/** How nginx stands in front of a server. */
export interface NginxOptions {
  /** Where the server listens, on 127.0.0.1. */
  readonly upstream: number;
  /** Cuts a connection on which the server is silent so long, s. @default 60 */
  readonly readTimeout?: number;
  /** Speaks TLS to the client, HTTP/2 offered. @default plain TCP */
  readonly tls?: Identity;
}

/**
 * Starts nginx as a reverse proxy; `/moved` redirects to `/`, `/maintenance`
 * answers 503 and says to come back after 7 s.
 *
 * @example
 * ```ts
 * import { testWith } from "./foreign_server.ts";
 * import { findNginx } from "./nginx.ts";
 *
 * testWith(await findNginx(), "nginx lets a WebSocket through", async (start) => {
 *   await using nginx = await start({ upstream: 8080 });
 *   new WebSocket(nginx.url);
 * });
 * ```
 */
export async function findNginx(): Promise<
  Program<(options: NginxOptions) => Promise<ForeignServer>>
> {
  return await canRun("nginx", "-v")
    ? { start: startNginx }
    : { missing: "nginx is not installed" };
}

async function startNginx(options: NginxOptions): Promise<ForeignServer> {
  const folder = await Deno.makeTempDir({ prefix: "nginx" });
  try {
    const port = freePort();
    await writeFiles(folder, port, options);
    const server = await startServerOn(port, "nginx", [
      ...["-p", folder],
      ...["-c", "nginx.conf"],
      ...["-e", "stderr"],
    ]);
    return {
      port,
      url: server.url.replace("ws", options.tls === undefined ? "ws" : "wss"),
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await Deno.remove(folder, { recursive: true });
      },
    };
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}

async function writeFiles(
  folder: string,
  port: number,
  { upstream, readTimeout = 60, tls }: NginxOptions,
): Promise<void> {
  if (tls !== undefined) {
    await Deno.writeTextFile(`${folder}/cert.pem`, tls.cert);
    await Deno.writeTextFile(`${folder}/key.pem`, tls.key);
  }
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `
    # One process, in the foreground: killing it leaves nothing behind.
    daemon off;
    master_process off;
    pid nginx.pid;
    error_log stderr crit;
    events {}
    http {
      access_log off;
      client_body_temp_path body;
      proxy_temp_path proxy;
      fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi;
      scgi_temp_path scgi;
      server {
        listen 127.0.0.1:${port}${tls === undefined ? "" : " ssl http2"};
        ${
      tls === undefined
        ? ""
        : "ssl_certificate cert.pem; ssl_certificate_key key.pem;"
    }
        location /moved {
          return 301 /;
        }
        location /maintenance {
          add_header Retry-After 7 always;
          return 503;
        }
        location / {
          proxy_pass http://127.0.0.1:${upstream};
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection "upgrade";
          proxy_set_header Host $host;
          proxy_read_timeout ${readTimeout}s;
        }
      }
    }
    `,
  );
}
