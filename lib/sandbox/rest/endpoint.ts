/** Endpoints that talk on after an upgrade, and what a test orders of them instead of their work. */
import type { EndpointFault } from "../http/faults.ts";
import {
  emptyAnswer,
  failureAnswer,
  type HttpAnswer,
  type HttpRequest,
  textAnswer,
} from "../http/messages.ts";
import type { SandboxRelay } from "../net/relay.ts";

/** `answer` as it is, or as the fault spoils it. */
export function serveUpgrade(answer: HttpAnswer, fault: EndpointFault | undefined): HttpAnswer {
  if (fault === undefined || answer.kind !== "upgrade") return answer;
  switch (fault.kind) {
    case "mute":
      return { kind: "mute" };
    case "hangUp":
      return { kind: "hangUp" };
    case "refuse":
      return failureAnswer(fault.status, fault.message ?? "Refused by order of a test.");
    case "stop":
      return {
        ...answer,
        run: async (upgraded) => {
          const { conn } = upgraded;
          conn.stopAfter(fault.afterBytes, fault.then);
          // Nothing of the conversation has to come for it to break.
          if (fault.afterBytes === 0) await conn.write(new Uint8Array(1));
          await answer.run(upgraded);
        },
      };
  }
}

/** `/derp` and below (coder/tailscale `derp/derphttp/derphttp_server.go`; coderd `coderd.go`). */
export function answerRelay(
  request: HttpRequest,
  relay: SandboxRelay,
  client: { readonly isAgent: boolean; readonly fault: EndpointFault | undefined },
): HttpAnswer {
  const { isAgent, fault } = client;
  if (request.path === "/derp/latency-check") return emptyAnswer(200);
  if (request.upgrade === "invalid") return textAnswer(request.status, "Bad upgrade");
  if (request.upgrade === "none") return textAnswer(426, "DERP requires connection upgrade");
  const isWebsocket = request.upgrade === "websocket";
  if (isWebsocket && !request.protocols.includes("derp")) {
    return textAnswer(400, "the derp websocket subprotocol is missing");
  }
  const spares = fault?.kind === "refuse" && fault.onlyDerpUpgrade === true && isWebsocket;
  return serveUpgrade({
    kind: "upgrade",
    headers: isWebsocket ? [] : [["Derp-Version", "2"], ["Derp-Public-Key", relay.publicKeyHex]],
    ...(isWebsocket ? { protocol: "derp" } : {}),
    run: (upgraded) =>
      relay.serve(upgraded, { transport: isWebsocket ? "websocket" : "upgrade", isAgent }),
  }, spares ? undefined : fault);
}
