/** Agents: state, logs, and the way to them (docs/protocol/api.md#agent, #agent-logs, #connection-information). */
import { isAtLeast } from "../../base/version.ts";
import {
  coordinationOf,
  type CoordinationProtocol,
} from "../../tailnet/coordinator/protocol_version.ts";
import { failureAnswer, type HttpAnswer, jsonAnswer } from "../http/messages.ts";
import { type Call, findAgent, objectContextOf } from "./deployment.ts";
import { serveUpgrade } from "./endpoint.ts";
import { answerLogs, websocketAnswer } from "./follow.ts";
import { agentJson, agentLogJson } from "./objects_agent.ts";
import type { Route } from "./route.ts";
import { connectionInfo } from "./routes_deployment.ts";
import { webTerminal } from "./web_terminal.ts";

/** `tailnet/proto/version.go` `CurrentVersion` of v2.36. */
const API_MAJOR = 2;
const API_MINOR = 10;
const DEFAULT_VERSION = "1.0";
const NO_JSON_SINCE = "v2.16.0";

function agentLogs(call: Call): HttpAnswer {
  return answerLogs(call, {
    book: findAgent(call).agent.logs,
    toJson: (line) => agentLogJson(line, call.deployment.settings.version),
    inBatches: true,
  });
}

function notConnected(status: string): HttpAnswer {
  return failureAnswer(400, `Agent state is "${status}", it must be in the "connected" state.`);
}

function containers(call: Call): HttpAnswer {
  const { agent } = findAgent(call);
  if (agent.status !== "connected") {
    return notConnected(agent.status);
  }
  const labels = call.request.query.getAll("label");
  const found = call.deployment.settings.containers.filter(({ labels: own }) =>
    labels.every((label) => hasLabel(own, label))
  );
  return jsonAnswer({ devcontainers: [], containers: found });
}

function hasLabel(labels: unknown, wanted: string): boolean {
  const [key = "", value = ""] = wanted.split(/=(.*)/s);
  return typeof labels === "object" && labels !== null &&
    Object.entries(labels).some(([name, own]) => name === key && own === value);
}

function listeningPorts(call: Call): HttpAnswer {
  const { agent } = findAgent(call);
  if (agent.status !== "connected") return notConnected(agent.status);
  return jsonAnswer({
    ports: agent.listeningPorts.map(({ port, processName = "" }) => ({
      process_name: processName,
      network: "tcp",
      port,
    })),
  });
}

/** The checks of the real server in its order (docs/protocol/coordinator.md#refusals), then the coordinator. */
function coordinate(call: Call): HttpAnswer | Promise<HttpAnswer> {
  const { agent } = findAgent(call);
  const { query } = call.request;
  const version = query.get("version") ?? DEFAULT_VERSION;
  const server = call.deployment.settings.version;
  const protocol = protocolOf(version, server);
  const problem = protocol === "v1" ? undefined : versionProblem(version);
  if (problem !== undefined) {
    return failureAnswer(400, "Unknown or unsupported API version", {
      validations: [{ field: "version", detail: problem }],
    });
  }
  const { coordinator } = call.deployment.host;
  const resumeToken = query.get("resume_token") ?? "";
  if (resumeToken !== "" && coordinator.peerOfToken(resumeToken) === undefined) {
    return failureAnswer(401, "Invalid resume token", {
      detail: "verify payload: go-jose/go-jose: error in cryptographic primitive",
      validations: [{ field: "resume_token", detail: "Invalid resume token" }],
    });
  }
  const client = { agentId: agent.id, protocol, ...(resumeToken === "" ? {} : { resumeToken }) };
  return serveUpgrade(
    websocketAnswer(call, (upgraded) => coordinator.serve(upgraded, client)),
    call.deployment.faults.coordinator,
  );
}

/** Before v2.8 nobody is asked; until v2.16 clients may choose. */
function protocolOf(asked: string, server: string): CoordinationProtocol {
  if (coordinationOf(server) === "v1") return "v1";
  return asked === DEFAULT_VERSION && !isAtLeast(server, NO_JSON_SINCE) ? "v1" : "v2";
}

/** What is wrong with the version asked for (coder/coder `apiversion/apiversion.go`). */
function versionProblem(version: string): string | undefined {
  const match = /^(\d+)\.(\d+)$/.exec(version);
  if (match === null) return `invalid version string: ${version}`;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major > API_MAJOR) {
    return `server is at version ${API_MAJOR}.${API_MINOR}, behind requested major version ${version}`;
  }
  if (major < API_MAJOR) return `version ${version} is no longer supported`;
  if (minor <= API_MINOR) return undefined;
  return `server is at version ${API_MAJOR}.${API_MINOR}, behind requested minor version ${version}`;
}

export const AGENT_ROUTES: readonly Route[] = [
  {
    name: "GET /workspaceagents/{workspaceagent}",
    handle: (call) => {
      const { agent, build } = findAgent(call);
      return jsonAnswer(agentJson(agent, build, objectContextOf(call.deployment)));
    },
  },
  {
    name: "GET /workspaceagents/{workspaceagent}/connection",
    handle: (call) => {
      findAgent(call);
      return connectionInfo(call);
    },
  },
  { name: "GET /workspaceagents/{workspaceagent}/coordinate", handle: coordinate },
  { name: "GET /workspaceagents/{workspaceagent}/logs", since: "v2.0.0", handle: agentLogs },
  { name: "GET /workspaceagents/{workspaceagent}/startup-logs", handle: agentLogs },
  {
    name: "GET /workspaceagents/{workspaceagent}/containers",
    since: "v2.20.0",
    handle: containers,
  },
  { name: "GET /workspaceagents/{workspaceagent}/listening-ports", handle: listeningPorts },
  { name: "GET /workspaceagents/{workspaceagent}/pty", handle: webTerminal },
];
