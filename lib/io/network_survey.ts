/**
 * What this machine's network lets through on the way to workspaces, for whoever looks for a fault: the relays and how each lets
 * itself be spoken to, and what STUN servers (RFC 8489) see of our UDP. It is asked once, over sockets of its own.
 */
import type {
  ProbeOptions,
  StunAnswer,
  SurveyedRelay,
  SurveyOptions,
  UdpSurvey,
} from "../base/host_network.ts";
import type { NetworkSurvey } from "../base/host_network.ts";
import { toHex } from "../base/bytes.ts";
import { randomBytes } from "../base/core.ts";
import { isDefect, messageOf } from "../base/errors.ts";
import type { LocalDatagrams } from "../base/datagrams.ts";
import { formatHostPort, SocketError } from "../base/sockets.ts";
import { decodeStunResponse, encodeStunRequest, STUN_TRANSACTION_ID_BYTES } from "../disco/stun.ts";
import {
  type DerpMap,
  type RelayEndpoint,
  relayEndpoints,
  relayRegions,
  rewriteEmbeddedRelay,
} from "../tailnet/derp_map.ts";
import { derpMapFromJson } from "../tailnet/derp_map_json.ts";
import { formatAddress, formatEndpoint } from "../tailnet/endpoint_text.ts";
import { type StunServer, stunServersOf } from "../tailnet/paths/stun_servers.ts";
import { type AddressFamily, familyOf } from "../wire/endpoint.ts";
import { isHostField } from "../http1/mod.ts";
import { HttpUpgradeClient, type UpgradeProtocol } from "../websocket/mod.ts";
import { SystemClock } from "./clock.ts";
import { closeQuietly } from "./conn.ts";
import { dial, type DialOptions } from "./dial.ts";
import { listenDatagrams } from "./local_datagrams.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import { MAX_PROBES, probeRelays } from "./relay_probe.ts";
import { resolveHost } from "./resolve_host.ts";

const ANY: Readonly<Record<AddressFamily, string>> = { ipv4: "0.0.0.0", ipv6: "::" };
/** A question that is not answered is asked again so long after the first time (RFC 8489 §6.2.1). */
const ASK_AT_MS = [0, 500, 1_500];
const READ_BYTES = 4_096;

/** Rejects with `ProtocolError` when the map cannot be read, or with the signal's reason. */
export async function surveyNetwork(
  options: SurveyOptions & {
    /** Addresses to ask STUN servers from. @default all of this machine, of both families */
    readonly bind?: Readonly<Record<AddressFamily, string>>;
  },
  dialOptions: DialOptions,
): Promise<NetworkSurvey> {
  const map = rewriteEmbeddedRelay(derpMapFromJson(options.derpMap), options.deploymentUrl);
  const [relays, udp] = await Promise.all([
    surveyRelays(map, options, dialOptions),
    options.asksStun
      ? surveyUdp(stunServersOf(map), { ...options, bind: options.bind ?? ANY })
      : undefined,
  ]);
  options.signal.throwIfAborted();
  return { relays, udp };
}

async function surveyRelays(
  map: DerpMap,
  options: ProbeOptions,
  dialOptions: DialOptions,
): Promise<readonly SurveyedRelay[]> {
  const { headers, timeoutMs, signal } = options;
  const clock = new SystemClock();
  // By itself: what runs beside it would be measured too.
  const latencies = await probeRelays(map, {
    clock,
    dial: dialOptions,
    headers,
    timeoutMs,
    signal,
  });
  const regions = relayRegions(map).slice(0, MAX_PROBES);
  const ways = await Promise.all(
    regions.map(async ({ id }) => {
      const [endpoint] = relayEndpoints(map, id);
      const takes = async (upgrade: UpgradeProtocol) =>
        endpoint !== undefined && await isAccepted(endpoint, upgrade, options, dialOptions);
      const [takesUpgrade, takesWebsocket] = await Promise.all([takes("DERP"), takes("websocket")]);
      return { takesUpgrade, takesWebsocket };
    }),
  );
  return regions.map(({ id, code, name }, at) => ({
    id,
    code,
    name,
    latencyMs: latencies.get(id),
    ...ways[at] ?? { takesUpgrade: false, takesWebsocket: false },
  }));
}

/** Whether the relay, and whatever stands before it, lets the protocol through. */
async function isAccepted(
  endpoint: RelayEndpoint,
  upgrade: UpgradeProtocol,
  options: ProbeOptions,
  dialOptions: DialOptions,
): Promise<boolean> {
  // A map may name what is no host.
  if (!isHostField(endpoint.hostHeader)) return false;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    const client = new HttpUpgradeClient({
      path: "/derp",
      host: endpoint.hostHeader,
      headers: endpoint.takesHeaders ? options.headers : [],
      upgrade,
      ...(upgrade === "websocket" ? { protocol: "derp" } : {}),
      random: SYSTEM_RANDOM,
    });
    const conn = await dial(endpoint, { ...dialOptions, signal });
    const onAbort = () => closeQuietly(conn);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const request = client.request();
      for (let at = 0; at < request.length;) at += await conn.write(request.subarray(at));
      const buffer = new Uint8Array(READ_BYTES);
      for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
        const result = client.handleBytes(buffer.slice(0, n));
        if (result !== undefined) return result.kind === "accepted";
      }
      return false;
    } finally {
      signal.removeEventListener("abort", onAbort);
      closeQuietly(conn);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    // What cannot be reached, or answers nonsense, does not let it through.
    if (isDefect(error)) throw error;
    return false;
  }
}

interface Question {
  readonly server: string;
  readonly to: { readonly host: string; readonly port: number };
  readonly transactionId: Uint8Array;
  sentAt: number;
}

async function surveyUdp(
  servers: readonly StunServer[],
  options: ProbeOptions & { readonly bind: Readonly<Record<AddressFamily, string>> },
): Promise<UdpSurvey> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const found = await Promise.all(servers.map(async (server) => ({
    server: formatHostPort(server.host, server.port),
    addresses: await addressesOf(server, signal),
    port: server.port,
  })));
  options.signal.throwIfAborted();
  const problems: string[] = [];
  const asked = await Promise.all((["ipv4", "ipv6"] as const).map(async (family) => {
    const questions = found.flatMap(({ server, addresses, port }): Question[] => {
      const address = addresses.find((one) => familyOf(one) === family);
      if (address === undefined) return [];
      const to = { host: formatAddress(address), port };
      const transactionId = randomBytes(SYSTEM_RANDOM, STUN_TRANSACTION_ID_BYTES);
      return [{ server, to, transactionId, sentAt: 0 }];
    });
    if (questions.length === 0) return [];
    try {
      const socket = await listenDatagrams({ host: options.bind[family], port: 0 });
      return await ask(socket, { questions, family, signal });
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      problems.push(messageOf(error));
      return [];
    }
  }));
  options.signal.throwIfAborted();
  return { serverCount: servers.length, answers: asked.flat(), problems };
}

/** 16 bytes each; those that are named come before what the name server says. */
async function addressesOf(server: StunServer, signal: AbortSignal): Promise<Uint8Array[]> {
  const { ipv4, ipv6, host } = server;
  const named = [ipv4, ipv6].filter((one) => one instanceof Uint8Array);
  if (ipv4 !== undefined && ipv6 !== undefined) return named;
  let looked: Uint8Array[] = [];
  try {
    looked = await resolveHost(host, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const wanted = looked.filter((one) => (familyOf(one) === "ipv4" ? ipv4 : ipv6) === undefined);
  return [...named, ...wanted];
}

/** Asks all of them through one socket, so that what they see can be compared. */
async function ask(
  socket: LocalDatagrams,
  { questions, family, signal }: {
    readonly questions: readonly Question[];
    readonly family: AddressFamily;
    readonly signal: AbortSignal;
  },
): Promise<StunAnswer[]> {
  const clock = new SystemClock();
  const open = new Map(questions.map((one) => [toHex(one.transactionId), one]));
  const answers: StunAnswer[] = [];
  const close = () => socket.close();
  signal.addEventListener("abort", close, { once: true });
  const over = new AbortController();
  const asking = (async () => {
    let at = 0;
    for (const due of ASK_AT_MS) {
      await clock.sleep(due - at, AbortSignal.any([signal, over.signal]));
      at = due;
      for (const one of open.values()) {
        one.sentAt ||= clock.now();
        await socket.send(encodeStunRequest(one.transactionId), one.to);
      }
    }
  })().catch((error) => {
    if (!signal.aborted && !over.signal.aborted) throw error;
  });
  try {
    while (open.size > 0 && !signal.aborted) {
      const received = await socket.receive();
      if (received === undefined) break;
      const message = decodeStunResponse(received.data);
      if (message.kind !== "response") continue;
      const key = toHex(message.transactionId);
      const question = open.get(key);
      if (question === undefined) continue;
      open.delete(key);
      answers.push({
        server: question.server,
        family,
        seenAs: formatEndpoint(message.endpoint),
        latencyMs: clock.now() - question.sentAt,
      });
    }
  } finally {
    over.abort();
    socket.close();
    signal.removeEventListener("abort", close);
    await asking;
  }
  return answers;
}
