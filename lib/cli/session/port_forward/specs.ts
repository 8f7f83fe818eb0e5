/**
 * What `port-forward` takes: `[address:]local[-end][:remote[-end]]`, several behind commas (docs/protocol/ssh.md#commands-about-workspaces).
 * The official command's grammar, and its words for what is wrong.
 */
import { UserError } from "../../../base/errors.ts";
import { goQuote } from "../../../coder/text.ts";

export interface PortSpec {
  readonly network: "tcp" | "udp";
  /** An IP address without brackets; `undefined`: both loopbacks, the second where there is one. */
  readonly host: string | undefined;
  /** Here. */
  readonly local: number;
  /** In the workspace. */
  readonly remote: number;
}

/** Each is a socket of its own: what all specifications may come to. */
const MAX_PORTS = 65_535;
const SPEC = /^(?:(\[[0-9a-fA-F:]+\]|\d+\.\d+\.\d+\.\d+):)?(\d+)(?:-(\d+))?(?::(\d+)(?:-(\d+))?)?$/;

/** Throws `UserError`. */
export function parsePortSpecs(
  tcp: readonly string[],
  udp: readonly string[],
): readonly PortSpec[] {
  const specs = [...specsOf(tcp, "tcp"), ...specsOf(udp, "udp")];
  const seen = new Set<string>();
  for (const { network, host, local } of specs) {
    // Upstream's words for "none was named".
    const shown = host ?? "invalid IP";
    const name = `local ${network} host:${shown} port:${local}`;
    if (seen.has(name)) fail(`${name} is specified twice`);
    seen.add(name);
  }
  return specs;
}

function fail(problem: string): never {
  throw new UserError(`parse port-forward specs: ${problem}`);
}

function specsOf(texts: readonly string[], network: "tcp" | "udp"): PortSpec[] {
  return texts.flatMap((text) => text.split(",")).flatMap((text) => {
    const bad = (problem: string): never =>
      fail(
        `failed to parse ${network.toUpperCase()} port-forward specification ` +
          `${goQuote(text)}: ${problem}`,
      );
    const input = text.trim();
    const match = SPEC.exec(input) ?? bad(`invalid port specification ${goQuote(input)}`);
    const [, address, from = "", to, remoteFrom, remoteTo] = match;
    const host = address?.replace(/^\[|\]$/g, "");
    if (host !== undefined && !isAddress(host)) bad(`invalid IP address ${goQuote(address ?? "")}`);
    const range = (which: string, start: string, end: string | undefined) =>
      rangeOf(
        start,
        end,
        (problem) => bad(`parse ${which} port range from ${goQuote(input)}: ${problem}`),
      );
    const local = range("local", from, to);
    const remote = remoteFrom === undefined ? local : range("remote", remoteFrom, remoteTo);
    const [count, wanted] = [local.end - local.start + 1, remote.end - remote.start + 1];
    if (count !== wanted) {
      bad(`port ranges must be the same length, got ${count} ports forwarded to ${wanted} ports`);
    }
    return Array.from({ length: count }, (_, at) => ({
      network,
      host,
      local: local.start + at,
      remote: remote.start + at,
    }));
  });
}

function rangeOf(
  start: string,
  end: string | undefined,
  bad: (problem: string) => never,
): { readonly start: number; readonly end: number } {
  const first = portOf(
    start,
    (problem) => bad(`parse range start port from ${goQuote(start)}: ${problem}`),
  );
  const last = end === undefined
    ? first
    : portOf(end, (problem) => bad(`parse range end port from ${goQuote(end)}: ${problem}`));
  if (last < first) bad(`range end port ${last} is less than start port ${first}`);
  return { start: first, end: last };
}

function portOf(text: string, bad: (problem: string) => never): number {
  const port = Number(text);
  if (port > MAX_PORTS) {
    bad(
      `parse port ${goQuote(text)}: strconv.ParseUint: parsing ${
        goQuote(text)
      }: value out of range`,
    );
  }
  if (port === 0) bad("port cannot be 0");
  return port;
}

function isAddress(host: string): boolean {
  if (host.includes(":")) return URL.canParse(`http://[${host}]/`);
  // Go takes no number with zeros before it (net/netip `ParseAddr`).
  return host.split(".").every((part) => part === String(Number(part)) && Number(part) <= 255);
}
