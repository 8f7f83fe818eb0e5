/** What the frames of a shared tunnel say, besides bytes: ports, pings, reports, and how streams end. */
import * as v from "valibot";
import { ByteReader, ByteWriter, concatBytes } from "../base/bytes.ts";
import type { StreamEnd } from "../base/stream.ts";
import type {
  NamedRegion,
  PingResult,
  TunnelDiagnostics,
  TunnelSilence,
  TunnelStatus,
} from "../base/tunnel.ts";
import { MAX_PAYLOAD_BYTES, SharingError } from "./frame.ts";

/** How the tunnel is, as far as anybody asks. */
export interface TunnelReport {
  /** Absent when the agent did not answer in time, or was not asked. */
  readonly ping?: PingResult;
  readonly diagnostics: TunnelDiagnostics;
  /** Milliseconds to each relay that answered, by its name. */
  readonly latencies: Readonly<Record<string, number>>;
}

/** By their numbers on the wire. */
const END_KINDS = ["closed", "reset", "aborted", "lost"] as const;
/** The rest of a text that says why is of no use to anybody. */
const MAX_REASON_CHARS = 1_024;
const PING_BYTES = 8;
const MAX_U32 = 0xffff_ffff;
const ID_BYTES = 4;
const MAX_REPORT_BYTES = MAX_PAYLOAD_BYTES - ID_BYTES;
/** What is left of the names in a report that would be too long: enough to know them by. */
const SHORT_NAME_CHARS = 64;

const REGION = v.object({ id: v.number(), name: v.string() });
const REPORT = v.object({
  ping: v.optional(v.object({
    latencyMs: v.number(),
    relay: v.string(),
    isDirect: v.boolean(),
    endpoint: v.optional(v.string()),
  })),
  diagnostics: v.object({
    home: v.optional(REGION),
    relayTransport: v.optional(v.picklist(["upgrade", "websocket"])),
    hasToldNode: v.boolean(),
    agent: v.optional(v.object({ home: REGION, endpoints: v.array(v.string()) })),
    handshakeAgoMs: v.optional(v.number()),
  }),
  latencies: v.record(v.string(), v.number()),
});

const STATUS = v.variant("step", [
  v.object({
    step: v.literal("relay"),
    relay: v.optional(v.string()),
    lastFailure: v.optional(v.string()),
  }),
  v.object({ step: v.literal("coordinator"), lastFailure: v.optional(v.string()) }),
  v.object({ step: v.literal("agent") }),
  v.object({ step: v.literal("ready") }),
  v.object({ step: v.literal("handshake"), relay: v.string() }),
  v.object({ step: v.literal("reachable") }),
]);
const SILENCE = v.object({
  lastedMs: v.number(),
  endedAgoMs: v.optional(v.number()),
  status: STATUS,
});

/** Fits a frame: of a deployment with endless names the latencies are left out, and what the names have too much. */
export function encodeReport(report: TunnelReport): Uint8Array {
  const whole = new TextEncoder().encode(JSON.stringify(report));
  if (whole.length <= MAX_REPORT_BYTES) return whole;
  const { ping, diagnostics } = report;
  const { home, agent } = diagnostics;
  const short: TunnelReport = {
    ...(ping === undefined ? {} : { ping: { ...ping, relay: shortName(ping.relay) } }),
    diagnostics: {
      ...diagnostics,
      home: home === undefined ? undefined : shortRegion(home),
      agent: agent === undefined ? undefined : { home: shortRegion(agent.home), endpoints: [] },
    },
    latencies: {},
  };
  return new TextEncoder().encode(JSON.stringify(short));
}

/** Throws `SharingError`. */
export function decodeReport(payload: Uint8Array): TunnelReport {
  const result = v.safeParse(REPORT, parse(payload));
  if (!result.success) throw bad("report");
  const { ping, diagnostics: told, latencies } = result.output;
  const { home, relayTransport, hasToldNode, agent, handshakeAgoMs } = told;
  const diagnostics = { home, relayTransport, hasToldNode, agent, handshakeAgoMs };
  if (ping === undefined) return { diagnostics, latencies };
  const { endpoint, ...rest } = ping;
  return {
    ping: endpoint === undefined ? rest : { ...rest, endpoint },
    diagnostics,
    latencies,
  };
}

/** Fits a frame: texts that are too long are cut. */
export function encodeSilence(silence: TunnelSilence): Uint8Array {
  const cut = (_: string, value: unknown) =>
    typeof value === "string" ? value.slice(0, MAX_REASON_CHARS) : value;
  return new TextEncoder().encode(JSON.stringify(silence, cut));
}

/** Throws `SharingError`. */
export function decodeSilence(payload: Uint8Array): TunnelSilence {
  const result = v.safeParse(SILENCE, parse(payload));
  if (!result.success) throw bad("silence");
  const { lastedMs, endedAgoMs, status } = result.output;
  return { lastedMs, endedAgoMs, status: statusFrom(status) };
}

function statusFrom(status: v.InferOutput<typeof STATUS>): TunnelStatus {
  switch (status.step) {
    case "relay":
      return { step: "relay", relay: status.relay, lastFailure: status.lastFailure };
    case "coordinator":
      return { step: "coordinator", lastFailure: status.lastFailure };
    default:
      return status;
  }
}

/** A question, or with a limit of 0 one for a report alone. */
export interface PingRequest {
  readonly id: number;
  readonly timeoutMs: number;
}

export function encodePing({ id, timeoutMs }: PingRequest): Uint8Array {
  const payload = new Uint8Array(PING_BYTES);
  new ByteWriter(payload).u32be(id).u32be(Math.min(Math.ceil(timeoutMs), MAX_U32));
  return payload;
}

/** Throws `SharingError`. */
export function decodePing(payload: Uint8Array): PingRequest {
  if (payload.length !== PING_BYTES) throw bad("ping");
  const reader = new ByteReader(payload);
  return { id: reader.u32be(), timeoutMs: reader.u32be() };
}

export function encodePong(id: number, report: TunnelReport): Uint8Array {
  const head = new Uint8Array(ID_BYTES);
  new ByteWriter(head).u32be(id);
  return concatBytes(head, encodeReport(report));
}

/** Throws `SharingError`. */
export function decodePong(
  payload: Uint8Array,
): { readonly id: number; readonly report: TunnelReport } {
  if (payload.length < ID_BYTES) throw bad("answer to a ping");
  const report = decodeReport(payload.subarray(ID_BYTES));
  return { id: new ByteReader(payload).u32be(), report };
}

export function encodePort(port: number): Uint8Array {
  const payload = new Uint8Array(2);
  new ByteWriter(payload).u16be(port);
  return payload;
}

/** Throws `SharingError`. */
export function decodePort(payload: Uint8Array): number {
  if (payload.length !== 2) throw bad("port");
  return new ByteReader(payload).u16be();
}

export function encodeEnd(end: StreamEnd): Uint8Array {
  const reason = end.kind === "closed" ? "" : end.message.slice(0, MAX_REASON_CHARS);
  return concatBytes(
    Uint8Array.of(END_KINDS.indexOf(end.kind)),
    new TextEncoder().encode(reason),
  );
}

/** Throws `SharingError`. */
export function decodeEnd(payload: Uint8Array): StreamEnd {
  const kind = END_KINDS[payload[0] ?? END_KINDS.length];
  if (kind === undefined) throw bad("end of a stream");
  if (kind === "closed") return { kind };
  const message = new TextDecoder().decode(payload.subarray(1)).slice(0, MAX_REASON_CHARS);
  return { kind, message };
}

function shortRegion({ id, name }: NamedRegion): NamedRegion {
  return { id, name: shortName(name) };
}

function shortName(name: string): string {
  return name.slice(0, SHORT_NAME_CHARS);
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function bad(what: string): SharingError {
  return new SharingError(`Cannot read the ${what} of a shared tunnel`, { code: "bad-message" });
}
