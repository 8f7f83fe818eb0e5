/**
 * A session whose program is our script around a shell that outlives it. Its marks tell the end of that shell from the end of the
 * way to it: an agent that stops ends its sessions like programs that have ended.
 */
import type { TerminalSize } from "./host.ts";
import type { RemoteSession, SessionEnd } from "../base/session.ts";
import { type ShellMark, ShellMarks } from "./shell_marks.ts";

export type BeginMark = ShellMark & { readonly kind: "begin" };

export interface KeptShellOptions {
  /** Should be called once, before the first output: the mark with which the script begins, `undefined` when there is none. */
  readonly onBegin: (mark: BeginMark | undefined) => void;
  /** Whether an end without a word is that of the shell: there is no script that would have one. */
  readonly endsSilently: (begin: BeginMark | undefined) => boolean;
}

const READ_BYTES = 32 * 1024;
/** What a screen has to say once its last program has ended: that it does too, and what restores the terminal. */
const MAX_FAREWELL_BYTES = 512;

export class KeptShell implements RemoteSession {
  readonly ended: Promise<SessionEnd>;
  readonly #session: RemoteSession;
  readonly #options: KeptShellOptions;
  readonly #marks = new ShellMarks();
  readonly #buffer = new Uint8Array(READ_BYTES);
  #ready: Uint8Array[] = [];
  #isOver = false;
  #hasBegun = false;
  #beginMark: BeginMark | undefined;
  #end: (ShellMark & { readonly kind: "end" }) | undefined;
  /** Output behind the end. */
  #farewellBytes = 0;
  readonly #read = Promise.withResolvers<void>();

  constructor(session: RemoteSession, options: KeptShellOptions) {
    this.#session = session;
    this.#options = options;
    this.ended = session.ended.then(async (end) => {
      // Its last word may still be on its way to the reader.
      if (end.kind !== "aborted") await this.#read.promise;
      return this.#endOf(end);
    });
  }

  /** Whether the shell goes on without us, once we have ended. */
  get isLeft(): boolean {
    return this.#end?.isLeft ?? false;
  }

  async readStdout(into: Uint8Array): Promise<number | null> {
    while (this.#ready.length === 0) {
      if (this.#isOver) return null;
      const count = await this.#session.readStdout(this.#buffer);
      if (count === null) this.#finish();
      else this.#take(this.#buffer.subarray(0, count));
    }
    const [first = new Uint8Array(0)] = this.#ready;
    const part = first.subarray(0, into.length);
    into.set(part);
    if (part.length < first.length) this.#ready[0] = first.subarray(part.length);
    else this.#ready.shift();
    return part.length;
  }

  readStderr(into: Uint8Array): Promise<number | null> {
    return this.#session.readStderr(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#session.write(bytes);
  }

  closeStdin(): Promise<void> {
    return this.#session.closeStdin();
  }

  resize(size: TerminalSize): void {
    this.#session.resize(size);
  }

  signal(name: string): void {
    this.#session.signal(name);
  }

  sendBreak(): void {
    this.#session.sendBreak();
  }

  abort(): void {
    this.#session.abort();
    this.#read.resolve();
  }

  #take(bytes: Uint8Array): void {
    for (const part of this.#marks.handleOutput(bytes)) {
      if (part.kind === "output") this.#show(part.bytes);
      else if (part.mark.kind === "end") this.#mayEnd(part.mark);
      else this.#begin(part.mark);
    }
  }

  #show(bytes: Uint8Array): void {
    this.#begin(undefined);
    this.#farewellBytes += bytes.length;
    const isFarewell = this.#end?.byScreen === true && this.#farewellBytes <= MAX_FAREWELL_BYTES;
    if (!isFarewell) this.#end = undefined; // somebody else's
    this.#ready.push(bytes);
  }

  #mayEnd(mark: ShellMark & { readonly kind: "end" }): void {
    this.#end = mark;
    this.#farewellBytes = 0;
  }

  #begin(mark: BeginMark | undefined): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#beginMark = mark;
    this.#options.onBegin(mark);
  }

  #finish(): void {
    const rest = this.#marks.takeRest();
    if (rest.length > 0) this.#show(rest);
    this.#isOver = true;
    this.#read.resolve();
  }

  #endOf(end: SessionEnd): SessionEnd {
    if (this.#end !== undefined) return { kind: "exit", code: this.#end.status };
    const isLost = end.kind === "exit" && !this.#options.endsSilently(this.#beginMark);
    return isLost ? { kind: "lost", message: "The workspace agent ended the session" } : end;
  }
}
