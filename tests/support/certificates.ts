/**
 * Certificates for tests, made on the spot: a bare machine has no `openssl`,
 * and certificates that are kept in a repository expire.
 *
 * @module
 */

import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** A certificate and its private key, as PEM texts. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** Everything a test of TLS may want. */
export interface Certificates {
  /** The authority that signed all but `unknown`: for `caCerts`. PEM. */
  readonly ca: string;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly good: Identity;
  /** As `good`, but its time ended an hour ago. */
  readonly expired: Identity;
  /** Sound, but for `wrong.example` only. */
  readonly wrongHost: Identity;
  /** As `good`, but signed by an authority that nobody knows. */
  readonly unknown: Identity;
  /** For a client, with the common name `test client`. */
  readonly client: Identity;
}

let made: Promise<Certificates> | undefined;

/**
 * The certificates of this process; made at the first call (some 20 ms).
 *
 * @example
 * ```ts
 * import { certificates } from "./certificates.ts";
 * import { serve } from "../../src/server/server.ts";
 *
 * const { ca, good } = await certificates();
 * await using server = serve({ tls: good, onPeer: () => {} });
 * using client = Deno.createHttpClient({ caCerts: [ca] });
 * new WebSocket(server.url, { client });
 * ```
 */
export function certificates(): Promise<Certificates> {
  made ??= make();
  return made;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR = 3_600_000;
const HERE = ["localhost", "127.0.0.1", "::1"];

interface Authority {
  readonly name: string;
  readonly keys: CryptoKeyPair;
}

async function make(): Promise<Certificates> {
  const authority = { name: "CN=Test CA", keys: await newKeys() };
  const stranger = { name: "CN=Unknown CA", keys: await newKeys() };
  const [ca, good, expired, wrongHost, unknown, client] = await Promise.all([
    certifyAuthority(authority),
    certifyServer(authority, HERE),
    certifyServer(authority, HERE, -HOUR),
    certifyServer(authority, ["wrong.example"]),
    certifyServer(stranger, HERE),
    certifyClient(authority),
  ]);
  return { ca, good, expired, wrongHost, unknown, client };
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function certifyAuthority({ name, keys }: Authority): Promise<string> {
  return sign({ name, keys }, name, keys.publicKey, HOUR, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
  ]);
}

function certifyServer(
  authority: Authority,
  hosts: readonly string[],
  lifetime: number = HOUR,
): Promise<Identity> {
  return certify(authority, "CN=test server", lifetime, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(hosts.map(asName)),
  ]);
}

function asName(value: string): JsonGeneralName {
  const isAddress = value.includes(":") || /^[\d.]+$/.test(value);
  return { type: isAddress ? "ip" : "dns", value };
}

function certifyClient(authority: Authority): Promise<Identity> {
  return certify(authority, "CN=test client", HOUR, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
  ]);
}

async function certify(
  authority: Authority,
  subject: string,
  lifetime: number,
  extensions: Extension[],
): Promise<Identity> {
  const keys = await newKeys();
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    cert: await sign(authority, subject, keys.publicKey, lifetime, [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...extensions,
    ]),
    key: PemConverter.encode(pkcs8, "PRIVATE KEY"),
  };
}

async function sign(
  authority: Authority,
  subject: string,
  publicKey: CryptoKey,
  lifetime: number,
  extensions: Extension[],
): Promise<string> {
  const now = Date.now();
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: authority.name,
    notBefore: new Date(now - 2 * HOUR),
    notAfter: new Date(now + lifetime),
    publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions,
  });
  return certificate.toString("pem");
}
