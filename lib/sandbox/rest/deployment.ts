/** All that the deployment has, and how requests find it. */
import { isAtLeast } from "../../base/version.ts";
import type { SandboxFaults } from "../http/faults.ts";
import { failureAnswer, type HttpAnswer, type HttpRequest } from "../http/messages.ts";
import type { SandboxAgent } from "../model/agent.ts";
import type { SandboxBuild } from "../model/build.ts";
import type { ModelHost } from "../model/host.ts";
import type { SandboxTemplate } from "../model/template.ts";
import type { Sessions } from "../model/sessions.ts";
import type { SandboxUser } from "../model/user.ts";
import type { SandboxWorkspace } from "../model/workspace.ts";
import type { ObjectContext } from "./object_parts.ts";

export interface Deployment {
  readonly host: ModelHost;
  readonly faults: SandboxFaults;
  readonly settings: DeploymentSettings;
  readonly sessions: Sessions;
  readonly deploymentId: string;
  readonly organizationId: string;
  readonly provisionerId: string;
  readonly me: SandboxUser;
  readonly template: SandboxTemplate;
  readonly users: readonly SandboxUser[];
  readonly workspaces: readonly SandboxWorkspace[];
}

/** What a test may change while the deployment runs. */
export interface DeploymentSettings {
  /** `X-Coder-Build-Version` of every answer and what `/buildinfo` says; empty: no such header. @default "v2.36.0" */
  version: string;
  /** @default "coder" */
  hostnameSuffix: string;
  /** @default "coder." */
  hostnamePrefix: string;
  /** Options for users' ssh_config; `undefined`: 404, as servers before v0.20. @default none */
  sshConfigOptions: Readonly<Record<string, string>> | undefined;
  /** Shown by clients whose version differs. @default "" */
  upgradeMessage: string;
  /** Clients are told to use websockets for relays. @default false */
  forcesWebsocket: boolean;
  /** Clients are told not to seek direct paths, and agents that start have none; else by UDP on loopback. @default true */
  disablesDirect: boolean;
  /** `docs_url` of the appearance; `undefined`: 404, as a build without licence. @default undefined */
  docsUrl: string | undefined;
  /** Warnings of the entitlements; `undefined`: 404, as a build without licence. @default undefined */
  entitlementWarnings: readonly string[] | undefined;
  /** Whether anybody can log in yet. @default true */
  hasFirstUser: boolean;
  /** It says that it is a proxy for workspaces. @default false */
  isWorkspaceProxy: boolean;
  /** @default [] */
  experiments: readonly string[];
  /** Containers of every agent, as the API sends them. @default none */
  containers: readonly Readonly<Record<string, unknown>>[];
}

export function defaultSettings(): DeploymentSettings {
  return {
    version: "v2.36.0",
    hostnameSuffix: "coder",
    hostnamePrefix: "coder.",
    sshConfigOptions: {},
    upgradeMessage: "",
    forcesWebsocket: false,
    disablesDirect: true,
    docsUrl: undefined,
    entitlementWarnings: undefined,
    hasFirstUser: true,
    isWorkspaceProxy: false,
    experiments: [],
    containers: [],
  };
}

const OR_NO_ACCESS = ", or you do not have access to it";

/** One request on its way through a route. */
export interface Call {
  readonly request: HttpRequest;
  readonly params: Readonly<Record<string, string>>;
  readonly deployment: Deployment;
}

/** Ends the handling of a request with an answer. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly answer: HttpAnswer;

  constructor(answer: HttpAnswer) {
    super("Request was refused");
    this.answer = answer;
  }
}

export function objectContextOf(deployment: Deployment): ObjectContext {
  const { organizationId, provisionerId, settings } = deployment;
  return { organizationId, provisionerId, version: settings.version };
}

/** Throws the answer for things that are not there, or not for this user. */
export function refuseNotFound(): never {
  throw new Refusal(
    failureAnswer(404, "Resource not found or you do not have access to this resource"),
  );
}

export function findUser({ deployment, params }: Call): SandboxUser {
  const asked = (params["user"] ?? "").toLowerCase();
  if (asked === "me") return deployment.me;
  return deployment.users.find(({ id, username }) =>
    id === asked || username.toLowerCase() === asked
  ) ??
    refuseUnknownUser(asked, deployment.settings.version);
}

/** Servers of v0.24 and v2.5 took an unknown name for a bad request. */
function refuseUnknownUser(name: string, version: string): never {
  if (isAtLeast(version, "v2.8.0")) refuseNotFound();
  const detail = isAtLeast(version, "v2.0.0") ? { detail: `queried user="${name}"` } : {};
  throw new Refusal(failureAnswer(400, '"user" must be an existing uuid or username.', detail));
}

export function findWorkspace(call: Call): SandboxWorkspace {
  const workspace = call.deployment.workspaces.find(({ id }) => id === call.params["workspace"]) ??
    refuseNotFound();
  if (workspace.latestBuild.status !== "deleted" || wantsDeleted(call.request)) return workspace;
  throw new Refusal(failureAnswer(
    410,
    `Workspace "${workspace.id}" was deleted, you can view this workspace by specifying '?include_deleted=true' and trying again.`,
  ));
}

export function findWorkspaceByName(call: Call): SandboxWorkspace {
  const owner = findUser(call);
  const name = (call.params["workspacename"] ?? "").toLowerCase();
  const workspace = call.deployment.workspaces.findLast((candidate) =>
    candidate.owner.id === owner.id && candidate.name.toLowerCase() === name
  );
  if (workspace === undefined) return refuseNotFound();
  const isDeleted = workspace.latestBuild.status === "deleted";
  return isDeleted && !wantsDeleted(call.request) ? refuseNotFound() : workspace;
}

export function findBuild(call: Call): { build: SandboxBuild; workspace: SandboxWorkspace } {
  for (const workspace of call.deployment.workspaces) {
    const build = workspace.builds.find(({ id }) => id === call.params["workspacebuild"]);
    if (build !== undefined) return { build, workspace };
  }
  return refuseNotFound();
}

export interface FoundAgent {
  readonly agent: SandboxAgent;
  readonly build: SandboxBuild;
  readonly workspace: SandboxWorkspace;
}

/** Agents of older builds are not there any more. */
export function findAgent(call: Call): FoundAgent {
  for (const workspace of call.deployment.workspaces) {
    const build = workspace.latestBuild;
    const agent = build.agents.find(({ id }) => id === call.params["workspaceagent"]);
    if (agent !== undefined) return { agent, build, workspace };
  }
  const isOldest = !isAtLeast(call.deployment.settings.version, "v2.0.0");
  throw new Refusal(
    failureAnswer(404, `Agent doesn't exist with that id${isOldest ? "" : OR_NO_ACCESS}.`),
  );
}

function wantsDeleted({ query }: HttpRequest): boolean {
  return query.get("include_deleted") === "true";
}
