/** How far a tunnel is and why there is none, in sentences for people. */
import { UserError } from "../../base/errors.ts";
import { TunnelError, type TunnelStatus } from "../../base/tunnel.ts";

/** What is waited for, as the end of a sentence. */
export function waitWords(status: TunnelStatus): string {
  switch (status.step) {
    case "reachable":
      return "nothing";
    case "relay":
      return status.relay === undefined
        ? "the nearest relay"
        : `the relay "${status.relay}"${because(status.lastFailure)}`;
    case "coordinator":
      return `the deployment's network coordinator${because(status.lastFailure)}`;
    case "agent":
      return "the workspace agent to join the network";
    case "ready":
      return "the workspace agent to accept our network key";
    case "handshake":
      return `the workspace agent to answer over "${status.relay}"`;
  }
}

function because(reason: string | undefined): string {
  return reason === undefined ? "" : ` (${reason})`;
}

/** What failed and what to do about it, if that is known; else the error as it is. */
export function tunnelFailure(error: unknown): unknown {
  if (!(error instanceof TunnelError)) return error;
  const hint = hintOf(error.failure);
  return new UserError(error.message, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function hintOf(failure: TunnelError["failure"]): string | undefined {
  switch (failure.kind) {
    case "closed":
      return undefined;
    case "noRelay":
      return "Ask the deployment's administrator to enable the built-in DERP relay";
    case "relayUnreachable":
      // Something answers there, and the websocket was tried as well.
      return /^(answered status|accepts connections)/.test(failure.reason)
        ? "Check that a proxy or load balancer before it passes websockets on, and Upgrade: DERP if it can"
        : "Check that this machine may connect to it: firewall, proxy (HTTPS_PROXY), TLS settings";
    case "agentSilent":
      return "Check the workspace's network, or restart the workspace";
    case "coordinatorUnreachable":
      return "Check that websockets pass between this machine and the deployment";
    case "coordinatorRefused":
      return failure.status === 401
        ? "Try logging in using 'hawser login'."
        : "Check your access to the workspace; --verbose shows every step";
  }
}
