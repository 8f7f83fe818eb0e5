/** A program in the workspace, as terminals see it, however it is reached: `lib/ssh/session.ts` runs one in an SSH connection of our own. */

/** Of the terminal that a program is given. */
export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

export interface SessionRequest {
  /** The command line for the user's shell there. @default a login shell */
  readonly command?: string;
  /** @default no terminal: stderr stays separate and the end of input reaches the program */
  readonly pty?: { readonly term: string; readonly size: WindowSize };
  /** Variables, in order. */
  readonly env?: readonly (readonly [name: string, value: string])[];
  /** Needs `dialAgent` of the connection. @default false */
  readonly forwardAgent?: boolean;
}

/** How a session ended. */
export type SessionEnd =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "signal"; readonly name: string }
  /** The connection went away, or the channel closed without a word. */
  | { readonly kind: "lost"; readonly message: string }
  /** We gave the session up. */
  | { readonly kind: "aborted" };

/** What a terminal needs of what runs in the workspace. */
export interface RemoteSession {
  /** Resolves once it is over and its output was read, or the way to it is gone; never rejects. */
  readonly ended: Promise<SessionEnd>;
  /** As `ByteStream.read`; the end comes as `null` however it came. */
  readStdout(into: Uint8Array): Promise<number | null>;
  readStderr(into: Uint8Array): Promise<number | null>;
  /** Rejects with `StreamError` when the session is over. */
  write(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: WindowSize): void;
  /** `name` without `SIG`. */
  signal(name: string): void;
  sendBreak(): void;
  /** Gives it up at once. Idempotent. */
  abort(): void;
}

/** A session in which nothing runs yet, in an SSH connection that other runs of this program use as well. */
export interface HeldSession {
  /** Of the server at its other end, which proved to have it: the blob of RFC 4253 §6.6. Nobody has judged it yet. */
  readonly hostKey: Uint8Array;
  /** Resolves once there is nothing left of it; never rejects. */
  readonly closed: Promise<void>;
  /**
   * Begins the shell or command. `undefined`: nothing was begun and nothing will be, ask elsewhere. Rejects with `UserError` when the
   * workspace refuses, or when nobody can tell any more whether it was begun.
   */
  start(request: SessionRequest): Promise<RemoteSession | undefined>;
  /** Gives it up at once. Idempotent. */
  abort(): void;
}
