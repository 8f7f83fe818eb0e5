/**
 * The texts of forwards: `-L`, `-D` and `-W` in OpenSSH's syntax (ssh(1)), `-R` in the two forms of `coder ssh`.
 * Pure; every failure is a `UserError` that quotes what was given.
 */
import { UserError } from "../base/errors.ts";
import type { LocalTarget } from "./host.ts";

/** `-L`: what is connected to here is connected to there. */
export interface LocalForward {
  /** A TCP host of `localhost` means both loopback addresses, `*` every address. */
  readonly listen: LocalTarget;
  /** In the workspace. */
  readonly to: LocalTarget;
}

/** `-D`: a SOCKS proxy here. */
export interface DynamicForward {
  readonly listen: LocalTarget;
}

/** `-R`: what is connected to in the workspace is connected to here. */
export interface RemoteForward {
  readonly listen: LocalTarget;
  readonly to: LocalTarget;
}

const MAX_PORT = 65_535;
const DEFAULT_BIND = "localhost";

/** `[bind:]port:host:hostport`, `[bind:]port:/socket`, `/socket:host:hostport` or `/socket:/socket`. Port 0 takes any free one. */
export function parseLocalForward(spec: string): LocalForward {
  const bad = (): never => {
    throw new UserError(`Bad local forwarding specification "${spec}"`, {
      hint: "Use [bind_address:]port:host:hostport or /local.sock:/remote.sock",
    });
  };
  const fields = splitFields(spec) ?? bad();
  const [first = ""] = fields;
  if (first.startsWith("/")) {
    const listen: LocalTarget = { kind: "unix", path: first };
    return { listen, to: parseTarget(fields.slice(1)) ?? bad() };
  }
  // The port to listen on is the first or the second field; which one, the number of fields behind it tells.
  for (const withBind of [false, true]) {
    const portAt = withBind ? 1 : 0;
    const to = parseTarget(fields.slice(portAt + 1));
    const port = parsePort(fields[portAt], { lowest: 0 });
    if (to === undefined || port === undefined) continue;
    return { listen: { kind: "tcp", host: withBind ? bindHost(first) : DEFAULT_BIND, port }, to };
  }
  return bad();
}

/** `[bind:]port`. */
export function parseDynamicForward(spec: string): DynamicForward {
  const fields = splitFields(spec) ?? [];
  const port = parsePort(fields.at(-1), { lowest: 0 });
  if (port === undefined || fields.length > 2) {
    throw new UserError(`Bad dynamic forwarding specification "${spec}"`, {
      hint: "Use [bind_address:]port",
    });
  }
  const [first = ""] = fields;
  return {
    listen: { kind: "tcp", host: fields.length === 2 ? bindHost(first) : DEFAULT_BIND, port },
  };
}

/** `host:port`, an IPv6 address in brackets. */
export function parseStdioForward(spec: string): { readonly host: string; readonly port: number } {
  const target = parseTarget(splitFields(spec) ?? []);
  if (target?.kind !== "tcp") {
    throw new UserError(`Bad stdio forwarding specification "${spec}"`, { hint: "Use host:port" });
  }
  return target;
}

/** `remote_port:local_address:local_port` or `/remote.sock:/local.sock`, with the texts of `coder ssh`. */
export function parseRemoteForward(spec: string): RemoteForward {
  // The last colon before a path of more than its slash: what lies before it may hold others.
  const between = spec.length < 3 ? -1 : spec.lastIndexOf(":/", spec.length - 3);
  if (spec.startsWith("/") && between > 1) {
    const [remote, local] = [spec.slice(0, between), spec.slice(between + 1)];
    return { listen: { kind: "unix", path: remote }, to: { kind: "unix", path: local } };
  }
  const [first, last] = [spec.indexOf(":"), spec.lastIndexOf(":")];
  const [remotePort, address, localPort] = [
    spec.slice(0, Math.max(first, 0)),
    spec.slice(first + 1, Math.max(last, 0)),
    spec.slice(last + 1),
  ];
  if (!/^\d+$/.test(remotePort) || address === "" || !/^\d+$/.test(localPort)) {
    throw new UserError(
      "invalid format of remote-forward, expected: remote_port:local_address:local_port",
    );
  }
  const isBracketed = address.startsWith("[") && address.endsWith("]");
  const host = isBracketed ? address.slice(1, -1) : address;
  return {
    // The workspace listens on its loopback only; port 0 lets it choose.
    listen: { kind: "tcp", host: "127.0.0.1", port: needPort("remote", remotePort, 0) },
    to: { kind: "tcp", host, port: needPort("local", localPort, 1) },
  };
}

function needPort(side: string, text: string, lowest: number): number {
  const port = parsePort(text, { lowest });
  if (port === undefined) throw new UserError(`${side} port is invalid: ${text} is not a port`);
  return port;
}

/** `host:port` or an absolute path. */
function parseTarget(fields: readonly string[]): LocalTarget | undefined {
  const [first = "", second] = fields;
  if (fields.length === 1 && first.startsWith("/")) return { kind: "unix", path: first };
  const port = parsePort(second, { lowest: 1 });
  if (fields.length !== 2 || first === "" || first.startsWith("/") || port === undefined) {
    return undefined;
  }
  return { kind: "tcp", host: first, port };
}

/** Both an empty address and `*` mean every address, as for OpenSSH. */
function bindHost(field: string): string {
  return field === "" ? "*" : field;
}

function parsePort(
  text: string | undefined,
  options: { readonly lowest: number },
): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= options.lowest && port <= MAX_PORT ? port : undefined;
}

/** Splits at colons; an IPv6 address stands in brackets, which are taken off. `undefined` when a bracket is left open. */
function splitFields(spec: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; at <= spec.length;) {
    if (spec[at] === "[") {
      const close = spec.indexOf("]", at);
      const after = spec[close + 1];
      if (close === -1 || (after !== undefined && after !== ":")) return undefined;
      fields.push(spec.slice(at + 1, close));
      at = close + 2;
    } else {
      const colon = spec.indexOf(":", at);
      const end = colon === -1 ? spec.length : colon;
      fields.push(spec.slice(at, end));
      at = end + 1;
    }
  }
  return fields;
}
