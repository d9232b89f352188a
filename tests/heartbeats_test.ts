import { assertEquals, assertNotEquals } from "@std/assert";
import type { PingConfig } from "../src/config.ts";
import * as heartbeats from "../src/heartbeats.ts";
import type { Message } from "../src/message.ts";

interface Case {
  readonly name: string;
  readonly make: () => PingConfig;
  /** The ping of ours, as the protocol's document has it. */
  readonly ping?: unknown;
  readonly pongs: readonly string[];
  /** Pings of the server, and our answers. */
  readonly answers?: readonly (readonly [string, string])[];
  /** What is data, though it may look like a heartbeat. */
  readonly data: readonly Message[];
}

const CASES: readonly Case[] = [
  {
    name: "phoenix",
    make: heartbeats.phoenix,
    ping: [null, "heartbeat-1", "phoenix", "heartbeat", {}],
    pongs: [
      '[null,"heartbeat-1","phoenix","phx_reply",{"response":{},"status":"ok"}]',
    ],
    data: [
      '["1","2","room:lobby","phx_reply",{"response":{},"status":"ok"}]',
      '["1",null,"room:lobby","new_msg",{"body":"phx_reply","topic":"phoenix"}]',
      '{"topic":"phoenix","event":"phx_reply","payload":{},"ref":"1"}',
    ],
  },
  {
    name: "graphqlWs",
    make: heartbeats.graphqlWs,
    ping: { type: "ping" },
    pongs: ['{"type":"pong"}', '{ "payload": { "a": 1 }, "type": "pong" }'],
    answers: [
      ['{"type":"ping"}', '{"type":"pong"}'],
      [
        '{"payload":{"n":1},"type":"ping"}',
        '{"type":"pong","payload":{"n":1}}',
      ],
    ],
    data: [
      '{"type":"next","id":"1","payload":{"data":{"type":"pong","of":"ping"}}}',
      '{"type":"connection_ack","payload":"pong"}',
    ],
  },
  {
    name: "engineIo",
    make: heartbeats.engineIo,
    pongs: [],
    answers: [["2", "3"]],
    data: ['0{"sid":"a"}', "2probe", "3", '42["message"]', "6"],
  },
  {
    name: "centrifugo",
    make: heartbeats.centrifugo,
    pongs: [],
    answers: [["{}", "{}"], ["{}\n", "{}"]],
    data: ['{"id":1,"connect":{}}', '{"push":{"channel":"a"}}\n{}', "[]"],
  },
  {
    name: "jsonOp",
    make: heartbeats.jsonOp,
    ping: { op: "ping" },
    pongs: [
      '{"op":"pong"}',
      '{"req_id":"1","op":"pong","args":["1675418560633"],"conn_id":"c"}',
      '{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}',
    ],
    data: ['{"op":"subscribe","ret_msg":""}', '{"topic":"pong","data":"pong"}'],
  },
  {
    name: "text",
    make: heartbeats.text,
    ping: "ping",
    pongs: ["pong"],
    data: ["ping", '"pong"', "pong "],
  },
];

const NEVER: readonly Message[] = [
  "",
  "null",
  '"pong" "ping" "phx_reply" {}',
  '["pong","ping","phx_reply"]',
  '"pong"',
  new TextEncoder().encode("pong"),
];

for (const { name, make, ping, pongs, answers = [], data } of CASES) {
  Deno.test(`${name}: the ping is as the protocol has it`, () => {
    assertEquals(parse(next(make())), ping);
  });

  Deno.test(`${name}: its heartbeats are told from data`, () => {
    const { isPong, answer } = make();
    for (const pong of pongs) assertEquals(isPong?.(pong), true, pong);
    for (const [ping, expected] of answers) {
      assertEquals(answer?.(ping), expected, ping);
    }
    for (const message of [...data, ...NEVER]) {
      assertEquals(isPong?.(message) ?? false, false, String(message));
      assertEquals(answer?.(message), undefined, String(message));
    }
  });
}

Deno.test("phoenix gives each ping a reference of its own, for each connection anew", () => {
  const config = heartbeats.phoenix();
  const [first, second] = [next(config), next(config)];
  assertNotEquals(first, second);
  assertEquals(next(heartbeats.phoenix()), first);
});

Deno.test("text takes other words than ping and pong", () => {
  const { message, isPong } = heartbeats.text("hello", "world");
  assertEquals([message, isPong?.("world"), isPong?.("pong")], [
    "hello",
    true,
    false,
  ]);
});

function next({ message }: PingConfig): Message | undefined {
  return typeof message === "function" ? message() : message;
}

function parse(message: Message | undefined): unknown {
  return typeof message === "string" && /^[{[]/.test(message)
    ? JSON.parse(message)
    : message;
}
