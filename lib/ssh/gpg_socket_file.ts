/**
 * The files that stand for GnuPG's sockets where the system has none of its own (libassuan `assuan-socket.c`):
 *   GnuPG for Windows:  port in decimal | LF | nonce 16 raw bytes, any of which may be LF or CR
 *   any GnuPG:          "%Assuan%" | LF | "socket=" | path of the socket, with ${VARIABLES} | LF | ignored
 *   Cygwin, MSYS:       "!<socket >" | port | " s " | guid as 4 groups of 8 hexadecimal digits joined by "-" | NUL?
 * Pure parsers, and what is said on the connection before the agent's own protocol begins.
 */
import { ByteWriter, equalBytes } from "../base/bytes.ts";

const NONCE_BYTES = 16;
const MAX_FILE_BYTES = 256;
/** As libassuan limits a redirection. */
export const MAX_SOCKET_FILE_BYTES = 511;
const LF = 0x0a;
const MAX_PORT = 65_535;

export interface SocketFile {
  readonly kind: "windows" | "cygwin";
  /** On 127.0.0.1. */
  readonly port: number;
  /** 16 bytes. Whoever knows them may use the agent. */
  readonly nonce: Uint8Array;
}

/** Throws `TypeError` with the words of `coder ssh` when the bytes are neither form. */
export function parseSocketFile(bytes: Uint8Array): SocketFile {
  if (bytes.length > MAX_FILE_BYTES) {
    throw new TypeError(`file has ${bytes.length} bytes, more than ${MAX_FILE_BYTES}`);
  }
  const text = new TextDecoder("latin1").decode(bytes);
  return text.startsWith("!<socket >") ? parseCygwin(text) : parseWindows(bytes, text);
}

const REDIRECT_MAGIC = new TextEncoder().encode("%Assuan%");

/** Whether the file says where the socket is. */
export function isRedirect(bytes: Uint8Array): boolean {
  return equalBytes(bytes.subarray(0, REDIRECT_MAGIC.length), REDIRECT_MAGIC);
}

/**
 * The path that a redirection leads to. A variable that is not set stands for nothing, as in libassuan. Throws `TypeError` when no
 * path is named.
 */
export function parseRedirect(
  bytes: Uint8Array,
  env: (name: string) => string | undefined,
): string {
  if (bytes.length > MAX_SOCKET_FILE_BYTES) {
    throw new TypeError(`redirection has more than ${MAX_SOCKET_FILE_BYTES} bytes`);
  }
  const [magic, setting = ""] = new TextDecoder().decode(bytes).split(/\r?\n/, 2);
  const template = magic === "%Assuan%" && setting.startsWith("socket=") ? setting.slice(7) : "";
  const path = template.replace(
    /\$\{([A-Za-z0-9_]{1,64})\}/g,
    (_, name: string) => env(name) ?? "",
  );
  if (path === "") throw new TypeError("redirection names no socket");
  return path;
}

function parseWindows(bytes: Uint8Array, text: string): SocketFile {
  const end = bytes.indexOf(LF);
  const line = (end === -1 ? text : text.slice(0, end)).replace(/\r$/, "");
  const port = parsePort(line);
  if (port === undefined) {
    throw new TypeError(`line 1: convert string to integer: ${JSON.stringify(line)} is not a port`);
  }
  const nonce = end === -1 ? new Uint8Array(0) : bytes.slice(end + 1);
  if (nonce.length !== NONCE_BYTES) {
    throw new TypeError(`line 2: expected ${NONCE_BYTES} bytes, got ${nonce.length} bytes`);
  }
  return { kind: "windows", port, nonce };
}

function parseCygwin(text: string): SocketFile {
  const fields = /^!<socket >(\d+) s ((?:[0-9A-Fa-f]{8}-){3}[0-9A-Fa-f]{8})[\0\r\n]*$/.exec(text);
  const port = parsePort(fields?.[1] ?? "");
  if (fields === null || port === undefined) {
    throw new TypeError("Cygwin socket: expected !<socket >port s guid");
  }
  const nonce = new Uint8Array(NONCE_BYTES);
  const writer = new ByteWriter(nonce);
  // Cygwin writes four integers of the machine; every machine it runs on is little-endian.
  for (const group of (fields[2] ?? "").split("-")) writer.u32le(Number.parseInt(group, 16));
  return { kind: "cygwin", port, nonce };
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= MAX_PORT ? port : undefined;
}

/** What a client of such a socket says and hears first. */
export interface SocketGreeting {
  /** Bytes to write. */
  readonly send: Uint8Array;
  /** Bytes to read and drop before the next step. */
  readonly receiveBytes: number;
}

const CYGWIN_CREDENTIAL_BYTES = 12; // pid, uid, gid, each u32le

/**
 * The steps after connecting. Windows: the nonce. Cygwin: the guid both ways, then credentials both ways, of which only
 * the process id is looked at, for logging.
 */
export function socketGreeting(file: SocketFile): SocketGreeting[] {
  if (file.kind === "windows") return [{ send: file.nonce, receiveBytes: 0 }];
  return [
    { send: file.nonce, receiveBytes: NONCE_BYTES },
    { send: new Uint8Array(CYGWIN_CREDENTIAL_BYTES), receiveBytes: CYGWIN_CREDENTIAL_BYTES },
  ];
}
