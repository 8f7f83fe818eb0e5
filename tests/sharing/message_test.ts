import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import type { StreamEnd } from "../../lib/base/stream.ts";
import type { TunnelSilence } from "../../lib/base/tunnel.ts";
import { MAX_PAYLOAD_BYTES, SharingError } from "../../lib/sharing/frame.ts";
import {
  decodeEnd,
  decodePing,
  decodePong,
  decodePort,
  decodeReport,
  decodeSilence,
  encodeEnd,
  encodePing,
  encodePong,
  encodePort,
  encodeReport,
  encodeSilence,
  type TunnelReport,
} from "../../lib/sharing/message.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

const FULL: TunnelReport = {
  ping: { latencyMs: 1.5, relay: "Paris", isDirect: true, endpoint: "192.0.2.1:4242" },
  diagnostics: {
    home: { id: 1, name: "Paris" },
    relayTransport: "websocket",
    hasToldNode: true,
    agent: { home: { id: 2, name: "Oslo" }, endpoints: ["192.0.2.1:4242"] },
    handshakeAgoMs: 1_000,
  },
  latencies: { Paris: 12.5, Oslo: 30 },
};
const BARE: TunnelReport = {
  diagnostics: {
    home: undefined,
    relayTransport: undefined,
    hasToldNode: false,
    agent: undefined,
    handshakeAgoMs: undefined,
  },
  latencies: {},
};

Deno.test("reports come back as they were sent, in a pong too", () => {
  for (const report of [FULL, BARE]) {
    deepStrictEqual(decodeReport(encodeReport(report)), report);
    deepStrictEqual(decodePong(encodePong(0xffff_ffff, report)), { id: 0xffff_ffff, report });
  }
});

Deno.test("a report fits a frame, however many relays there are and however they are called", () => {
  const name = "\u0001é".repeat(40_000);
  const latencies = Object.fromEntries(
    Array.from({ length: 9_000 }, (_, i) => [`relay ${i}`, i]),
  );
  const endless: readonly TunnelReport[] = [
    { ...FULL, latencies },
    { ...FULL, ping: { latencyMs: 1, relay: name, isDirect: false } },
    {
      ...FULL,
      diagnostics: {
        ...FULL.diagnostics,
        home: { id: 1, name },
        agent: { home: { id: 1, name }, endpoints: Array(9_000).fill("192.0.2.1:4242") },
      },
    },
  ];
  for (const report of endless) {
    const pong = encodePong(1, report);
    ok(pong.length <= MAX_PAYLOAD_BYTES, `${pong.length}`);
    const told = decodePong(pong).report;
    ok(told.diagnostics.hasToldNode);
    strictEqual(told.diagnostics.home?.id, 1);
    strictEqual(told.ping?.latencyMs, report.ping?.latencyMs);
    deepStrictEqual(told.latencies, {});
  }
});

Deno.test("pings and ports have their bytes", () => {
  strictEqual(toHex(encodePing({ id: 1, timeoutMs: 5_000 })), "0000000100001388");
  deepStrictEqual(decodePing(fromHex("0000000100001388")), { id: 1, timeoutMs: 5_000 });
  deepStrictEqual(decodePing(encodePing({ id: 1, timeoutMs: 0.5 })).timeoutMs, 1);
  deepStrictEqual(decodePing(encodePing({ id: 1, timeoutMs: 1e12 })).timeoutMs, 0xffff_ffff);
  strictEqual(toHex(encodePort(22)), "0016");
  strictEqual(decodePort(fromHex("ffff")), 65_535);
});

Deno.test("ends come back as they were sent; a reason that is too long is cut", () => {
  const ends: readonly StreamEnd[] = [
    { kind: "closed" },
    { kind: "reset", message: "connection refused" },
    { kind: "aborted", message: "" },
    { kind: "lost", message: "l’agent ne répond pas" },
  ];
  for (const end of ends) deepStrictEqual(decodeEnd(encodeEnd(end)), end);
  const cut = decodeEnd(encodeEnd({ kind: "lost", message: "é".repeat(100_000) }));
  deepStrictEqual(cut, { kind: "lost", message: "é".repeat(1_024) });
});

Deno.test("silences come back as they were sent; texts that are too long are cut", () => {
  const silences: readonly TunnelSilence[] = [
    {
      lastedMs: 3_000,
      endedAgoMs: undefined,
      status: { step: "relay", relay: "Paris", lastFailure: undefined },
    },
    {
      lastedMs: 3_000.5,
      endedAgoMs: 12,
      status: { step: "relay", relay: undefined, lastFailure: "refused" },
    },
    { lastedMs: 0, endedAgoMs: 0, status: { step: "coordinator", lastFailure: undefined } },
    { lastedMs: 0, endedAgoMs: 0, status: { step: "agent" } },
    { lastedMs: 0, endedAgoMs: 0, status: { step: "ready" } },
    { lastedMs: 0, endedAgoMs: 0, status: { step: "handshake", relay: "Paris" } },
    { lastedMs: 0, endedAgoMs: 0, status: { step: "reachable" } },
  ];
  for (const silence of silences) deepStrictEqual(decodeSilence(encodeSilence(silence)), silence);
  const status = { step: "handshake", relay: "\u0001".repeat(100_000) } as const;
  const payload = encodeSilence({ lastedMs: 1, endedAgoMs: undefined, status });
  ok(payload.length <= MAX_PAYLOAD_BYTES);
  deepStrictEqual(decodeSilence(payload).status, {
    step: "handshake",
    relay: "\u0001".repeat(1_024),
  });
});

Deno.test("what is no message is refused", () => {
  const json = (value: unknown) => utf8(JSON.stringify(value));
  const reports = [
    utf8(""),
    utf8("{"),
    utf8("null"),
    utf8("[]"),
    Uint8Array.of(0xff, 0xfe),
    json({ diagnostics: {} }),
    json({ ...FULL, latencies: { Paris: "12" } }),
    json({ ...FULL, ping: { latencyMs: null } }),
    json({ ...FULL, diagnostics: { ...FULL.diagnostics, home: { id: "1", name: "" } } }),
  ];
  for (const report of reports) {
    throws(() => decodeReport(report), SharingError);
    throws(() => decodePong(concatBytes(new Uint8Array(4), report)), SharingError);
  }
  for (const silence of [utf8("{"), json({}), json({ lastedMs: 1, status: { step: "other" } })]) {
    throws(() => decodeSilence(silence), SharingError);
  }
  for (const length of [0, 1, 3]) throws(() => decodePong(new Uint8Array(length)), SharingError);
  for (const length of [0, 7, 9]) throws(() => decodePing(new Uint8Array(length)), SharingError);
  for (const length of [0, 1, 3]) throws(() => decodePort(new Uint8Array(length)), SharingError);
  for (const end of ["", "04", "ff"]) throws(() => decodeEnd(fromHex(end)), SharingError);
});

Deno.test("any bytes are a message or refused", () => {
  const random = new SeededRandom(21);
  const decoders = [decodeReport, decodeSilence, decodePing, decodePong, decodePort, decodeEnd];
  for (let round = 0; round < 500; round++) {
    const bytes = new Uint8Array(random.below(40));
    random.fill(bytes);
    for (const decode of decoders) {
      try {
        decode(bytes);
      } catch (error) {
        ok(error instanceof SharingError, String(error));
      }
    }
  }
});
