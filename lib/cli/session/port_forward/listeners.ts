/** What `port-forward` listens on here, and where it leads, in the official command's words. */
import { listenHint } from "./listen_hint.ts";
import { UserError } from "../../../base/errors.ts";
import { formatHostPort, type LocalSockets, type LocalTarget } from "../../../base/sockets.ts";
import type { FarSide } from "../../../ssh/far_side.ts";
import { type ForwardSet, startForwards } from "../../../ssh/forwards.ts";
import type { PortSpec } from "./specs.ts";

const LOOPBACK = "127.0.0.1";
const LOOPBACK6 = "::1";

export interface ListenHost {
  readonly far: FarSide;
  readonly sockets: LocalSockets;
  /** One line for the user. */
  readonly say: (line: string) => void;
  readonly now: () => number;
}

/** Listens as the specification says; each set has one listener. Throws `UserError` when a port cannot be had. */
export async function listenFor(host: ListenHost, spec: PortSpec): Promise<readonly ForwardSet[]> {
  if (spec.host !== undefined) return [await listenOn(host, spec, spec.host)];
  const sets: ForwardSet[] = [];
  try {
    sets.push(await listenOn(host, spec, LOOPBACK6));
  } catch (error) {
    // A machine without the other version of IP is none the worse.
    if (!(error instanceof UserError)) throw error;
  }
  try {
    sets.push(await listenOn(host, spec, LOOPBACK));
  } catch (error) {
    await Promise.all(sets.map((set) => set.close()));
    throw error;
  }
  return sets;
}

async function listenOn(host: ListenHost, spec: PortSpec, address: string): Promise<ForwardSet> {
  const url = `${spec.network}://${formatHostPort(address, spec.local)}`;
  host.say(
    `Forwarding '${url}' locally to '${spec.network}://${LOOPBACK}:${spec.remote}' in the workspace`,
  );
  return await forward(host, { address, local: spec.local, remote: spec.remote }, url);
}

/** One listener without a word. A local port of 0 takes any. */
export async function forward(
  { far, sockets, say, now }: ListenHost,
  { address, local, remote }: {
    readonly address: string;
    readonly local: number;
    readonly remote: number;
  },
  url = `tcp://${formatHostPort(address, local)}`,
): Promise<ForwardSet> {
  const to: LocalTarget = { kind: "tcp", host: LOOPBACK, port: remote };
  const listen: LocalTarget = { kind: "tcp", host: address, port: local };
  try {
    return await startForwards(far, { sockets, print: say, now }, { local: [{ listen, to }] }, {
      exitOnFailure: true,
      notConnected: (_, why) => `Failed to dial 'tcp://${LOOPBACK}:${remote}' in workspace: ${why}`,
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    throw new UserError(`listen '${url}': ${why}`, {
      hint: listenHint(why, "--tcp 8081:8080"),
    });
  }
}
