/**
 * Looks at the way to a deployment from its beginning to its end: settings, proxy, server, account, relays, ssh. Each look is
 * bounded in time, and one that fails says what that keeps from working; none changes anything.
 */
import * as v from "valibot";
import { ExpectedError, UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import {
  type ConnectionInfo,
  getConnectionInfo,
  getGeneralConnection,
} from "../../coder/agents.ts";
import type { SurveyedRelay } from "../../base/host_network.ts";
import type { CoderClient } from "../../coder/client.ts";
import { getBuildInfo } from "../../coder/deployment.ts";
import { ApiError, describe, StepError } from "../../coder/errors.ts";
import { versionMismatch } from "../../coder/version.ts";
import { listWorkspaces } from "../../coder/workspaces.ts";
import type { Configuration } from "../config/config.ts";
import { VERSION } from "../version.ts";
import type { Finding } from "./finding.ts";
import { isOpen, SHELL_WITHOUT_RELAY } from "./network_report.ts";

export interface Patient {
  readonly host: Host;
  readonly configuration: Configuration;
  readonly client: CoderClient;
  readonly signal: AbortSignal;
  /** Whether the user forbids direct connections. */
  readonly disablesDirect: boolean;
}

const LOOK_MS = 10_000;
/** Of each of two questions to relays. */
const SURVEY_MS = 4_000;
/** A clock that is off by more makes certificates and notices wrong. */
const MAX_CLOCK_MS = 5 * 60_000;
/** What a server says to a route that it lacks, or takes for another's. */
const NO_ROUTE: ReadonlySet<number> = new Set([400, 404]);
const LOOK_WORKSPACES = 20;

type Look = (patient: Patient) => Promise<readonly Finding[]>;

const LOOKS: readonly (readonly [about: string, look: Look])[] = [
  ["proxy", lookAtProxy],
  ["deployment", lookAtDeployment],
  ["account", lookAtAccount],
  ["relays", lookAtRelays],
  ["ssh", lookAtSsh],
];

/** All there is to say, in the order of the way. Rejects with the signal's reason alone. */
export async function examine(
  patient: Patient,
  onLook: (about: string) => void,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [about, look] of LOOKS) {
    onLook(about);
    const limit = new AbortController();
    const late = patient.host.clock.sleep(LOOK_MS, limit.signal)
      .then(() => limit.abort(new UserError("no answer within ten seconds")), () => {});
    const signal = AbortSignal.any([patient.signal, limit.signal]);
    try {
      findings.push(...await look({ ...patient, signal }));
    } catch (error) {
      patient.signal.throwIfAborted();
      findings.push(problem(about, wordsOf(limit.signal.aborted ? limit.signal.reason : error)));
    } finally {
      limit.abort();
      await late;
    }
  }
  return findings;
}

/** What failed, and what to do when the error says so. Throws what is no failure of this kind. */
function wordsOf(error: unknown): { readonly text: string; readonly hint?: string } {
  if (error instanceof UserError) {
    return { text: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  }
  if (!(error instanceof ExpectedError)) throw error;
  const hint = error instanceof StepError ? error.hint : undefined;
  const text = describe(error).split("\n", 1)[0] ?? "";
  return { text, ...(hint === undefined ? {} : { hint }) };
}

function problem(
  about: string,
  { text, hint }: { readonly text: string; readonly hint?: string },
): Finding {
  return { level: "problem", about, text, ...(hint === undefined ? {} : { hint }) };
}

const good = (about: string, text: string): Finding => ({ level: "good", about, text });
const note = (about: string, text: string): Finding => ({ level: "note", about, text });

// deno-lint-ignore require-await -- what it throws is a rejection, as everybody else's
async function lookAtProxy({ host, configuration }: Patient): Promise<readonly Finding[]> {
  const proxy = host.proxyFor(configuration.url);
  if (proxy === undefined) return [good("proxy", "none for this deployment")];
  const { scheme, host: name, port } = proxy;
  return [good("proxy", `${scheme}://${name}:${port}, for the API, coordinator and relays`)];
}

async function lookAtDeployment(patient: Patient): Promise<readonly Finding[]> {
  const { client, host, signal, configuration: { url } } = patient;
  const askedAt = host.clock.now();
  const info = await getBuildInfo(client, { signal });
  const tookMs = Math.round(host.clock.now() - askedAt);
  const findings = [
    good("deployment", `${url.origin}${url.pathname} is Coder ${info.version} (${tookMs} ms)`),
  ];
  if (info.isWorkspaceProxy) {
    findings.push(problem("deployment", {
      text: "this is a workspace proxy, not the deployment",
      hint: `Use the deployment's own address${
        info.dashboardUrl === "" ? "" : `: ${info.dashboardUrl}`
      }`,
    }));
  }
  if (versionMismatch(`v${VERSION}`, info.version) !== undefined) {
    findings.push(note("version", `hawser v${VERSION} is made for another release of Coder`));
  }
  const skewMs = host.clock.wallMs() - (client.serverTimeMs ?? host.clock.wallMs());
  if (Math.abs(skewMs) > MAX_CLOCK_MS) {
    findings.push(problem("clock", {
      text: `this machine is ${Math.round(Math.abs(skewMs) / 60_000)} minutes ${
        skewMs > 0 ? "ahead of" : "behind"
      } the deployment`,
      hint: "Set it right: certificates, resume tokens and the notice before autostop go by it",
    }));
  }
  return findings;
}

async function lookAtAccount({ client, signal, configuration }: Patient) {
  if (configuration.token === undefined) {
    return [problem("account", {
      text: "not logged in",
      hint: `Log in with 'hawser login ${configuration.url.origin}'`,
    })];
  }
  try {
    const me = v.object({ username: v.string() });
    const { username } = await client.get("/users/me", me, { signal });
    return [good("account", `logged in as ${username}`)];
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    return [problem("account", {
      text: "the session token is not accepted: it is revoked, expired, or another deployment's",
      hint: `Log in again with 'hawser login ${configuration.url.origin}'`,
    })];
  }
}

async function lookAtRelays(patient: Patient): Promise<readonly Finding[]> {
  const { client, host, signal, configuration, disablesDirect } = patient;
  if (configuration.token === undefined) return [];
  const info = await askForRelays(client, signal);
  if (info === undefined) {
    const text =
      "not looked at: a server of this age tells them with an agent, and no workspace of yours has one";
    return [note("relay", text)];
  }
  const { relays } = await host.surveyNetwork({
    deploymentUrl: configuration.url,
    network: configuration.network,
    headers: configuration.headers,
    derpMap: info.derpMap,
    timeoutMs: SURVEY_MS,
    asksStun: false,
    signal,
  });
  const isShut = !relays.some(isOpen);
  const findings = relays.map((relay) => relayFinding(relay, { isShut }));
  if (relays.length === 0) {
    findings.push(problem("relay", {
      text: "the deployment has none, and without one no workspace is reached",
      hint: "Ask its administrator",
    }));
  }
  if (isShut) findings.push(note("web terminal", SHELL_WITHOUT_RELAY));
  if (info.derpForceWebsockets) {
    findings.push(note("relay", "by websocket only, the deployment says"));
  }
  findings.push(
    directFinding(patient, { disablesDirect, byDeployment: info.disableDirectConnections }),
  );
  return findings;
}

function relayFinding(relay: SurveyedRelay, { isShut }: { readonly isShut: boolean }): Finding {
  const { name, latencyMs, takesUpgrade } = relay;
  const answers = latencyMs === undefined
    ? "does not answer"
    : `answers (${latencyMs.toFixed(1)} ms), but takes neither its own upgrade nor websockets`;
  if (isOpen(relay)) {
    const how = takesUpgrade ? "" : ", by websocket alone";
    const latency = latencyMs === undefined ? "no time told" : `${latencyMs.toFixed(1)} ms`;
    return good("relay", `${name} (${latency})${how}`);
  }
  if (!isShut) return note("relay", `${name} ${answers}; others do`);
  const hint = latencyMs === undefined
    ? "A proxy or firewall may hold it back: it is reached as the deployment is, by HTTPS"
    : "Check that a proxy or load balancer before it passes websockets on, and Upgrade: DERP if it can";
  return problem("relay", { text: `${name} ${answers}`, hint });
}

/** Servers before v2.0 know the question for one agent alone: any of ours does. `undefined` when there is none. */
export async function askForRelays(
  client: CoderClient,
  signal: AbortSignal,
): Promise<ConnectionInfo | undefined> {
  try {
    return await getGeneralConnection(client, { signal });
  } catch (error) {
    if (!(error instanceof ApiError) || !NO_ROUTE.has(error.status)) throw error;
  }
  const workspaces = await listWorkspaces(client, "owner:me", { signal, limit: LOOK_WORKSPACES });
  const [agent] = workspaces.flatMap(({ latestBuild }) => latestBuild.agents);
  return agent === undefined ? undefined : await getConnectionInfo(client, agent.id, { signal });
}

function directFinding(
  { host, configuration }: Patient,
  { disablesDirect, byDeployment }: {
    readonly disablesDirect: boolean;
    readonly byDeployment: boolean;
  },
): Finding {
  const about = "direct connections";
  if (disablesDirect) return note(about, "off, by --disable-direct-connections or its variable");
  if (byDeployment) return note(about, "off for everybody, by the deployment's administrator");
  const proxy = host.proxyFor(configuration.url);
  if (proxy !== undefined) {
    return note(about, "not tried, because the deployment is behind a proxy");
  }
  return good(about, "are tried; 'hawser ping <workspace>' says whether there is one");
}

async function lookAtSsh({ host }: Patient): Promise<readonly Finding[]> {
  try {
    const { stderr, stdout } = await host.run("ssh", ["-V"]);
    const said = new TextDecoder().decode(stderr.length > 0 ? stderr : stdout).trim();
    return [good("OpenSSH", said.split(",", 1)[0] ?? "")];
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return [note("OpenSSH", "not found: 'hawser ssh' needs none, editors and git do")];
  }
}
