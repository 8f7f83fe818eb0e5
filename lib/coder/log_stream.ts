/**
 * Lines of build logs and of agents' start-up logs (docs/protocol/api.md#build-logs, #agent-logs). Their text comes from inside a workspace or a
 * provisioner: what a terminal would obey has its effect here, within the line, or none.
 */
import * as v from "valibot";
import { ProtocolError } from "../base/errors.ts";
import { trimEnd } from "../base/trim.ts";
import { MAX_JSON_ELEMENTS, parseJson } from "./json.ts";
import { LOG_ID, TEXT, TIME } from "./model_parts.ts";
import { redrawn } from "./redrawn.ts";
import { stripControls } from "./text.ts";

/** One log element is refused beyond this many characters: the server itself cuts a whole log at 1 MiB. */
const MAX_OUTPUT_CHARS = 1_048_576;

const OUTPUT = v.pipe(
  v.nullish(v.string(), ""),
  v.transform((text) => trimEnd(redrawn(text.slice(0, MAX_OUTPUT_CHARS)), "\n")),
);

const STAGE = v.pipe(
  TEXT,
  v.transform((text) => stripControls(text.slice(0, 1_024)).replace(/\s+/g, " ").trim()),
);

const WIRE_BUILD_LOG = v.object({
  id: LOG_ID,
  created_at: TIME,
  log_level: TEXT,
  stage: STAGE,
  output: OUTPUT,
});

export interface BuildLog {
  /** Increasing within a job, not dense. */
  readonly id: number;
  readonly createdAtMs: number | undefined;
  /** `trace`, `debug`, `info`, `warn`, `error`, or a word of a newer server. */
  readonly level: string;
  readonly stage: string;
  readonly output: string;
}

export const BUILD_LOG = v.pipe(
  WIRE_BUILD_LOG,
  v.transform((wire): BuildLog => ({
    id: wire.id,
    createdAtMs: wire.created_at,
    level: wire.log_level,
    stage: wire.stage,
    output: wire.output,
  })),
);

const WIRE_AGENT_LOG = v.object({
  id: LOG_ID,
  created_at: TIME,
  level: TEXT,
  output: OUTPUT,
  source_id: TEXT,
});

export interface AgentLog {
  readonly id: number;
  readonly createdAtMs: number | undefined;
  readonly level: string;
  readonly output: string;
  /** Empty on servers before v2.2.0. */
  readonly sourceId: string;
}

export const AGENT_LOG = v.pipe(
  WIRE_AGENT_LOG,
  v.transform((wire): AgentLog => ({
    id: wire.id,
    createdAtMs: wire.created_at,
    level: wire.level,
    output: wire.output,
    sourceId: wire.source_id,
  })),
);

/** A stream of log messages said something else. Fatal for that stream, which is opened again. */
export class LogStreamError extends ProtocolError {
  override name = "LogStreamError";
}

/** The line that a message of `…/workspacebuilds/{id}/logs?follow` holds. Throws `LogStreamError`. */
export function parseBuildLog(message: string): BuildLog {
  return parse(BUILD_LOG, message, "build log");
}

/** The lines that a message of `…/workspaceagents/{id}/logs?follow` holds. Throws `LogStreamError`. */
export function parseAgentLogs(message: string): readonly AgentLog[] {
  return parse(v.nullish(v.array(AGENT_LOG), []), message, "agent log");
}

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  message: string,
  what: string,
): v.InferOutput<Schema> {
  const parsed = parseJson(message);
  if (parsed.kind !== "json") {
    const problem = parsed.kind === "notJson"
      ? "is not JSON"
      : `has more than ${MAX_JSON_ELEMENTS} elements`;
    throw new LogStreamError(`Cannot read ${what}: message ${problem}`, { code: parsed.kind });
  }
  const result = v.safeParse(schema, parsed.json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new LogStreamError(
    `Cannot read ${what}: ${v.getDotPath(issue) ?? "the message"} should be ${issue.expected}`,
    { code: "bad-shape", spec: "docs/protocol/api.md#streams" },
  );
}
