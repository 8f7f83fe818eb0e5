/** Workspaces, their builds and templates (docs/protocol/api.md#reading, #making-a-build, #build-logs). */
import {
  emptyAnswer,
  failureAnswer,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
} from "../http/messages.ts";
import type { SandboxWorkspace } from "../model/workspace.ts";
import {
  type Call,
  findBuild,
  findWorkspace,
  findWorkspaceByName,
  objectContextOf,
  Refusal,
  refuseNotFound,
} from "./deployment.ts";
import { WebsocketPeer } from "../net/websocket_peer.ts";
import { answerLogs, websocketAnswer } from "./follow.ts";
import { buildJson, buildLogJson, workspaceJson } from "./objects.ts";
import { parameterJson, templateJson, templateVersionJson } from "./objects_template.ts";
import type { Route } from "./route.ts";
import { searchWorkspaces } from "./search.ts";
import { watchBySse, watchByWebsocket } from "./watch.ts";

/** Go's zero value of an id: the field was not set. */
const NIL_UUID = "00000000-0000-0000-0000-000000000000";

type Transition = "start" | "stop" | "delete";

function workspaceAnswer(workspace: SandboxWorkspace, { deployment }: Call): HttpAnswer {
  return jsonAnswer(workspaceJson(workspace, objectContextOf(deployment)));
}

/** The body's fields; an empty body has none. */
export function fieldsOf(request: HttpRequest): Readonly<Record<string, unknown>> {
  if (request.body.length === 0) return {};
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(request.body));
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(
      failureAnswer(400, "Request body must be valid JSON.", { detail: error.message }),
    );
  }
}

function isTransition(value: unknown): value is Transition {
  return value === "start" || value === "stop" || value === "delete";
}

function parametersIn(value: unknown): { name: string; value: string }[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) =>
    typeof item === "object" && item !== null && "name" in item && "value" in item
      ? [{ name: String(item.name), value: String(item.value) }]
      : []
  );
}

function createBuild(call: Call): HttpAnswer {
  const workspace = findWorkspace(call);
  const { template, latestBuild } = workspace;
  const fields = fieldsOf(call.request);
  const { transition } = fields;
  if (!isTransition(transition)) {
    const detail = `Validation failed for tag "oneof" with value: "${String(transition ?? "")}"`;
    return failureAnswer(400, "Validation failed.", {
      validations: [{ field: "transition", detail }],
    });
  }
  if (latestBuild.status === "deleted") {
    return failureAnswer(409, `Cannot ${transition} a deleted workspace!`);
  }
  if (!latestBuild.isCompleted) return failureAnswer(409, "A workspace build is already active.");
  const asked = fields["template_version_id"];
  const templateVersionId = typeof asked === "string" && asked !== "" && asked !== NIL_UUID
    ? asked
    : latestBuild.templateVersionId;
  if (!template.versions.some(({ id }) => id === templateVersionId)) {
    return failureAnswer(400, "template version does not exist");
  }
  if (
    transition === "start" && template.requiresActiveVersion &&
    templateVersionId !== template.activeVersionId
  ) {
    return failureAnswer(403, "insert workspace build");
  }
  const { reason } = fields;
  const changed = parametersIn(fields["rich_parameter_values"]);
  const asks = template.versions.find(({ id }) => id === templateVersionId)?.parameters ?? [];
  const isEphemeral = (name: string) => asks.some((one) => one.name === name && one.ephemeral);
  const kept = latestBuild.parameters.filter(({ name }) =>
    !isEphemeral(name) && !changed.some((one) => one.name === name)
  );
  const build = workspace.build(transition, {
    templateVersionId,
    parameters: [...kept, ...changed],
    ...(typeof reason === "string" ? { reason } : {}),
  });
  return jsonAnswer(buildJson(build, workspace, objectContextOf(call.deployment)), { status: 201 });
}

function cancelBuild(call: Call): HttpAnswer {
  const { build } = findBuild(call);
  if (build.isCompleted) return failureAnswer(400, "Job has already completed!");
  if (build.canceledAtMs !== undefined) {
    return failureAnswer(400, "Job has already been marked as canceled!");
  }
  if (build.jobStatus === "pending") build.cancelNow();
  else build.cancel();
  return jsonAnswer({ message: "Job has been marked as canceled..." });
}

function putDormant(call: Call): HttpAnswer {
  const workspace = findWorkspace(call);
  const isDormant = fieldsOf(call.request)["dormant"] === true;
  if (isDormant === (workspace.dormantAtMs !== undefined)) return emptyAnswer(304);
  if (isDormant) workspace.putToSleep();
  else workspace.wake();
  return workspaceAnswer(workspace, call);
}

function postUsage(call: Call): HttpAnswer {
  const workspace = findWorkspace(call);
  fieldsOf(call.request);
  workspace.lastUsedAtMs = call.deployment.host.wallMs();
  return emptyAnswer(204);
}

function putTtl(call: Call): HttpAnswer {
  const ttl = fieldsOf(call.request)["ttl_ms"];
  findWorkspace(call).setTtl(typeof ttl === "number" ? ttl : undefined);
  return emptyAnswer(204);
}

function putExtend(call: Call): HttpAnswer {
  const workspace = findWorkspace(call);
  const deadline = String(fieldsOf(call.request)["deadline"] ?? "");
  const deadlineMs = Date.parse(deadline);
  if (Number.isNaN(deadlineMs)) return failureAnswer(400, "Request body must be valid JSON.");
  const { status, maxDeadlineMs } = workspace.latestBuild;
  if (status !== "running") {
    return failureAnswer(409, `Workspace must be started, current status: ${status}`);
  }
  if (maxDeadlineMs !== undefined && deadlineMs > maxDeadlineMs) {
    return failureAnswer(400, "Cannot extend workspace beyond max deadline.");
  }
  workspace.setDeadline(deadlineMs);
  return jsonAnswer({ message: `Deadline updated to ${new Date(deadlineMs).toISOString()}.` });
}

function templateVersion(call: Call): HttpAnswer {
  const { template, me } = call.deployment;
  const version = template.versions.find(({ id }) => id === call.params["templateversion"]) ??
    refuseNotFound();
  return jsonAnswer(
    templateVersionJson(version, { template, owner: me }, objectContextOf(call.deployment)),
  );
}

function richParameters(call: Call): HttpAnswer {
  const { template } = call.deployment;
  const version = template.versions.find(({ id }) => id === call.params["templateversion"]) ??
    refuseNotFound();
  return jsonAnswer(version.parameters.map(parameterJson));
}

/** The template has no parameters: so says each answer, the first one unasked (docs/protocol/api.md#starting-a-stopped-workspace). */
function dynamicParameters(call: Call): HttpAnswer {
  return websocketAnswer(call, async (upgraded) => {
    const answer = (id: number) => peer.sendJson({ id, diagnostics: [], parameters: [] });
    const peer = new WebsocketPeer(upgraded, {
      random: call.deployment.host.random,
      onMessage: (payload) => {
        const asked: unknown = JSON.parse(new TextDecoder().decode(payload));
        answer(typeof asked === "object" && asked !== null && "id" in asked ? Number(asked.id) : 0);
      },
    });
    answer(-1);
    await peer.ended;
  });
}

function template(call: Call): HttpAnswer {
  const { template, me } = call.deployment;
  if (template.id !== call.params["template"]) return refuseNotFound();
  return jsonAnswer(templateJson(template, me, objectContextOf(call.deployment)));
}

export const WORKSPACE_ROUTES: readonly Route[] = [
  {
    name: "GET /users/{user}/workspace/{workspacename}",
    handle: (call) => workspaceAnswer(findWorkspaceByName(call), call),
  },
  {
    name: "GET /users/{user}/workspace/{workspacename}/builds/{number}",
    handle: (call) => {
      const workspace = findWorkspaceByName(call);
      const number = call.params["number"] ?? "";
      const build = workspace.builds.find((one) => String(one.number) === number);
      if (build === undefined) {
        const what = `Workspace "${workspace.name}" Build ${number} does not exist.`;
        return failureAnswer(404, what);
      }
      return jsonAnswer(buildJson(build, workspace, objectContextOf(call.deployment)));
    },
  },
  { name: "GET /workspaces", handle: searchWorkspaces },
  {
    name: "GET /workspaces/{workspace}",
    handle: (call) => workspaceAnswer(findWorkspace(call), call),
  },
  {
    name: "GET /workspaces/{workspace}/builds",
    handle: (call) => {
      const workspace = findWorkspace(call);
      const around = objectContextOf(call.deployment);
      return jsonAnswer(
        workspace.builds.map((build) => buildJson(build, workspace, around)).reverse(),
      );
    },
  },
  { name: "POST /workspaces/{workspace}/builds", handle: createBuild },
  { name: "GET /workspaces/{workspace}/watch", handle: watchBySse },
  { name: "GET /workspaces/{workspace}/watch-ws", since: "v2.22.0", handle: watchByWebsocket },
  { name: "POST /workspaces/{workspace}/usage", since: "v2.10.0", handle: postUsage },
  { name: "PUT /workspaces/{workspace}/dormant", handle: putDormant },
  { name: "PUT /workspaces/{workspace}/ttl", handle: putTtl },
  { name: "PUT /workspaces/{workspace}/extend", handle: putExtend },
  {
    name: "GET /workspacebuilds/{workspacebuild}",
    handle: (call) => {
      const { build, workspace } = findBuild(call);
      return jsonAnswer(buildJson(build, workspace, objectContextOf(call.deployment)));
    },
  },
  { name: "PATCH /workspacebuilds/{workspacebuild}/cancel", handle: cancelBuild },
  {
    name: "GET /workspacebuilds/{workspacebuild}/parameters",
    handle: (call) => jsonAnswer(findBuild(call).build.parameters),
  },
  {
    name: "GET /workspacebuilds/{workspacebuild}/logs",
    handle: (call) =>
      answerLogs(call, {
        book: findBuild(call).build.logs,
        toJson: buildLogJson,
        inBatches: false,
      }),
  },
  { name: "GET /templateversions/{templateversion}", handle: templateVersion },
  {
    name: "GET /templateversions/{templateversion}/dynamic-parameters",
    handle: dynamicParameters,
  },
  {
    name: "POST /templateversions/{templateversion}/dynamic-parameters/evaluate",
    handle: () => jsonAnswer({ id: 0, diagnostics: [], parameters: [] }),
  },
  { name: "GET /templateversions/{templateversion}/rich-parameters", handle: richParameters },
  { name: "GET /templateversions/{templateversion}/external-auth", handle: () => jsonAnswer([]) },
  { name: "GET /templates/{template}", handle: template },
];
