/**
 * What `ssh` begins while the deployment is being asked: a session in the SSH connection that the holder of a shared tunnel keeps, else
 * the agent's SSH port. Neither carries a byte of anybody's before the deployment has answered.
 */
import { ExpectedError } from "../../base/errors.ts";
import type { HeldSession } from "../../base/session.ts";
import type { ByteStream } from "../../base/stream.ts";
import type { AgentTunnel } from "../../base/tunnel.ts";
import { AGENT_SSH_PORT } from "../../tailnet/agent_ports.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import { Early, type EarlyStart } from "../ready/early.ts";
import type { Steps } from "../ready/steps.ts";

export interface EarlySshOptions {
  /** Whether a session of another's connection would do. */
  readonly mayShare: boolean;
  /** Called, perhaps twice, when there is none, while there is still time to load what one of our own needs. */
  readonly onOwn: () => void;
}

/** The other way is open already, or this one is not there. */
class NotNeeded extends ExpectedError {
  override name = "NotNeeded";
}

/**
 * Whether a session of `options` may run in an SSH connection that others use: it asks for nothing that belongs to the connection, or
 * that would reach it by another way than its own channel.
 */
export function mayShareSsh(options: SshOptions): boolean {
  const { forwardAgent, forwardGpg, stdio, stdioForward, noCommand, container, persist } = options;
  const { localForwards, dynamicForwards, remoteForwards, env } = options;
  const forwards = localForwards.length + dynamicForwards.length + remoteForwards.length;
  return !forwardAgent && !forwardGpg && !stdio && stdioForward === "" && !noCommand &&
    container === "" && persist === "" && !options.listPersistent && forwards === 0 &&
    env.length === 0 && options.keepaliveIntervalMs === 0;
}

export class EarlySsh implements EarlyStart, Disposable {
  readonly held: Early<HeldSession>;
  readonly port: Early<ByteStream>;
  readonly #onOwn: () => void;

  constructor({ host: { clock }, log, signal }: Steps, options: EarlySshOptions) {
    const { mayShare, onOwn } = options;
    this.#onOwn = onOwn;
    this.held = new Early({
      begin: async (tunnel, stop) => {
        const session = mayShare
          ? await tunnel.openHeldSession?.(stop) ?? "the tunnel is our own"
          : "the options do not allow it";
        if (typeof session !== "string") {
          log.debug("a session is offered");
          return session;
        }
        if (mayShare && tunnel.openHeldSession !== undefined) {
          log.info("no shared SSH connection", { problem: session });
        }
        throw new NotNeeded(session);
      },
      discard: (session) => session.abort(),
      clock,
      log,
      signal,
    });
    this.port = new Early({
      begin: async (tunnel, stop) => {
        if (await this.held.came) throw new NotNeeded("there is a session");
        onOwn();
        return await tunnel.openTcp(AGENT_SSH_PORT, stop);
      },
      discard: (stream) => stream.abort("Nobody is let in as things are"),
      clock,
      log,
      signal,
    });
  }

  begin(tunnel: AgentTunnel): void {
    this.held.begin(tunnel);
    this.port.begin(tunnel);
  }

  beginLater(): void {
    this.#onOwn();
  }

  giveUp(): void {
    this.held.giveUp();
    this.port.giveUp();
  }

  async close(): Promise<void> {
    await Promise.all([this.held.close(), this.port.close()]);
  }

  [Symbol.dispose](): void {
    this.giveUp();
  }
}
