import { assertEquals, assertStringIncludes } from "@std/assert";
import { feed } from "../../src/server/behaviours.ts";
import { serve } from "../../src/server/server.ts";
import { Recorder } from "../support/events.ts";
import { freePort } from "../support/free_port.ts";
import { Example, LIMIT } from "./example.ts";

Deno.test("Prometheus reads what the client has counted", async () => {
  await using server = serve({ onPeer: feed({ rate: Infinity, count: 7 }) });
  const address = `127.0.0.1:${freePort()}`;
  await using client = new Example("metrics_prometheus.ts", {
    args: [server.url, address],
    net: [`127.0.0.1:${server.port}`, address],
  });
  await client.stdout.matching(/^connected/);
  const lines = await textUntil(`http://${address}/metrics`, (text) => {
    const received = /^wsstream_messages_received_total (\d+)$/m.exec(text);
    return Number(received?.[1]) >= 7;
  });
  assertStringIncludes(
    lines,
    "# TYPE wsstream_messages_received_total counter",
  );
  assertStringIncludes(lines, 'wsstream_failures_total{code="CLOSED"} ');
});

Deno.test("an OpenTelemetry collector is told what the client has counted", async () => {
  const events = new Recorder<{ metrics: string }>(LIMIT);
  await using collector = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
  }, async (request) => {
    events.add("metrics", await request.text());
    return Response.json({});
  });
  await using server = serve({ onPeer: feed({ rate: 1000 }) });
  await using client = new Example("metrics_opentelemetry.ts", {
    args: [server.url],
    net: [`127.0.0.1:${server.port}`],
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "100",
    },
  });
  await client.stdout.matching(/^connected/);
  let names: string[] = [];
  await events.until(() => {
    names = metricNames(events.all("metrics").at(-1));
    return names.includes("wsstream.messages.received");
  });
  assertEquals(
    names.filter((name) => name.startsWith("wsstream.")).toSorted(),
    [
      "wsstream.connects",
      "wsstream.downtime",
      "wsstream.failures",
      "wsstream.io.received",
      "wsstream.io.sent",
      "wsstream.messages.dropped",
      "wsstream.messages.received",
      "wsstream.messages.sent",
      "wsstream.queue.messages",
      "wsstream.queue.size",
      "wsstream.retries",
    ],
  );
});

/** Reads until it holds. */
async function textUntil(url: string, holds: (text: string) => boolean) {
  const deadline = Date.now() + LIMIT;
  for (;;) {
    const text = await (await fetch(url)).text();
    if (holds(text)) return text;
    if (Date.now() > deadline) throw new Error(`Not in time:\n${text}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Export {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly metrics: readonly { readonly name: string }[];
    }[];
  }[];
}

function metricNames(body = '{"resourceMetrics":[]}'): string[] {
  const { resourceMetrics }: Export = JSON.parse(body);
  return resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) => metrics.map(({ name }) => name))
  );
}
