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
}

/** What happens to the terminal. */
export interface PtyOptions {
  /** The terminal is closed once this resolves. */
  readonly hangUpWhen?: Promise<void>;
  /** Ctrl-C is pressed once this resolves. */
  readonly interruptWhen?: Promise<void>;
}

const HELPER = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
output = b""
is_open = True
while is_open:
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
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(output)
sys.stdout.flush()
code = os.waitstatus_to_exitcode(status)
sys.stderr.write(str(code))
`;

/** Runs it to its end. */
export async function runInPty(
  words: readonly string[],
  { hangUpWhen, interruptWhen }: PtyOptions = {},
): Promise<PtyResult> {
  const child = new Deno.Command("python3", {
    args: ["-c", HELPER, ...words],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  const output = child.output();
  if (interruptWhen !== undefined) {
    await interruptWhen;
    await stdin.write(Uint8Array.of(3));
  }
  if (hangUpWhen !== undefined) {
    await hangUpWhen;
    await stdin.close().catch(() => {});
  }
  const { stdout, stderr } = await output;
  if (hangUpWhen === undefined) await stdin.close().catch(() => {});
  const decoder = new TextDecoder();
  return {
    code: Number(decoder.decode(stderr)),
    output: decoder.decode(stdout),
  };
}
