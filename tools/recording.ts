/**
 * Records the demo as the README shows it: the real program in a real terminal
 * (tmux, 80 columns), drawn as an animated SVG. The README has its text too.
 *
 * ```sh
 * deno task recording
 * ```
 *
 * @module
 */

const COLUMNS = 80;
const ROWS = 36;
const SOCKET = "ws-stream-recording";
const ROOT = new URL("../", import.meta.url);
const OUTPUT = new URL("docs/demo.svg", ROOT);

/** Between two looks at the screen, ms. */
const LOOK = 100;
/** How long the last screen stays before it begins again, ms. */
const LAST = 6_000;
/** The demo takes some 8 seconds; something is wrong if it takes longer. */
const LIMIT = 60_000;

/** What was on the screen from a time on. */
export interface Frame {
  /** From the beginning, ms. */
  readonly time: number;
  /** Lines with escape sequences for colours. */
  readonly lines: readonly string[];
}

const CHAR_WIDTH = 8.4;
const LINE_HEIGHT = 18;
const FONT_SIZE = 14;
const PADDING = 16;

/** A change of colour; `split` leaves its codes between the texts. */
const SEQUENCE = new RegExp("\u001b\\[([\\d;]*)m");

const BACKGROUND = "#14161b";
const FOREGROUND = "#d7dae0";
const COLOURS: Readonly<Record<string, string>> = {
  30: "#5c6370",
  31: "#ef6b73",
  32: "#8cc570",
  33: "#e3b341",
  34: "#61afef",
  35: "#c678dd",
  36: "#56b6c2",
  37: FOREGROUND,
  90: "#7f848e",
};

/** Draws the frames one after another, for ever. */
export function drawSvg(frames: readonly Frame[], last = LAST): string {
  const end = (frames.at(-1)?.time ?? 0) + last;
  const rows = Math.max(...frames.map(({ lines }) => lines.length));
  const width = Math.ceil(COLUMNS * CHAR_WIDTH + 2 * PADDING);
  const height = rows * LINE_HEIGHT + 2 * PADDING;
  const ids = new Map<string, string>();
  const uses = frames.map(({ lines }, frame) =>
    drawLines(lines).map((line, row) => {
      if (line === "") return "";
      const id = ids.get(line) ?? `l${ids.size}`;
      ids.set(line, id);
      const y = frame * height + PADDING + row * LINE_HEIGHT + FONT_SIZE;
      return `<use href="#${id}" x="${PADDING}" y="${y}"/>`;
    }).join("")
  );
  const stops = frames.map(({ time }, frame) =>
    `${(100 * time / end).toFixed(2)}%{transform:translateY(${
      -frame * height
    }px)}`
  );
  const still = -(frames.length - 1) * height;
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="ws-stream demo in a terminal">
<style>
text{font:${FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;fill:${FOREGROUND};white-space:pre}
@keyframes play{${stops.join("")}100%{transform:translateY(${still}px)}}
#frames{animation:play ${(end / 1000).toFixed(2)}s steps(1,end) infinite}
@media (prefers-reduced-motion){#frames{animation:none;transform:translateY(${still}px)}}
</style>
<defs>
${
    [...ids].map(([line, id]) => `<text id="${id}">${line}</text>`)
      .join("\n")
  }
</defs>
<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>
<svg width="${width}" height="${height}"><g id="frames">
${uses.join("\n")}
</g></svg>
</svg>
`;
}

/** Lines with escape sequences as lines of spans with colours. */
function drawLines(lines: readonly string[]): string[] {
  // A colour goes on in the next line.
  let colour: string | undefined;
  let isBold = false;
  let isDim = false;
  return lines.map((line) => {
    let column = 0;
    let drawn = "";
    for (const [i, part] of line.split(SEQUENCE).entries()) {
      if (i % 2 === 0) {
        const style = [
          colour === undefined ? "" : ` fill="${colour}"`,
          isBold ? ' font-weight="bold"' : "",
          isDim ? ' opacity="0.6"' : "",
        ].join("");
        if (part.trim() !== "") drawn += drawSpan(part, column, style);
        column += part.length;
        continue;
      }
      for (const code of part.split(";")) {
        if (code === "0" || code === "") {
          [colour, isBold, isDim] = [undefined, false, false];
        } else if (code === "1") isBold = true;
        else if (code === "2") isDim = true;
        else if (code === "22") [isBold, isDim] = [false, false];
        else if (code === "39") colour = undefined;
        else colour = COLOURS[code] ?? colour;
      }
    }
    return drawn;
  });
}

function drawSpan(text: string, column: number, style: string): string {
  const x = (column * CHAR_WIDTH).toFixed(1);
  const length = (text.length * CHAR_WIDTH).toFixed(1);
  return `<tspan x="${x}" textLength="${length}"${style}>${
    escapeXml(text)
  }</tspan>`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

async function record(): Promise<Frame[]> {
  // A cache of its own, filled before: no download and no warning is recorded.
  const cache = await Deno.makeTempDir();
  const program =
    `DENO_DIR=${cache} ${Deno.execPath()} run --quiet --no-lock ` +
    "--allow-net=127.0.0.1 cli.ts";
  await tmux(
    "new-session",
    "-d",
    "-x",
    String(COLUMNS),
    "-y",
    String(ROWS),
    `cd ${ROOT.pathname} && ${program} --version >/dev/null && clear && ` +
      `printf '$ ws-stream demo\\n' && ${program} demo; ` +
      "printf '$ '; exec sleep 600",
  );
  try {
    const frames: Frame[] = [];
    const deadline = performance.now() + LIMIT;
    let begin: number | undefined;
    while (performance.now() < deadline) {
      const text = await tmux("capture-pane", "-p", "-e");
      const lines = text.split("\n").slice(0, ROWS);
      const now = performance.now();
      if (lines[0]?.startsWith("$ ws-stream")) begin ??= now;
      if (
        begin !== undefined &&
        frames.at(-1)?.lines.join("\n") !== lines.join("\n")
      ) frames.push({ time: Math.round(now - begin), lines });
      if (lines.some((line) => line.split(SEQUENCE).at(-1)?.trim() === "$")) {
        return frames;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
    throw new Error("The demo does not end.");
  } finally {
    await tmux("kill-server");
    await Deno.remove(cache, { recursive: true });
  }
}

async function tmux(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("tmux", {
    args: ["-L", SOCKET, "-f", "/dev/null", ...args],
    env: { TERM: "xterm-256color" },
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  const frames = await record();
  await Deno.writeTextFile(OUTPUT, drawSvg(frames));
  console.log(`${frames.length} frames in ${OUTPUT.pathname}`);
}
