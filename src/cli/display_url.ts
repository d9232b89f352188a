/**
 * URLs as they may be printed and logged.
 *
 * @module
 */

/** Without user, password and query: a token may be in each of them. */
export function displayUrl(url: string): string {
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname}${search === "" ? "" : "?***"}`;
}
