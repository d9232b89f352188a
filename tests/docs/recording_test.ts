import { assertEquals, assertStringIncludes } from "@std/assert";
import { drawSvg } from "../../tools/recording.ts";

Deno.test("a screen is drawn with its colours, which go on in the next line", () => {
  const svg = drawSvg([
    { time: 0, lines: ["a \u001b[32mgreen <b>", "& \u001b[0mplain"] },
  ]);
  assertStringIncludes(svg, '<tspan x="0.0" textLength="16.8">a </tspan>');
  assertStringIncludes(svg, 'fill="#8cc570">green &lt;b></tspan>');
  assertStringIncludes(svg, 'fill="#8cc570">&amp; </tspan>');
  assertStringIncludes(svg, '<tspan x="16.8" textLength="42.0">plain</tspan>');
});

Deno.test("a line that stays is drawn once, and shown in each frame", () => {
  const svg = drawSvg([
    { time: 0, lines: ["stays"] },
    { time: 500, lines: ["stays", "comes"] },
  ], 500);
  assertEquals(svg.match(/>stays</g)?.length, 1);
  assertEquals(svg.match(/<use /g)?.length, 3);
  assertStringIncludes(svg, "50.00%{transform:translateY(-68px)}");
});

Deno.test("the recording in the docs ends without a loss", () => {
  const svg = Deno.readTextFileSync(
    new URL("../../docs/demo.svg", import.meta.url),
  );
  assertStringIncludes(svg, ">$ ws-stream demo<");
  assertStringIncludes(svg, "lost 0");
  assertEquals(svg.match(/Failed|Warning|Download/), null);
});
