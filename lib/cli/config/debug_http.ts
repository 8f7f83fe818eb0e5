/**
 * `--debug-http`: every request and answer of the API on stderr, in the official command's form. Unlike there, secrets stay
 * secret: such pages end up in bug reports. Websockets show their head only.
 */
import type {
  ByteStreamResult,
  HttpHeaders,
  HttpRequest,
  HttpResponse,
  HttpTransport,
  TextStreamResult,
} from "../../base/http.ts";
import { stripControls, stripToLine } from "../../coder/text.ts";

/** What may be shown of what we send: any other header can come from `--header` and hold a secret. */
const SHOWN_REQUEST_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "content-type",
  "user-agent",
]);
const HIDDEN_ANSWER_HEADERS: ReadonlySet<string> = new Set(["set-cookie"]);

/** The same doors, with everything that passes told to `print`, a line each. */
export function debugHttp(transport: HttpTransport, print: (line: string) => void): HttpTransport {
  const sent = (line: string) => print(`http --> ${line}`);
  const got = (line: string) => print(`http <-- ${line}`);
  return {
    async fetch(request) {
      tellRequest(request, request.method, sent);
      if (request.body !== undefined) tellText(request.body, sent);
      return tellAnswer(await transport.fetch(request), got);
    },
    async openTextStream(request) {
      tellRequest(request, "GET", sent);
      return tellUpgrade(await transport.openTextStream(request), got);
    },
    async openByteStream(request) {
      tellRequest(request, "GET", sent);
      return tellUpgrade(await transport.openByteStream(request), got);
    },
  };
}

function tellUpgrade<Result extends TextStreamResult | ByteStreamResult>(
  result: Result,
  got: (line: string) => void,
): Result {
  if (result.kind === "refused") return { ...result, response: tellAnswer(result.response, got) };
  got("HTTP/1.1 101");
  return result;
}

function tellRequest(
  request: Pick<HttpRequest, "url" | "headers">,
  method: string,
  sent: (line: string) => void,
): void {
  const { host, pathname, search } = new URL(request.url);
  sent(`${method} ${pathname}${search} HTTP/1.1`);
  sent(`Host: ${host}`);
  tellHeaders(request.headers, (name) => SHOWN_REQUEST_HEADERS.has(name), sent);
}

function tellAnswer(response: HttpResponse, got: (line: string) => void): HttpResponse {
  got(`HTTP/1.1 ${response.status}`);
  tellHeaders(response.headers, (name) => !HIDDEN_ANSWER_HEADERS.has(name), got);
  return { ...response, body: tellBody(response.body, got), cancel: () => response.cancel() };
}

function tellHeaders(
  headers: HttpHeaders,
  isShown: (name: string) => boolean,
  tell: (line: string) => void,
): void {
  for (const [name, value] of headers) {
    tell(`${stripToLine(name)}: ${isShown(name.toLowerCase()) ? stripToLine(value) : "[hidden]"}`);
  }
  tell("");
}

async function* tellBody(
  body: AsyncIterable<Uint8Array>,
  got: (line: string) => void,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    tellText(decoder.decode(chunk, { stream: true }), got);
    yield chunk;
  }
}

function tellText(text: string, tell: (line: string) => void): void {
  for (const line of stripControls(text).split("\n")) tell(line);
}
