/**
 * The negotiation of permessage-deflate (RFC 7692, section 7.1).
 *
 * @module
 */

/** What both sides agreed on. */
export interface DeflateParameters {
  /** Whether the server forgets its window after each message. */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client forgets its window after each message. */
  readonly clientNoContextTakeover: boolean;
  /** The base-2 logarithm of the server's window, 8 to 15. */
  readonly serverMaxWindowBits: number;
  /** The base-2 logarithm of the client's window, 8 to 15. */
  readonly clientMaxWindowBits: number;
}

/** What a client offers. */
export interface DeflateOffer {
  /** Whether windows are kept from message to message. @default true */
  readonly contextTakeover?: boolean;
}

const NAME = "permessage-deflate";

/** The value of `Sec-WebSocket-Extensions` in a client's request. */
export function offerDeflate({ contextTakeover = true }: DeflateOffer): string {
  return contextTakeover
    ? `${NAME}; client_max_window_bits`
    : `${NAME}; client_no_context_takeover; server_no_context_takeover; ` +
      "client_max_window_bits";
}

/**
 * What a server's `Sec-WebSocket-Extensions` agrees to, for a client.
 * @returns the parameters; `undefined` if the server wants no compression; a
 * text that says what is wrong, with the response as its subject
 */
export function acceptDeflate(
  value: string,
  offer: DeflateOffer | undefined,
): DeflateParameters | string | undefined {
  const extensions = parseExtensions(value);
  if (extensions === undefined) return "has malformed extensions";
  const [extension, ...others] = extensions;
  if (extension === undefined) return undefined;
  if (offer === undefined || extension.name !== NAME || others.length > 0) {
    return "has an extension that was not offered";
  }
  const parameters = readParameters(extension.parameters, "response");
  if (parameters === undefined) {
    return "has wrong parameters for permessage-deflate";
  }
  // Section 7.1.1.2: a client may drop its own window without being asked to.
  const clientNoContextTakeover = parameters.clientNoContextTakeover ||
    offer.contextTakeover === false;
  return { ...parameters, clientNoContextTakeover };
}

/**
 * Chooses the first offer of a client that a server can accept.
 * @returns the parameters and the value of the server's
 * `Sec-WebSocket-Extensions`; `undefined` if there is no such offer
 */
export function chooseDeflate(
  offers: string,
  { contextTakeover = true }: DeflateOffer = {},
): { parameters: DeflateParameters; response: string } | undefined {
  for (const { name, parameters } of parseExtensions(offers) ?? []) {
    if (name !== NAME) continue;
    const offered = readParameters(parameters, "offer");
    // zlib cannot deflate with a window of 2^8: it uses 2^9, which a client
    // with a smaller window could not inflate.
    if (offered === undefined || offered.serverMaxWindowBits === 8) continue;
    const agreed: DeflateParameters = {
      ...offered,
      serverNoContextTakeover: offered.serverNoContextTakeover ||
        !contextTakeover,
      clientNoContextTakeover: offered.clientNoContextTakeover ||
        !contextTakeover,
    };
    return { parameters: agreed, response: writeParameters(agreed) };
  }
  return undefined;
}

function writeParameters(parameters: DeflateParameters): string {
  const parts = [NAME];
  if (parameters.serverNoContextTakeover) {
    parts.push("server_no_context_takeover");
  }
  if (parameters.clientNoContextTakeover) {
    parts.push("client_no_context_takeover");
  }
  if (parameters.serverMaxWindowBits < 15) {
    parts.push(`server_max_window_bits=${parameters.serverMaxWindowBits}`);
  }
  if (parameters.clientMaxWindowBits < 15) {
    parts.push(`client_max_window_bits=${parameters.clientMaxWindowBits}`);
  }
  return parts.join("; ");
}

/** Section 7.1: unknown, repeated or wrong parameters decline the extension. */
function readParameters(
  parameters: readonly Parameter[],
  from: "offer" | "response",
): DeflateParameters | undefined {
  const found = new Map<string, string | undefined>();
  for (const { name, value } of parameters) {
    if (found.has(name)) return undefined;
    switch (name) {
      case "server_no_context_takeover":
      case "client_no_context_takeover":
        if (value !== undefined) return undefined;
        break;
      case "client_max_window_bits":
        // Only an offer may leave the value out (section 7.1.2.2).
        if (from === "offer" && value === undefined) break;
        if (!isWindowBits(value)) return undefined;
        break;
      case "server_max_window_bits":
        if (!isWindowBits(value)) return undefined;
        break;
      default:
        return undefined;
    }
    found.set(name, value);
  }
  return {
    serverNoContextTakeover: found.has("server_no_context_takeover"),
    clientNoContextTakeover: found.has("client_no_context_takeover"),
    serverMaxWindowBits: Number(found.get("server_max_window_bits") ?? 15),
    clientMaxWindowBits: Number(found.get("client_max_window_bits") ?? 15),
  };
}

function isWindowBits(value: string | undefined): boolean {
  return value !== undefined && /^(?:[89]|1[0-5])$/.test(value);
}

interface Parameter {
  readonly name: string;
  readonly value?: string;
}

interface Extension {
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
/** Section 9.1; a quoted value must be a token, too. */
const PARAMETER = new RegExp(
  `^\\s*(${TOKEN})(?:\\s*=\\s*(?:(${TOKEN})|"(${TOKEN})"))?\\s*$`,
);

/** `Sec-WebSocket-Extensions` (section 9.1); `undefined` if it is malformed. */
function parseExtensions(value: string): Extension[] | undefined {
  const extensions: Extension[] = [];
  for (const entry of value.split(",")) {
    if (entry.trim() === "") continue;
    const parts: Parameter[] = [];
    for (const part of entry.split(";")) {
      const [match, name = "", token, quoted] = PARAMETER.exec(part) ?? [];
      if (match === undefined) return undefined;
      parts.push({ name, value: token ?? quoted });
    }
    const [first, ...parameters] = parts;
    if (first === undefined || first.value !== undefined) return undefined;
    extensions.push({ name: first.name, parameters });
  }
  return extensions;
}
