import { assertEquals, assertNotEquals } from "@std/assert";
import type { PingConfig, PingReply } from "../src/config.ts";
import * as heartbeats from "../src/heartbeats.ts";
import type { Message } from "../src/message.ts";

interface Case {
  readonly name: string;
  readonly make: () => PingConfig;
  /** The ping of ours, as the protocol's document has it. */
  readonly ping?: unknown;
  readonly pongs: readonly string[];
  /** Pings of the server, and our answers. */
  readonly answers?: readonly (readonly [string, string | PingReply])[];
  /** What is data, though it may look like a heartbeat. */
  readonly data: readonly Message[];
}

const PUSH = '{"push":{"channel":"feed","pub":{"data":{"n":1}}}}';
const PRIVMSG = ":a!a@a.tmi.twitch.tv PRIVMSG #c :hello\r\n";

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
    // The batches are as Centrifugo sends them.
    answers: [
      ["{}", "{}"],
      ["{}\n", "{}"],
      ["{}\n{}", "{}"],
      [`${PUSH}\n{}`, { reply: "{}", deliver: true }],
      [`{}\n${PUSH}`, { reply: "{}", deliver: true }],
      [`${PUSH}\n${PUSH}\n{}\n${PUSH}\n`, { reply: "{}", deliver: true }],
    ],
    data: [
      '{"id":1,"connect":{"client":"c","subs":{"feed":{}},"ping":1,"pong":true}}',
      '{"id":2,"subscribe":{}}\n{"push":{"channel":"feed","pub":{"data":{}}}}',
      `${PUSH}\n${PUSH}`,
      "[]",
    ],
  },
  {
    name: "irc",
    make: heartbeats.irc,
    ping: "PING :ws-stream",
    pongs: [
      ":tmi.twitch.tv PONG tmi.twitch.tv :ws-stream\r\n",
      "PONG ws-stream",
      "@time=2026-01-01T00:00:00.000Z :irc.example.com PONG a :ws-stream",
    ],
    answers: [
      ["PING :tmi.twitch.tv\r\n", {
        reply: "PONG :tmi.twitch.tv",
        deliver: false,
      }],
      ["PING", { reply: "PONG", deliver: false }],
      [":irc.example.com PING a b", { reply: "PONG a b", deliver: false }],
      [`${PRIVMSG}PING :1\r\n${PRIVMSG}PING :2\r\n`, {
        reply: "PONG :1\r\nPONG :2",
        deliver: true,
      }],
    ],
    data: [
      PRIVMSG,
      ":a!a@a PRIVMSG #c :PING :me\r\n",
      ":a!a@a PRIVMSG #c :PONG\r\n",
      `${PRIVMSG}:irc.example.com PONG a :ws-stream\r\n`,
      "PINGS",
    ],
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

  Deno.test(`${name}: its heartbeats are distinguished from data`, () => {
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
