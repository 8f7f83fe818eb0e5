/** Logs and the state of a workspace as they change: plain, over websockets, and as server-sent events (docs/protocol/api.md#streams). */
import { failureAnswer, type HttpAnswer, jsonAnswer, textAnswer } from "../http/messages.ts";
import type { LogBook, LogLine } from "../model/log_book.ts";
import { WebsocketPeer } from "../net/websocket_peer.ts";
import type { Call } from "./deployment.ts";
import { Refusal } from "./deployment.ts";
import type { Json } from "./object_parts.ts";

export interface FollowOptions {
  readonly book: LogBook;
  readonly toJson: (line: LogLine) => Json;
  /** Each message is an array of lines, the first one the backlog; else each is a line. */
  readonly inBatches: boolean;
}

/** Builds' and agents' logs, whichever way they are asked for. */
export function answerLogs(call: Call, options: FollowOptions): HttpAnswer {
  const { request, deployment } = call;
  const after = afterOf(call, options);
  const format = request.query.get("format") ?? "json";
  if (format !== "json" && format !== "text") {
    return failureAnswer(400, "Invalid format parameter.", {
      detail: 'Allowed values are "json" and "text".',
    });
  }
  const { book, toJson, inBatches } = options;
  if (!request.query.has("follow")) {
    const lines = book.after(after);
    return format === "text"
      ? textAnswer(200, lines.map((line) => line.output + "\n").join(""))
      : jsonAnswer(lines.map(toJson));
  }
  return websocketAnswer(call, async (upgraded) => {
    const peer = new WebsocketPeer(upgraded, {
      random: deployment.host.random,
      onMessage: () => {},
    });
    let last = after;
    let isFirst = true;
    const send = () => {
      const lines = book.after(last);
      last = lines.at(-1)?.id ?? last;
      if (inBatches && (isFirst || lines.length > 0)) peer.sendJson(lines.map(toJson));
      else if (!inBatches) { for (const line of lines) peer.sendJson(toJson(line)); }
      isFirst = false;
      if (book.isEnded) peer.close(1000, inBatches ? "" : "done");
    };
    const remove = book.changes.add(send);
    send();
    await peer.ended;
    remove();
  });
}

function afterOf(call: Call, { inBatches }: FollowOptions): number {
  const text = call.request.query.get("after") ?? "0";
  if (/^\d+$/.test(text)) return Number(text);
  const message = inBatches
    ? 'Query param "after" must be an integer greater than or equal to zero.'
    : 'Query param "after" must be an integer.';
  const detail = inBatches
    ? "Must be an integer greater than or equal to zero"
    : "Must be an integer";
  throw new Refusal(failureAnswer(400, message, { validations: [{ field: "after", detail }] }));
}

/** The answer that makes a websocket of the request, or what the real server says when it is none. */
export function websocketAnswer(
  { request }: Call,
  run: Extract<HttpAnswer, { kind: "upgrade" }>["run"],
  protocol?: string,
): HttpAnswer {
  if (request.upgrade !== "websocket") {
    const problem = `WebSocket protocol violation: Connection header "${
      request.headers.get("connection") ?? ""
    }" does not contain Upgrade`;
    return textAnswer(426, problem + "\n");
  }
  return { kind: "upgrade", headers: [], run, ...(protocol === undefined ? {} : { protocol }) };
}
