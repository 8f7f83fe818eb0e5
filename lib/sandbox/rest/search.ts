/** `GET /workspaces?q=…`: the keys that a client of ours uses (docs/protocol/api.md#reading), others are refused as unknown ones are. */
import { failureAnswer, type HttpAnswer, jsonAnswer } from "../http/messages.ts";
import type { SandboxWorkspace } from "../model/workspace.ts";
import { type Call, objectContextOf, Refusal } from "./deployment.ts";
import { workspaceJson } from "./objects.ts";

type Filter = (workspace: SandboxWorkspace) => boolean;

export function searchWorkspaces(call: Call): HttpAnswer {
  const { deployment, request } = call;
  const filters = filtersOf(request.query.get("q") ?? "", call);
  const found = deployment.workspaces.filter((workspace) =>
    workspace.latestBuild.status !== "deleted" && filters.every((filter) => filter(workspace))
  );
  const offset = Number(request.query.get("offset") ?? 0);
  const limit = Number(request.query.get("limit") ?? 0);
  const shown = found.slice(offset, limit > 0 ? offset + limit : undefined);
  const around = objectContextOf(deployment);
  return jsonAnswer({
    workspaces: shown.map((workspace) => workspaceJson(workspace, around)),
    count: found.length,
  });
}

function filtersOf(query: string, { deployment }: Call): Filter[] {
  const unknown: string[] = [];
  const filters = splitTerms(query.toLowerCase()).map((term): Filter => {
    const [key = "", quoted] = term.split(/:(.*)/s);
    if (quoted === undefined) return bareFilter(term);
    const value = quoted.replace(/^"|"$/g, "");
    switch (key) {
      case "owner": {
        const name = value === "me" ? deployment.me.username.toLowerCase() : value;
        return ({ owner }) => owner.username.toLowerCase() === name;
      }
      case "name":
        return (workspace) => workspace.name.toLowerCase().includes(value);
      case "id":
        return ({ id }) => id === value;
      case "status":
        return ({ latestBuild }) => latestBuild.status === value;
      case "template":
        return ({ template }) => template.name === value;
      case "dormant":
        return ({ dormantAtMs }) => (dormantAtMs !== undefined) === (value === "true");
      case "outdated":
        return ({ isOutdated }) => isOutdated === (value === "true");
      default:
        unknown.push(key);
        return () => false;
    }
  });
  if (unknown.length === 0) return filters;
  throw new Refusal(failureAnswer(400, "Invalid workspace search query.", {
    validations: unknown.map((field) => ({
      field,
      detail: `"${field}" is not a valid query param`,
    })),
  }));
}

/** Splits at blanks outside quotation marks. */
function splitTerms(query: string): string[] {
  const terms: string[] = [];
  let term = "";
  let isQuoted = false;
  for (const char of query) {
    if (char === '"') isQuoted = !isQuoted;
    if (isQuoted || char.trim() !== "") {
      term += char;
      continue;
    }
    if (term !== "") terms.push(term);
    term = "";
  }
  return term === "" ? terms : [...terms, term];
}

/** `name`, or `owner/name`. */
function bareFilter(term: string): Filter {
  const [first = "", second] = term.split("/");
  return ({ name, owner }) =>
    second === undefined
      ? name.toLowerCase().includes(first)
      : owner.username.toLowerCase() === first && name.toLowerCase().includes(second);
}
