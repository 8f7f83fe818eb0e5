/** A survey of the network on the way to a deployment's workspaces, past nothing that the user or the deployment closed. */
import type { Host } from "../../base/host.ts";
import type { CoderClient } from "../../coder/client.ts";
import type { Configuration } from "../config/config.ts";
import { askForRelays } from "./examine.ts";
import type { NetworkReport } from "./network_report.ts";

const SURVEY_MS = 5_000;

export interface SurveyRequest {
  readonly host: Host;
  readonly client: CoderClient;
  readonly configuration: Configuration;
  /** Whether the user forbids direct connections. */
  readonly disablesDirect: boolean;
  readonly signal: AbortSignal;
}

/** `undefined` where a server tells its relays with a workspace alone, and there is none. Rejects with `ExpectedError`. */
export async function surveyFor(request: SurveyRequest): Promise<NetworkReport | undefined> {
  const { host, client, configuration, signal } = request;
  const info = await askForRelays(client, signal);
  if (info === undefined) return undefined;
  const proxy = host.proxyFor(configuration.url);
  const notAsked = request.disablesDirect
    ? "direct connections are switched off"
    : info.disableDirectConnections
    ? "direct connections are off for everybody, by the deployment's administrator"
    : proxy === undefined
    ? undefined
    : "the deployment is behind a proxy";
  const survey = await host.surveyNetwork({
    deploymentUrl: configuration.url,
    network: configuration.network,
    headers: configuration.headers,
    derpMap: info.derpMap,
    timeoutMs: SURVEY_MS,
    asksStun: notAsked === undefined,
    signal,
  });
  return { survey, proxy, notAsked };
}
