/**
 * Coder Connect: when the official desktop program has the workspace network up, the agent's SSH server is a plain TCP
 * connection away (docs/protocol/ssh.md#coder-connect). Sought beside our own tunnel, never before it: whichever carries bytes first is used.
 */
import { UserError } from "../../base/errors.ts";
import type { ByteStream } from "../../base/stream.ts";
import { StepError } from "../../coder/errors.ts";
import { goQuote } from "../../coder/text.ts";
import { formatHostPort, type LocalSockets } from "../../ssh/host.ts";
import { CODER_PREFIX, parseIpv6Text } from "../../tailnet/address.ts";
import type { HostClock } from "../../base/host.ts";

/** The addresses of a name, none for an unknown one (`Host.lookupIpv6`). */
export type LookupIpv6 = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

const PROBE_BUDGET_MS = 100;
const DIAL_TIMEOUT_MS = 5_000;
const SSH_PORT = 22;

export interface CoderConnectProbe {
  readonly clock: HostClock;
  readonly lookupIpv6: LookupIpv6;
  /** @default 100 */
  readonly budgetMs?: number;
  readonly signal: AbortSignal;
}

/** The agent's name in Coder Connect; `undefined` for servers that have none (before v2.22.0). */
export function coderConnectHost(
  agent: { readonly agent: string; readonly workspace: string; readonly owner: string },
  hostnameSuffix: string,
): string | undefined {
  const suffix = hostnameSuffix.replace(/^\./, "");
  return suffix === "" ? undefined : `${agent.agent}.${agent.workspace}.${agent.owner}.${suffix}`;
}

/**
 * Whether the name leads into Coder Connect's network within the budget. Rejects only with the signal's reason.
 */
export async function isInCoderConnect(
  hostname: string,
  options: CoderConnectProbe,
): Promise<boolean> {
  const { clock, lookupIpv6, budgetMs = PROBE_BUDGET_MS, signal } = options;
  // Absolute: no search domain may answer for it.
  const name = hostname.endsWith(".") ? hostname : `${hostname}.`;
  const addresses = await within(
    { clock, limitMs: budgetMs, signal },
    (stop) => lookupIpv6(name, stop),
  );
  return addresses?.some(isCoderAddress) ?? false;
}

function isCoderAddress(text: string): boolean {
  const address = parseIpv6Text(text);
  return address !== undefined && CODER_PREFIX.every((byte, at) => address[at] === byte);
}

export interface CoderConnectDial {
  readonly clock: HostClock;
  readonly connect: LocalSockets["connect"];
  /** @default 5_000 */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

/** Connects to the agent's SSH server through Coder Connect. Throws `StepError`, or the signal's reason. */
export async function dialCoderConnect(
  hostname: string,
  options: CoderConnectDial,
): Promise<ByteStream> {
  const { clock, connect, timeoutMs = DIAL_TIMEOUT_MS, signal } = options;
  const address = formatHostPort(hostname, SSH_PORT);
  try {
    const stream = await within(
      { clock, limitMs: timeoutMs, signal },
      (stop) => connect({ kind: "tcp", host: hostname, port: SSH_PORT }, stop),
    );
    if (stream === undefined) throw new UserError("i/o timeout");
    return stream;
  } catch (error) {
    if (signal.aborted) throw error;
    throw new StepError(`dial coder connect host ${goQuote(address)} over tcp`, error);
  }
}

/** What `work` resolves to; `undefined` when the limit was over first, and then `work` was told to stop. */
async function within<T>(
  options: {
    readonly clock: HostClock;
    readonly limitMs: number;
    readonly signal: AbortSignal;
  },
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const { clock, limitMs, signal } = options;
  const late = new AbortController();
  const done = new AbortController();
  const limit = clock.sleep(limitMs, AbortSignal.any([signal, done.signal])).then(
    () => late.abort(new DOMException("too late", "TimeoutError")),
    () => {}, // the work ended first, or nobody wants it any more
  );
  try {
    return await work(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (late.signal.aborted) return undefined;
    throw error;
  } finally {
    done.abort();
    await limit;
  }
}

export interface RaceOptions {
  /** Opens the agent's SSH port through our own tunnel. */
  readonly tunnel: (signal: AbortSignal) => Promise<ByteStream>;
  /** Finds and dials Coder Connect; `undefined` when it is not there. */
  readonly coderConnect: (signal: AbortSignal) => Promise<ByteStream | undefined>;
  readonly signal: AbortSignal;
}

export interface RaceResult {
  readonly via: "tunnel" | "coder-connect";
  readonly stream: ByteStream;
}

/**
 * Both ways at once: the first that is open is taken and the other one called off. A way that fails leaves it to the
 * other; when both do, Coder Connect's failure is told if it was there, since upstream would have used nothing else.
 */
export async function raceCoderConnect(options: RaceOptions): Promise<RaceResult> {
  const { signal } = options;
  signal.throwIfAborted();
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const ways = [
    open("coder-connect", options.coderConnect(stop)),
    open("tunnel", options.tunnel(stop)),
  ];
  let winner: RaceResult | undefined;
  try {
    winner = await Promise.any(ways);
    return winner;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof AggregateError)) throw error;
    throw error.errors.find((failure) => !(failure instanceof NotThere)) ?? error;
  } finally {
    over.abort(new DOMException("the other way was faster", "AbortError"));
    // Not waited for: the winner carries bytes already. What still opens is closed again.
    for (const way of ways) {
      way.then((late) => {
        if (late !== winner) late.stream.abort("The other way was faster");
      }, () => {});
    }
  }
}

/** Coder Connect is not there; stays in this file. */
class NotThere extends Error {
  override name = "NotThere";
}

async function open(
  via: RaceResult["via"],
  opening: Promise<ByteStream | undefined>,
): Promise<RaceResult> {
  const stream = await opening;
  if (stream === undefined) throw new NotThere();
  return { via, stream };
}
