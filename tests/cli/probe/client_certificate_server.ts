/**
 * A TLS server of Python's that wants a client certificate of the tests'
 * authority.
 *
 * @module
 */

import { certificates } from "../../support/certificates.ts";
import {
  canRun,
  type ForeignServer,
  type Program,
  startServer,
} from "../../support/foreign_server.ts";

/** How to start it, where there is a Python with TLS. */
export async function findClientCertificateServer(): Promise<
  Program<() => Promise<ForeignServer>>
> {
  return await canRun("python3", "-c", "import ssl")
    ? { start }
    : { missing: "no python3 with ssl" };
}

async function start(): Promise<ForeignServer> {
  const { ca, good } = await certificates();
  const folder = await Deno.makeTempDir();
  const files = Object.entries({ cert: good.cert, key: good.key, ca });
  for (const [name, text] of files) {
    await Deno.writeTextFile(`${folder}/${name}.pem`, text);
  }
  const script = new URL("./client_certificate_server.py", import.meta.url);
  try {
    return await startServer("python3", [
      script.pathname,
      ...files.map(([name]) => `${folder}/${name}.pem`),
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
