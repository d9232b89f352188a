/**
 * The program with a terminal as its stdin and stdout, for tests of what only a
 * terminal does. Python has pseudo-terminals, and is on every machine that has
 * Deno's tests.
 *
 * @module
 */

/** How a program in a terminal ended. */
export interface PtyResult {
  /** The exit code; minus the number of the signal that it died of. */
  readonly code: number;
  /** What it printed. */
  readonly output: string;
  /** Whether the terminal was left as it was: it echoes, and edits lines. */
  readonly isRestored: boolean;
  /** How many bytes it printed after the key was pressed. */
  readonly printedAfterKey: number;
}

/** What happens to the terminal. */
export interface PtyOptions {
  /** The terminal is closed once this resolves. */
  readonly hangUpWhen?: Promise<void>;
  /** The key is pressed after so many bytes. */
  readonly pressAfter?: number;
  /** @default Ctrl-C */
  readonly key?: string;
  /** Before and after the key the terminal shows nothing for some time. */
  readonly stalls?: boolean;
}

const HELPER = `
import os, pty, select, sys, termios, time
press_after = float(sys.argv[1])
key = bytes.fromhex(sys.argv[2])
pause = float(sys.argv[3])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[4], sys.argv[4:])
output = bytearray()
printed = 0
is_open = True
while is_open:
    if len(output) > press_after:
        press_after = float("inf")
        printed = len(output)
        time.sleep(pause)
        os.write(terminal, key)
        time.sleep(pause)
    ready, _, _ = select.select([terminal, sys.stdin], [], [])
    if sys.stdin in ready:
        data = os.read(0, 4096)
        if not data:
            os.close(terminal)
            is_open = False
        else:
            os.write(terminal, data)
    if terminal in ready and is_open:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            data = b""
        is_open = data != b""
        output += data
is_restored = False
try:
    needed = termios.ICANON | termios.ECHO
    is_restored = termios.tcgetattr(terminal)[3] & needed == needed
except termios.error:
    pass # It was closed.
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(output)
sys.stdout.flush()
code = os.waitstatus_to_exitcode(status)
sys.stderr.write(f"{code} {is_restored} {len(output) - printed}")
`;

/** Runs it to its end. */
export async function runInPty(
  words: readonly string[],
  { hangUpWhen, pressAfter = Infinity, key = "\x03", stalls = false }:
    PtyOptions = {},
): Promise<PtyResult> {
  const child = new Deno.Command("python3", {
    args: [
      ...["-c", HELPER, `${pressAfter}`, new TextEncoder().encode(key).toHex()],
      ...[stalls ? "0.3" : "0", ...words],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  const output = child.output();
  if (hangUpWhen !== undefined) {
    await hangUpWhen;
    await stdin.close().catch(() => {});
  }
  const { stdout, stderr } = await output;
  if (hangUpWhen === undefined) await stdin.close().catch(() => {});
  const decoder = new TextDecoder();
  const [code, isRestored, printed] = decoder.decode(stderr).split(" ");
  return {
    code: Number(code),
    output: decoder.decode(stdout),
    isRestored: isRestored === "True",
    printedAfterKey: Number(printed),
  };
}
