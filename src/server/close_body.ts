import { MAX_CONTROL_PAYLOAD, ProtocolError } from "./frames.ts";
import { decodeText } from "./utf8.ts";

/** Whether a close frame may carry this code (7.4.1, 7.4.2, IANA registry). */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 &&
    // 1004 is reserved; 1005 and 1006 "MUST NOT be set as a status code in a
    // Close control frame by an endpoint".
    code !== 1004 && code !== 1005 && code !== 1006;
}

/**
 * The body of a close frame (5.5.1): code and reason.
 *
 * @throws {RangeError} if the code may not be sent or the reason is too long.
 */
export function encodeCloseBody(
  code: number,
  reason: string,
): Uint8Array<ArrayBuffer> {
  if (!isCloseCode(code)) {
    throw new RangeError(
      `Cannot close with ${code}: it is not a code that may be sent ` +
        "(RFC 6455, section 7.4)",
    );
  }
  const text = new TextEncoder().encode(reason);
  if (text.length > MAX_CONTROL_PAYLOAD - 2) {
    throw new RangeError(
      `Cannot close with a reason of ${text.length} bytes: ` +
        `at most ${MAX_CONTROL_PAYLOAD - 2} fit`,
    );
  }
  const body = new Uint8Array(2 + text.length);
  body[0] = code >>> 8;
  body[1] = code;
  body.set(text, 2);
  return body;
}

/**
 * Reads the body of a close frame; an empty one is code 1005 (7.1.5).
 *
 * @throws {ProtocolError} 1002 for a code that may not be sent, 1007 for a
 * reason that is not UTF-8.
 */
export function decodeCloseBody(
  body: Uint8Array<ArrayBuffer>,
): { code: number; reason: string } {
  if (body.length === 0) return { code: 1005, reason: "" };
  if (body.length === 1) {
    throw new ProtocolError(1002, "a close frame has a body of one byte");
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const code = view.getUint16(0);
  if (!isCloseCode(code)) {
    throw new ProtocolError(1002, `close code ${code} may not be sent`);
  }
  return { code, reason: decodeText(body.subarray(2)) };
}
