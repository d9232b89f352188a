/**
 * How wide the terminal is.
 *
 * @module
 */

const DEFAULT = 80;

/** Columns; 80 where there is no terminal. */
export function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT;
  } catch {
    return DEFAULT;
  }
}
