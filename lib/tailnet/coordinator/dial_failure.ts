/**
 * What a coordinate websocket that could not be opened means (coder/coder `coderd/workspaceagents.go`
 * `workspaceAgentClientCoordinate`, `codersdk/workspacesdk/dialer.go` `Dial`). Deviation: a 401 that is not about the
 * resume token is permanent on the first dial; upstream would ask again until its caller gives up.
 */

export type DisconnectReason =
  /** The server answered, but did not upgrade. */
  | { readonly kind: "refused"; readonly status: number; readonly body: Uint8Array }
  /** No answer: name resolution, TCP, TLS, a proxy. */
  | { readonly kind: "unreachable"; readonly message: string }
  /** The open websocket ended; `message` says how. */
  | { readonly kind: "closed"; readonly message: string };

export interface DialFailure {
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined;
  /** The server's own words, or what happened; one line without a full stop of ours. */
  readonly message: string;
  /** The server refused the resume token, and only that. */
  readonly isResumeTokenRefused: boolean;
  /** The server does not speak the version that was asked for. */
  readonly isVersionRefused: boolean;
  /** Asking again cannot help, provided this was the first dial. */
  readonly isPermanent: boolean;
}

const PERMANENT_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 409, 500]);
const MAX_TEXT = 300;

export function classifyDialFailure(reason: DisconnectReason): DialFailure {
  if (reason.kind !== "refused") {
    return {
      status: undefined,
      message: reason.message,
      isResumeTokenRefused: false,
      isVersionRefused: false,
      isPermanent: false,
    };
  }
  const { status } = reason;
  const body = new TextDecoder().decode(reason.body);
  const error = parseApiError(body);
  const isResumeTokenRefused = status === 401 && (error?.fields.has("resume_token") ?? false);
  // A 500 in Coder's own words is a decision; without them it is some proxy's trouble.
  const isVerdict = PERMANENT_STATUSES.has(status) && (status !== 500 || error !== undefined);
  return {
    status,
    message: error?.text ?? plainText(body) ?? `HTTP status ${status}`,
    isResumeTokenRefused,
    isVersionRefused: status === 400 && (error?.fields.has("version") ?? false),
    isPermanent: isVerdict && !isResumeTokenRefused,
  };
}

interface ApiError {
  readonly text: string;
  readonly fields: ReadonlySet<string>;
}

/** `{message, detail?, validations?: [{field, detail}]}` (codersdk/client.go `Response`). */
function parseApiError(body: string): ApiError | undefined {
  const parsed = parseJson(body);
  if (!isRecord(parsed) || typeof parsed["message"] !== "string") return undefined;
  const details = [parsed["message"]];
  if (typeof parsed["detail"] === "string" && parsed["detail"] !== "") {
    details.push(parsed["detail"]);
  }
  const fields = new Set<string>();
  const validations = Array.isArray(parsed["validations"]) ? parsed["validations"] : [];
  for (const validation of validations) {
    if (!isRecord(validation) || typeof validation["field"] !== "string") continue;
    fields.add(validation["field"]);
    if (typeof validation["detail"] === "string") details.push(validation["detail"]);
  }
  return { text: details.join(": ").slice(0, MAX_TEXT), fields };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // a proxy's page
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function plainText(body: string): string | undefined {
  const line = body.trim().split("\n", 1)[0]?.trim() ?? "";
  return line === "" || line.startsWith("<") ? undefined : line.slice(0, MAX_TEXT);
}
