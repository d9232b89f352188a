/**
 * User name and password in a URL: they are not sent as part of it.
 *
 * @module
 */

/** As they were meant, not as the URL writes them. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The URL without its credentials, and these, if there are any. */
export function splitCredentials(
  url: URL,
): { readonly url: URL; readonly credentials?: Credentials } {
  const { username, password } = url;
  if (username === "" && password === "") return { url };
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  const credentials = {
    username: decode(username),
    password: decode(password),
  };
  return { url: bare, credentials };
}

/** The value of a Basic `Authorization` header (RFC 7617), in UTF-8. */
export function basicAuthorization(
  { username, password }: Credentials,
): string {
  const pair = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${pair.toBase64()}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray "%" that encodes nothing is one; the URL parser lets it through.
    return text;
  }
}
