/**
 * The stream of an agent's reconnecting terminal (coder/coder `codersdk/workspacesdk/agentconn.go` `AgentReconnectingPTYInit`,
 * `ReconnectingPTYRequest`; `agent/reconnectingpty/server.go`). Both roles.
 *   client: length u16, little-endian | JSON of that length, which names the terminal | JSON objects one after the other
 *   agent:  what the terminal shows, as it is
 * Typed text travels in JSON, so it is Unicode: bytes that are none become U+FFFD, here as with the agent's own clients.
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";
import { blake2s } from "../crypto/blake2s.ts";
import type { TerminalSize } from "./host.ts";

export interface TerminalInit {
  /** UUID text; the same one leads to the same terminal. */
  readonly id: string;
  readonly size: TerminalSize;
  /** For the user's shell, when the terminal is not there yet; empty for a login shell. */
  readonly command: string;
  /** Id or name of a container; empty for none. */
  readonly container: string;
  readonly containerUser: string;
}

/** What a client says once the terminal is named. */
export interface TerminalRequest {
  /** Typed text; empty for none. */
  readonly data: string;
  readonly size: TerminalSize | undefined;
}

const LENGTH_BYTES = 2;
/** An agent reads the whole of it at once, and would take half of it for a broken one: it fits into a segment of the tunnel. */
const MAX_INIT_BYTES = 1_200;
/** Of one request; the JSON of a client's own piece of text is shorter. */
const MAX_REQUEST_BYTES = 256 * 1024;
const MAX_SIZE = 0xffff;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const VERSION_AT = 6;
const VARIANT_AT = 8;
const UUID_BYTES = 16;

/**
 * The id of an agent's terminal of that name: the same for whoever asks for it, on any machine, and nobody else's. A UUID of
 * version 8 (RFC 9562 §5.8).
 */
export function terminalId(agentId: string, name: string): string {
  const hash = blake2s(
    new TextEncoder().encode(`hawser terminal\0${agentId.toLowerCase()}\0${name}`),
  );
  const bytes = hash.slice(0, UUID_BYTES);
  bytes[VERSION_AT] = 0x80 | (bytes[VERSION_AT] ?? 0) & 0x0f;
  bytes[VARIANT_AT] = 0x80 | (bytes[VARIANT_AT] ?? 0) & 0x3f;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The first bytes of a stream. Throws `RangeError` for a command that is too long. */
export function encodeInit(init: TerminalInit): Uint8Array {
  const { id, size, command, container, containerUser } = init;
  const wire = {
    ID: id,
    Height: bounded(size.rows),
    Width: bounded(size.columns),
    Command: command,
    ...(container === "" ? {} : { Container: container, ContainerUser: containerUser }),
    // Its own buffer: screen in between would take our marks for its own, and another key of the user's.
    BackendType: "buffered",
  };
  const json = new TextEncoder().encode(JSON.stringify(wire));
  if (json.length > MAX_INIT_BYTES) {
    throw new RangeError(`init has at most ${MAX_INIT_BYTES} bytes: has ${json.length}`);
  }
  const bytes = new Uint8Array(LENGTH_BYTES + json.length);
  new ByteWriter(bytes).u16le(json.length);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

export function encodeTyped(text: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ data: text }));
}

export function encodeSize(size: TerminalSize): Uint8Array {
  const wire = { height: bounded(size.rows), width: bounded(size.columns) };
  return new TextEncoder().encode(JSON.stringify(wire));
}

/** Go refuses what is no u16, and the rest of the stream with it. */
function bounded(count: number): number {
  return Math.min(Math.max(0, Math.trunc(count)), MAX_SIZE);
}

/** The agent's side: what a client says, however it is split. Throws `ProtocolError`. */
export class TerminalRequestReader {
  #held = new Uint8Array(0);
  #init: TerminalInit | undefined;

  /** Takes in bytes, borrowed; the requests that are whole by now. */
  handleBytes(bytes: Uint8Array): TerminalRequest[] {
    const held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    this.#held = held;
    if (this.#init === undefined && !this.#readInit()) return [];
    const requests: TerminalRequest[] = [];
    for (let json = this.#takeObject(); json !== undefined; json = this.#takeObject()) {
      requests.push(requestOf(json));
    }
    return requests;
  }

  /** Which terminal; `undefined` until that has come. */
  get init(): TerminalInit | undefined {
    return this.#init;
  }

  #readInit(): boolean {
    if (this.#held.length < LENGTH_BYTES) return false;
    const end = LENGTH_BYTES + new ByteReader(this.#held).u16le();
    if (this.#held.length < end) return false;
    this.#init = initOf(parse(this.#held.subarray(LENGTH_BYTES, end)));
    this.#held = this.#held.slice(end);
    return true;
  }

  #takeObject(): unknown {
    const end = endOfObject(this.#held);
    if (end === undefined) {
      if (this.#held.length > MAX_REQUEST_BYTES) {
        throw broken(`a request is longer than ${MAX_REQUEST_BYTES} bytes`);
      }
      return undefined;
    }
    const json = parse(this.#held.subarray(0, end));
    this.#held = this.#held.slice(end);
    return json;
  }
}

/** Where the first object ends; `undefined` when it is not whole. Blanks before it are its own. */
function endOfObject(bytes: Uint8Array): number | undefined {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (isInString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) {
      isInString = true;
    } else if (byte === OPEN) {
      depth++;
    } else if (byte === CLOSE && --depth <= 0) {
      return at + 1;
    }
  }
  return undefined;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw broken("it is no JSON", error);
  }
}

function initOf(json: unknown): TerminalInit {
  const fields = fieldsOf(json);
  const id = textOf(fields["ID"]);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw broken("its id is no UUID");
  return {
    id: id.toLowerCase(),
    size: { rows: countOf(fields["Height"]), columns: countOf(fields["Width"]) },
    command: textOf(fields["Command"]),
    container: textOf(fields["Container"]),
    containerUser: textOf(fields["ContainerUser"]),
  };
}

function requestOf(json: unknown): TerminalRequest {
  const fields = fieldsOf(json);
  const size = { rows: countOf(fields["height"]), columns: countOf(fields["width"]) };
  return {
    data: textOf(fields["data"]),
    size: size.rows === 0 || size.columns === 0 ? undefined : size,
  };
}

function fieldsOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null) throw broken("it is no object");
  return { ...json };
}

function textOf(field: unknown): string {
  if (field === undefined) return "";
  if (typeof field !== "string") throw broken("a text is none");
  return field;
}

function countOf(field: unknown): number {
  if (field === undefined) return 0;
  const isCount = typeof field === "number" && Number.isInteger(field) && field >= 0 &&
    field <= MAX_SIZE;
  if (!isCount) throw broken("a size is no number of 16 bits");
  return field;
}

function broken(why: string, cause?: unknown): ProtocolError {
  return new ProtocolError(`Cannot read what a client says to a terminal: ${why}`, {
    code: "reconnecting-terminal",
    spec: "coder/coder agent/reconnectingpty/server.go",
    ...(cause === undefined ? {} : { cause }),
  });
}
