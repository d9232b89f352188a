/**
 * The close codes of RFC 6455, section 7.4, and of IANA's registry.
 *
 * @module
 */

interface CloseCode {
  readonly name: string;
  /** Whether a close frame may carry it; the others are for APIs alone. */
  readonly inFrame: boolean;
}

const CLOSE_CODES: ReadonlyMap<number, CloseCode> = new Map([
  [1000, { name: "normal closure", inFrame: true }],
  [1001, { name: "going away", inFrame: true }],
  [1002, { name: "protocol error", inFrame: true }],
  [1003, { name: "unsupported data", inFrame: true }],
  [1005, { name: "no code given", inFrame: false }],
  [1006, { name: "no close frame", inFrame: false }],
  [1007, { name: "invalid data", inFrame: true }],
  [1008, { name: "policy violation", inFrame: true }],
  [1009, { name: "message too big", inFrame: true }],
  [1010, { name: "extension missing", inFrame: true }],
  [1011, { name: "internal error", inFrame: true }],
  [1012, { name: "service restart", inFrame: true }],
  [1013, { name: "try again later", inFrame: true }],
  [1014, { name: "bad gateway", inFrame: true }],
  [1015, { name: "TLS failure", inFrame: false }],
]);

/** The name of this code in the registry; `undefined` if it has no name. */
export function closeCodeName(code: number): string | undefined {
  return CLOSE_CODES.get(code)?.name;
}

/** Whether a close frame may carry this code, in either direction. */
export function isCloseCode(code: number): boolean {
  // 3000 to 3999 are registered by libraries, 4000 to 4999 are private.
  if (code >= 3000 && code <= 4999) return Number.isInteger(code);
  return CLOSE_CODES.get(code)?.inFrame ?? false;
}
