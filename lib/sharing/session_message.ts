/** What the frames of a session say that runs in an SSH connection which another process holds. */
import * as v from "valibot";
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import type { SessionEnd, SessionRequest, WindowSize } from "../base/session.ts";
import { MAX_PAYLOAD_BYTES, SharingError } from "./frame.ts";

/** The bytes of a session go three ways, each at the pace of whoever takes them. */
export const Flow = { input: 0, output: 1, errors: 2 } as const;
export type Flow = typeof Flow[keyof typeof Flow];

/** Bytes of one flow that may be under way and not taken yet. */
export const FLOW_BYTES = 262_144;
const TAKEN_BYTES = 5;
const SIZE_BYTES = 8;
const MAX_TEXT_CHARS = 1_024;
/** Longer than any name of RFC 4254 §6.10, and what local ones may add. */
const SIGNAL_NAME = /^[A-Z][A-Z0-9+-]{0,31}$/;

const SIZE = v.object({ columns: v.number(), rows: v.number() });
const REQUEST = v.object({
  command: v.optional(v.string()),
  pty: v.optional(v.object({ term: v.string(), size: SIZE })),
});
const END = v.variant("kind", [
  v.object({ kind: v.literal("exit"), code: v.number() }),
  v.object({ kind: v.literal("signal"), name: v.string() }),
  v.object({ kind: v.literal("lost"), message: v.string() }),
  v.object({ kind: v.literal("aborted") }),
]);
const REFUSAL = v.object({ message: v.string(), hint: v.string(), isLost: v.boolean() });

/** Why a session was not begun. */
export type Refusal = v.InferOutput<typeof REFUSAL>;

/** `undefined` for one that does not fit, or asks for more than is held for others. */
export function encodeRequest(request: SessionRequest): Uint8Array | undefined {
  const { command, pty, env = [], forwardAgent = false } = request;
  if (env.length > 0 || forwardAgent) return undefined;
  const bytes = toBytes({ command, pty });
  return bytes.length <= MAX_PAYLOAD_BYTES ? bytes : undefined;
}

/** Throws `SharingError`. */
export function decodeRequest(payload: Uint8Array): SessionRequest {
  const { command, pty } = parse(REQUEST, payload, "request");
  return {
    ...(command === undefined ? {} : { command }),
    ...(pty === undefined ? {} : { pty }),
  };
}

/** Texts that are too long are cut. */
export function encodeSessionEnd(end: SessionEnd): Uint8Array {
  return toBytes(end, cut);
}

/** Throws `SharingError`. */
export function decodeSessionEnd(payload: Uint8Array): SessionEnd {
  return parse(END, payload, "end of a session");
}

/** Texts that are too long are cut. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  return toBytes(refusal, cut);
}

/** Throws `SharingError`. */
export function decodeRefusal(payload: Uint8Array): Refusal {
  return parse(REFUSAL, payload, "refusal");
}

export function encodeTaken(flow: Flow, count: number): Uint8Array {
  const payload = new Uint8Array(TAKEN_BYTES);
  new ByteWriter(payload).u8(flow).u32be(count);
  return payload;
}

/** Throws `SharingError`. */
export function decodeTaken(
  payload: Uint8Array,
): { readonly flow: number; readonly count: number } {
  if (payload.length !== TAKEN_BYTES) throw bad("count");
  const reader = new ByteReader(payload);
  return { flow: reader.u8(), count: reader.u32be() };
}

export function encodeSize({ columns, rows }: WindowSize): Uint8Array {
  const payload = new Uint8Array(SIZE_BYTES);
  new ByteWriter(payload).u32be(columns).u32be(rows);
  return payload;
}

/** Throws `SharingError`. */
export function decodeSize(payload: Uint8Array): WindowSize {
  if (payload.length !== SIZE_BYTES) throw bad("size");
  const reader = new ByteReader(payload);
  return { columns: reader.u32be(), rows: reader.u32be() };
}

export function encodeSignal(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

/** Throws `SharingError`. */
export function decodeSignal(payload: Uint8Array): string {
  const name = new TextDecoder().decode(payload.subarray(0, MAX_TEXT_CHARS));
  if (!SIGNAL_NAME.test(name)) throw bad("signal");
  return name;
}

function toBytes(value: unknown, replacer?: (key: string, value: unknown) => unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value, replacer));
}

function cut(_: string, value: unknown): unknown {
  return typeof value === "string" ? value.slice(0, MAX_TEXT_CHARS) : value;
}

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  payload: Uint8Array,
  what: string,
): v.InferOutput<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(payload));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw bad(what);
  }
  const result = v.safeParse(schema, json);
  if (!result.success) throw bad(what);
  return result.output;
}

function bad(what: string): SharingError {
  return new SharingError(`Cannot read the ${what} of a shared tunnel`, { code: "bad-message" });
}
