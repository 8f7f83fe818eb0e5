/** One SSH connection that many processes share (OpenSSH's ControlMaster), and what is asked of it while it runs. */
import { match } from "node:assert/strict";
import type { Desk } from "./desk.ts";
import type { Process } from "./process.ts";

export class Master implements AsyncDisposable {
  readonly #desk: Desk;
  readonly #path: string;
  readonly #process: Process;

  private constructor(desk: Desk, path: string, process: Process) {
    this.#desk = desk;
    this.#path = path;
    this.#process = process;
  }

  static async open(desk: Desk, flags: readonly string[] = []): Promise<Master> {
    const path = desk.local("m");
    const args = ["-M", "-S", path, ...flags, "workspace", "echo up; cat"];
    const process = desk.startSsh(args, { limitMs: 120_000 });
    await process.stdout.until(/up\n/);
    return new Master(desk, path, process);
  }

  /** A channel of its own on the connection. `-o ProxyCommand=false`: never a connection of its own. */
  start(command: string): Process {
    return this.#desk.startSsh([
      ...["-S", this.#path, "-o", "ProxyCommand=false", "workspace", command],
    ], { limitMs: 90_000 });
  }

  /** Adds a forward. For a remote port of 0: the port that it got. */
  async forward(...flags: readonly string[]): Promise<number> {
    const exit = await this.#desk.must([
      ...["ssh", "-F", this.#desk.configPath, "-S", this.#path, "-O", "forward", ...flags],
      "workspace",
    ]);
    return Number(exit.stdout.trim());
  }

  async cancel(...flags: readonly string[]): Promise<void> {
    await this.#desk.must([
      ...["ssh", "-F", this.#desk.configPath, "-S", this.#path, "-O", "cancel", ...flags],
      "workspace",
    ]);
  }

  /** Ends the connection as a user does; what it said on standard error. */
  async close(): Promise<string> {
    await this.#process.closeInput();
    const exit = await this.#process.exit();
    match(`${exit.code}`, /^0$/, exit.stderr);
    return exit.stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
