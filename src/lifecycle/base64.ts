/**
 * Base64 (RFC 4648, section 4).
 *
 * @module
 */

/** The bytes as Base64, with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
