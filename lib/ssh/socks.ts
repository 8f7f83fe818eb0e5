/**
 * The server's side of a SOCKS handshake, for dynamic forwards: SOCKS 4, SOCKS 4a (names) and SOCKS 5 (RFC 1928), CONNECT only and
 * without authentication. A core: bytes in, one target or one refusal out, whatever way the input is split.
 *   SOCKS 4:  version 4 | command u8 | port u16be | IPv4 4 | user … 0 [| name … 0 if the address is 0.0.0.x]
 *   SOCKS 5:  version 5 | count u8 | methods …    then    5 | command u8 | 0 | type u8 | address … | port u16be
 */
import { ByteReader, concatBytes } from "../base/bytes.ts";

export type SocksOutput =
  /** Bytes for the client. */
  | { readonly kind: "reply"; readonly bytes: Uint8Array }
  /** Connect there, then answer with `accepted()` or `refused()`. `rest` is what the client sent behind its request. */
  | {
    readonly kind: "connect";
    readonly host: string;
    readonly port: number;
    readonly rest: Uint8Array;
  }
  /** Close the connection after the replies that came before. */
  | { readonly kind: "failed"; readonly reason: string };

const CONNECT = 1;
const NO_AUTHENTICATION = 0; // RFC 1928 §3
const NO_ACCEPTABLE_METHOD = 0xff;
const MAX_USER_BYTES = 255;
const MAX_NAME_BYTES = 255;
/** More than the longest handshake; only an unfinished one is ever held. */
const MAX_HELD_BYTES = 1_024;

const ADDRESS_IPV4 = 1; // RFC 1928 §5
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;

/** RFC 1928 §6. */
const REPLY_FAILURE = 1;
const REPLY_UNREACHABLE = 4;
const REPLY_REFUSED = 5;
const REPLY_COMMAND = 7;
const REPLY_ADDRESS_TYPE = 8;

/** More bytes are needed. */
class Incomplete extends Error {}

class Refusal extends Error {
  readonly reply: Uint8Array | undefined;

  constructor(reason: string, reply?: Uint8Array) {
    super(reason);
    this.reply = reply;
  }
}

type Phase = "greeting" | "request" | "done";

export class SocksHandshake {
  readonly #outputs: SocksOutput[] = [];
  #held: Uint8Array = new Uint8Array(0);
  #phase: Phase = "greeting";
  #version: 4 | 5 = 5;

  /** Takes bytes from the client, which are copied. Once the target is known nothing more may be given. */
  handleInput(bytes: Uint8Array): void {
    if (this.#phase === "done") {
      throw new TypeError("Cannot take more input: the handshake is over");
    }
    this.#held = concatBytes(this.#held, bytes);
    try {
      if (this.#phase === "greeting") this.#takeGreeting();
      if (this.#phase === "request") this.#takeRequest();
    } catch (error) {
      if (error instanceof Incomplete) {
        if (this.#held.length <= MAX_HELD_BYTES) return;
        this.#fail(new Refusal("handshake is too long"));
      } else if (error instanceof Refusal) {
        this.#fail(error);
      } else {
        throw error;
      }
    }
  }

  pollOutput(): SocksOutput | undefined {
    return this.#outputs.shift();
  }

  /** The answer for a connection that was made. */
  accepted(): Uint8Array {
    return this.#version === 4 ? reply4(0x5a) : reply5(0);
  }

  /** The answer for one that was not. */
  refused(reason: "refused" | "unreachable" | "failed"): Uint8Array {
    if (this.#version === 4) return reply4(0x5b);
    const codes = {
      refused: REPLY_REFUSED,
      unreachable: REPLY_UNREACHABLE,
      failed: REPLY_FAILURE,
    } as const;
    return reply5(codes[reason]);
  }

  #takeGreeting(): void {
    const fields = new Fields(this.#held);
    const version = fields.u8();
    if (version === 4) {
      this.#version = 4;
      this.#phase = "request";
      return;
    }
    if (version !== 5) throw new Refusal(`not SOCKS 4 or 5: first byte is ${version}`);
    const methods = fields.take(fields.u8());
    this.#held = this.#held.slice(fields.offset);
    const isOpen = methods.includes(NO_AUTHENTICATION);
    const answer = new Uint8Array([5, isOpen ? NO_AUTHENTICATION : NO_ACCEPTABLE_METHOD]);
    if (!isOpen) throw new Refusal("client insists on authentication", answer);
    this.#outputs.push({ kind: "reply", bytes: answer });
    this.#phase = "request";
  }

  #takeRequest(): void {
    const fields = new Fields(this.#held);
    const target = this.#version === 4 ? readRequest4(fields) : readRequest5(fields);
    const rest = this.#held.slice(fields.offset);
    this.#held = new Uint8Array(0);
    this.#phase = "done";
    this.#outputs.push({ kind: "connect", ...target, rest });
  }

  #fail(refusal: Refusal): void {
    this.#phase = "done";
    this.#held = new Uint8Array(0);
    if (refusal.reply !== undefined) this.#outputs.push({ kind: "reply", bytes: refusal.reply });
    this.#outputs.push({ kind: "failed", reason: refusal.message });
  }
}

interface Target {
  readonly host: string;
  readonly port: number;
}

function readRequest4(fields: Fields): Target {
  fields.u8(); // version
  const command = fields.u8();
  const port = fields.u16be();
  const address = fields.take(4);
  fields.text(MAX_USER_BYTES);
  // SOCKS 4a: an address of 0.0.0.x, x not 0, announces a name.
  const isName = address[0] === 0 && address[1] === 0 && address[2] === 0 && address[3] !== 0;
  const host = isName ? fields.text(MAX_NAME_BYTES) : address.join(".");
  if (command !== CONNECT) throw new Refusal(`command ${command} is not supported`, reply4(0x5b));
  return { host: checkName(host, reply4(0x5b)), port };
}

function readRequest5(fields: Fields): Target {
  const version = fields.u8();
  if (version !== 5) throw new Refusal(`request has version ${version}`, reply5(REPLY_FAILURE));
  const command = fields.u8();
  fields.u8(); // reserved
  const type = fields.u8();
  let host: string;
  switch (type) {
    case ADDRESS_IPV4:
      host = fields.take(4).join(".");
      break;
    case ADDRESS_IPV6:
      host = formatIpv6(fields.take(16));
      break;
    case ADDRESS_NAME:
      host = decode(fields.take(fields.u8()));
      break;
    default:
      throw new Refusal(`address type ${type} is not supported`, reply5(REPLY_ADDRESS_TYPE));
  }
  const port = fields.u16be();
  if (command !== CONNECT) {
    throw new Refusal(`command ${command} is not supported`, reply5(REPLY_COMMAND));
  }
  return { host: checkName(host, reply5(REPLY_FAILURE)), port };
}

/** A name goes into a message to the workspace and into lines for the user: nothing but visible ASCII. */
function checkName(name: string, reply: Uint8Array): string {
  if (/^[!-~]+$/.test(name)) return name;
  throw new Refusal("name is empty or has unprintable characters", reply);
}

/** Reads fields and throws `Incomplete` past the end. */
class Fields {
  readonly #reader: ByteReader;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#reader = new ByteReader(bytes);
  }

  get offset(): number {
    return this.#reader.offset;
  }

  u8(): number {
    this.#need(1);
    return this.#reader.u8();
  }

  u16be(): number {
    this.#need(2);
    return this.#reader.u16be();
  }

  take(count: number): Uint8Array {
    this.#need(count);
    return this.#reader.view(count);
  }

  /** Text up to a zero byte, which is passed. */
  text(maxBytes: number): string {
    const end = this.#bytes.indexOf(0, this.offset);
    const length = end === -1 ? this.#reader.remaining : end - this.offset;
    if (length > maxBytes) {
      throw new Refusal(`field is longer than ${maxBytes} bytes`, reply4(0x5b));
    }
    if (end === -1) throw new Incomplete();
    const text = decode(this.take(length));
    this.#reader.skip(1);
    return text;
  }

  #need(count: number): void {
    if (this.#reader.remaining < count) throw new Incomplete();
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function formatIpv6(bytes: Uint8Array): string {
  const reader = new ByteReader(bytes);
  return Array.from({ length: 8 }, () => reader.u16be().toString(16)).join(":");
}

/** 0 | code | port and address, which nobody reads. */
function reply4(code: 0x5a | 0x5b): Uint8Array {
  return new Uint8Array([0, code, 0, 0, 0, 0, 0, 0]);
}

/** RFC 1928 §6, with 0.0.0.0:0 as the bound address. */
function reply5(code: number): Uint8Array {
  return new Uint8Array([5, code, 0, ADDRESS_IPV4, 0, 0, 0, 0, 0, 0]);
}
