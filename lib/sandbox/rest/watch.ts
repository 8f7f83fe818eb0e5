/** The state of a workspace at every change: server-sent events, and the same over a websocket (docs/protocol/api.md#workspace-watch). */
import type { BodySink, HttpAnswer } from "../http/messages.ts";
import type { SandboxWorkspace } from "../model/workspace.ts";
import { WebsocketPeer } from "../net/websocket_peer.ts";
import { type Call, findWorkspace, objectContextOf } from "./deployment.ts";
import { websocketAnswer } from "./follow.ts";
import { workspaceJson } from "./objects.ts";

/** As the real server. */
const PING_INTERVAL_MS = 15_000;
const ONE_WAY = "Clients cannot send messages for one-way WebSockets";
const PROTOCOL_ERROR = 1002;

export function watchBySse(call: Call): HttpAnswer {
  const workspace = findWorkspace(call);
  return {
    kind: "stream",
    status: 200,
    headers: [
      ["Content-Type", "text/event-stream"],
      ["Cache-Control", "no-cache"],
      ["X-Accel-Buffering", "no"],
    ],
    pump: (sink) => pumpEvents(sink, workspace, call),
  };
}

async function pumpEvents(sink: BodySink, workspace: SandboxWorkspace, call: Call): Promise<void> {
  const encoder = new TextEncoder();
  let writing: Promise<void> = Promise.resolve();
  const send = (frame: string) => {
    writing = writing.then(() => sink.write(encoder.encode(frame)));
  };
  const sendState = () =>
    send(`event: data\ndata: ${JSON.stringify(stateOf(workspace, call))}\n\n`);
  send("event: ping\n\n");
  sendState();
  const pinger = setInterval(() => send("event: ping\n\n"), PING_INTERVAL_MS);
  const remove = workspace.changes.add(sendState);
  await untilAborted(sink.signal);
  remove();
  clearInterval(pinger);
  await writing;
}

export function watchByWebsocket(call: Call): HttpAnswer {
  const workspace = findWorkspace(call);
  return websocketAnswer(call, async (upgraded) => {
    const peer = new WebsocketPeer(upgraded, {
      random: call.deployment.host.random,
      onMessage: () => {
        peer.close(PROTOCOL_ERROR, ONE_WAY);
      },
    });
    const sendState = () => peer.sendJson({ type: "data", data: stateOf(workspace, call) });
    peer.sendJson({ type: "ping", data: null });
    sendState();
    const remove = workspace.changes.add(sendState);
    await peer.ended;
    remove();
  });
}

function stateOf(workspace: SandboxWorkspace, call: Call) {
  return workspaceJson(workspace, objectContextOf(call.deployment));
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
