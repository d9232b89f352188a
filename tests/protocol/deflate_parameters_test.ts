import { assertEquals } from "@std/assert";
import {
  acceptDeflate,
  chooseDeflate,
  offerDeflate,
} from "../../src/protocol/deflate_parameters.ts";

const NAME = "permessage-deflate";

Deno.test("a client reads what the server agreed to", () => {
  const all = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  const cases: [string, Partial<typeof all>][] = [
    [NAME, {}],
    [` ${NAME} ; server_no_context_takeover`, {
      serverNoContextTakeover: true,
    }],
    [`${NAME};client_no_context_takeover`, { clientNoContextTakeover: true }],
    [`${NAME}; server_max_window_bits=8`, { serverMaxWindowBits: 8 }],
    [`${NAME}; server_max_window_bits="12"`, { serverMaxWindowBits: 12 }],
    [`${NAME}; client_max_window_bits = 10`, { clientMaxWindowBits: 10 }],
  ];
  for (const [value, changes] of cases) {
    assertEquals(acceptDeflate(value, {}), { ...all, ...changes }, value);
  }
});

Deno.test("a server may do without compression", () => {
  assertEquals(acceptDeflate("", {}), undefined);
  assertEquals(acceptDeflate("", undefined), undefined);
});

Deno.test("a client refuses what it did not offer or cannot be meant", () => {
  for (
    const value of [
      "x-webkit-deflate-frame",
      `${NAME}, ${NAME}`,
      `${NAME}, x-other`,
      `${NAME}; unknown`,
      `${NAME}; server_no_context_takeover=1`,
      `${NAME}; server_no_context_takeover; server_no_context_takeover`,
      `${NAME}; server_max_window_bits`,
      `${NAME}; client_max_window_bits`,
      `${NAME}; server_max_window_bits=7`,
      `${NAME}; server_max_window_bits=16`,
      `${NAME}; server_max_window_bits=08`,
      `${NAME}; client_max_window_bits=+9`,
      `${NAME};;`,
      `${NAME}=1`,
      `"${NAME}"`,
      `${NAME}; server_max_window_bits="9`,
    ]
  ) assertEquals(typeof acceptDeflate(value, {}), "string", value);
  assertEquals(typeof acceptDeflate(NAME, undefined), "string");
});

Deno.test("a client that keeps no window says so and does so", () => {
  const offer = { contextTakeover: false };
  assertEquals(
    offerDeflate(offer),
    `${NAME}; client_no_context_takeover; server_no_context_takeover; ` +
      "client_max_window_bits",
  );
  const agreed = acceptDeflate(NAME, offer);
  assertEquals(
    typeof agreed === "object" && agreed.clientNoContextTakeover,
    true,
  );
});

Deno.test("a server takes the first offer that it can accept", () => {
  const cases: [offer: string, response: string | undefined][] = [
    ["", undefined],
    ["x-webkit-deflate-frame", undefined],
    ["malformed;;", undefined],
    [NAME, NAME],
    [`x-other; a=b, ${NAME}`, NAME],
    [`${NAME}; client_max_window_bits`, NAME],
    [
      `${NAME}; client_max_window_bits=9`,
      `${NAME}; client_max_window_bits=9`,
    ],
    [
      `${NAME}; server_max_window_bits=10; server_no_context_takeover`,
      `${NAME}; server_no_context_takeover; server_max_window_bits=10`,
    ],
    [
      `${NAME}; client_no_context_takeover`,
      `${NAME}; client_no_context_takeover`,
    ],
    [`${NAME}; unknown`, undefined],
    [`${NAME}; unknown, ${NAME}`, NAME],
    [`${NAME}; server_max_window_bits=8, ${NAME}`, NAME],
    [`${NAME}; server_max_window_bits`, undefined],
  ];
  for (const [offer, response] of cases) {
    assertEquals(chooseDeflate(offer)?.response, response, offer);
  }
});

Deno.test("a server that keeps no window tells both sides to keep none", () => {
  const chosen = chooseDeflate(NAME, { contextTakeover: false });
  assertEquals(
    chosen?.response,
    `${NAME}; server_no_context_takeover; client_no_context_takeover`,
  );
  assertEquals(chosen?.parameters.serverNoContextTakeover, true);
});

Deno.test("a client accepts whatever a server answers to its offer", () => {
  for (const contextTakeover of [true, false]) {
    const offer = { contextTakeover };
    const chosen = chooseDeflate(offerDeflate(offer));
    assertEquals(
      acceptDeflate(chosen?.response ?? "none", offer),
      chosen?.parameters,
    );
  }
});
