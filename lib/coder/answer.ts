/**
 * From an HTTP answer to text, JSON, or the error it stands for (docs/protocol/api.md#errors). Bodies are bounded.
 */
import * as v from "valibot";
import { concatBytes } from "../base/bytes.ts";
import { UserError } from "../base/errors.ts";
import { ApiError, type ApiValidation, notCoderError } from "./errors.ts";
import { MAX_JSON_ELEMENTS, parseJson } from "./json.ts";
import { goQuote, stripToLine } from "./text.ts";
import type { HttpHeaders, HttpResponse } from "../base/http.ts";

/** What was asked, for messages. */
export interface Asked {
  readonly method: string;
  readonly url: URL;
}

/** The first value of a header, by its lower-case name. */
export function header(headers: HttpHeaders, name: string): string | undefined {
  return headers.find(([other]) => other.toLowerCase() === name)?.[1];
}

/** All values of a header, by its lower-case name. */
export function headerAll(headers: HttpHeaders, name: string): string[] {
  return headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
}

export const BUILD_VERSION_HEADER = "x-coder-build-version";

/** Reads the whole body as UTF-8. Throws `UserError` when it is longer than `maxBytes`. */
export async function readBody(
  response: HttpResponse,
  options: Asked & { readonly maxBytes: number },
): Promise<string> {
  const { maxBytes, method, url } = options;
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  for await (const chunk of response.body) {
    lengthBytes += chunk.length;
    if (lengthBytes > maxBytes) {
      response.cancel();
      throw new UserError(
        `Cannot read the answer to ${method} ${url}: it is longer than ${maxBytes} bytes`,
        { hint: "Check that the URL is that of a Coder deployment" },
      );
    }
    chunks.push(chunk);
  }
  return new TextDecoder().decode(concatBytes(...chunks));
}

const ERROR_BODY = v.object({
  message: v.nullish(v.string(), ""),
  detail: v.nullish(v.string(), ""),
  validations: v.nullish(
    v.array(v.object({ field: v.nullish(v.string(), ""), detail: v.nullish(v.string(), "") })),
    [],
  ),
});

const MAX_PAGE_DETAIL_CHARS = 2048;
const MAX_JSON_DETAIL_CHARS = 1024;
const MAX_VALIDATIONS = 32;

/** The error that an answer with an error status stands for. */
export function errorOfAnswer(asked: Asked, response: HttpResponse, body: string): Error {
  const { status } = response;
  const words = wordsOf(status, header(response.headers, "content-type"), body);
  const error = new ApiError({
    status,
    method: asked.method,
    url: asked.url.href,
    apiMessage: words.message,
    detail: words.detail,
    validations: words.validations,
    ...(status === 401 ? { helper: "Try logging in using 'hawser login'." } : {}),
    ...retryAfter(response),
  });
  // The words of Go's server and of nginx.
  if (status === 400 && /HTTP request (to an HTTPS server|was sent to HTTPS port)/.test(body)) {
    return new UserError(`${asked.url.origin} speaks TLS, and was asked without it`, {
      hint: `Use https://${asked.url.host}`,
      cause: error,
    });
  }
  // A page without Coder's header and no gateway's trouble: somebody else answers.
  if (!words.isJson && status < 500 && status !== 429 && !isFromCoder(response)) {
    const type = header(response.headers, "content-type") ?? "nothing";
    return notCoderError(
      asked.url.origin,
      `status ${status} with ${goQuote(stripToLine(type))}`,
      error,
    );
  }
  return error;
}

function isFromCoder(response: HttpResponse): boolean {
  return header(response.headers, BUILD_VERSION_HEADER) !== undefined;
}

function retryAfter(response: HttpResponse): { retryAfterMs?: number } {
  const seconds = Number(header(response.headers, "retry-after") ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1_000 } : {};
}

interface ErrorWords {
  readonly message: string;
  readonly detail: string;
  readonly validations: readonly ApiValidation[];
  readonly isJson: boolean;
}

function wordsOf(status: number, contentType: string | undefined, body: string): ErrorWords {
  const bare = { validations: [], isJson: false };
  if (!isJsonType(contentType)) {
    const shown = body.length > MAX_PAGE_DETAIL_CHARS
      ? body.slice(0, MAX_PAGE_DETAIL_CHARS) + "..."
      : body;
    return {
      ...bare,
      message: `unexpected non-JSON response ${goQuote(contentType ?? "")}`,
      detail: shown === "" ? "no response body" : shown,
    };
  }
  if (body.trim() === "") {
    return { ...bare, isJson: true, message: "empty response body", detail: "" };
  }
  const parsed = v.safeParse(ERROR_BODY, jsonOrNothing(body));
  if (!parsed.success || parsed.output.message === "") {
    const shown = body.length > MAX_JSON_DETAIL_CHARS
      ? body.slice(0, MAX_JSON_DETAIL_CHARS) + "..."
      : body;
    return {
      ...bare,
      isJson: true,
      message: `unexpected status code ${status}, response has no message`,
      detail: shown,
    };
  }
  const { message, detail, validations } = parsed.output;
  return {
    isJson: true,
    message: message.slice(0, MAX_PAGE_DETAIL_CHARS),
    detail: detail.slice(0, MAX_PAGE_DETAIL_CHARS),
    validations: validations.slice(0, MAX_VALIDATIONS).map((validation) => ({
      field: validation.field.slice(0, MAX_JSON_DETAIL_CHARS),
      detail: validation.detail.slice(0, MAX_JSON_DETAIL_CHARS),
    })),
  };
}

function isJsonType(contentType: string | undefined): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType ?? "");
}

function jsonOrNothing(text: string): unknown {
  const parsed = parseJson(text);
  return parsed.kind === "json" ? parsed.json : undefined;
}

/**
 * The body of a good answer, checked. Throws `UserError` when it is no JSON or a field that we need is missing:
 * the message has the path to it.
 */
export function parseAnswer<Schema extends v.GenericSchema>(
  schema: Schema,
  asked: Asked,
  answer: { readonly response: HttpResponse; readonly body: string },
): v.InferOutput<Schema> {
  const { response, body } = answer;
  const parsed = parseJson(body);
  if (parsed.kind === "tooMany") {
    throw new UserError(
      `Cannot read the answer to ${asked.method} ${asked.url}: it has more than ` +
        `${MAX_JSON_ELEMENTS} elements`,
      { hint: "Check that the URL is that of a Coder deployment" },
    );
  }
  if (parsed.kind === "notJson") {
    const type = header(response.headers, "content-type") ?? "nothing";
    if (!isFromCoder(response)) {
      throw notCoderError(asked.url.origin, `expected JSON, got ${goQuote(stripToLine(type))}`);
    }
    throw new UserError(`Cannot read the answer to ${asked.method} ${asked.url}: it is not JSON`, {
      hint: "Is something between this machine and the deployment changing its answers?",
    });
  }
  return checkJson(schema, parsed.json, `the answer to ${asked.method} ${asked.url}`);
}

/** `json` as the schema wants it. Throws `UserError` that names `what` and the path of the first problem. */
export function checkJson<Schema extends v.GenericSchema>(
  schema: Schema,
  json: unknown,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? "the whole";
  const problem = issue.received === "undefined"
    ? "is missing"
    : `should be ${issue.expected ?? issue.message}, is ${
      stripToLine(issue.received).slice(0, 80)
    }`;
  throw new UserError(
    `Cannot use ${what}: ${stripToLine(path)} ${problem}`,
    { hint: "The server may be older or newer than hawser knows, or no Coder deployment at all" },
  );
}
