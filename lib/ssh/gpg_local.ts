/**
 * GnuPG on this machine: its programs, and the way to its agent's socket or to what stands for it.
 */
import { ExpectedError, messageOf } from "../base/errors.ts";
import type { ByteStream } from "../base/stream.ts";
import { isRedirect, parseRedirect, parseSocketFile, socketGreeting } from "./gpg_socket_file.ts";
import { formatTarget, type LocalSockets, type LocalTarget } from "./host.ts";

const MAX_KEYRING_BYTES = 256 * 1024 * 1024;
/** As many as libassuan follows when it connects. */
const MAX_REDIRECTS = 2;
const NOTHING = new Uint8Array(0);

export interface GpgHost {
  /** As `Deno.build.os` names it. */
  readonly os: string;
  readonly sockets: LocalSockets;
  /** As `Host.run`. */
  readonly run: (
    program: string,
    args: readonly string[],
    options: { readonly maxOutputBytes: number },
  ) => Promise<{ readonly code: number; readonly stdout: Uint8Array; readonly stderr: Uint8Array }>;
  /** The bytes of a small file that stands for a socket; rejects with an `Error` for anything else. */
  readonly readSocketFile: (path: string) => Promise<Uint8Array>;
  /** The value of an environment variable; those files may name some. */
  readonly env: (name: string) => string | undefined;
  /** One line for the user, without its end. */
  readonly print: (line: string) => void;
}

/** GnuPG on this machine. */
export class LocalGpg {
  readonly #host: GpgHost;

  constructor(host: GpgHost) {
    this.#host = host;
  }

  gpg(...args: string[]): Promise<Uint8Array> {
    return this.#run("gpg", args);
  }

  /** The path of the extra socket, with an agent behind it: one that is not running is started. */
  async extraSocket(): Promise<string> {
    const [path] = await Promise.all([
      this.#run("gpgconf", ["--list-dir", "agent-extra-socket"]),
      this.#launch(),
    ]);
    const text = new TextDecoder().decode(path).trim();
    if (text === "") throw new ExpectedError("gpgconf --list-dir agent-extra-socket gives no path");
    return text;
  }

  async connect(path: string): Promise<ByteStream> {
    try {
      return await this.#dial(path);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      await this.#launch(); // the agent has ended since we looked
      return await this.#dial(path);
    }
  }

  /** Follows the files that stand for sockets elsewhere as far as GnuPG's own programs do. */
  async #dial(path: string): Promise<ByteStream> {
    let at = path;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const found = this.#host.os === "windows"
        ? await this.#dialFile(at)
        : await this.#dialSocket(at);
      if (found.kind === "stream") return found.stream;
      at = found.path;
    }
    throw new ExpectedError(
      `${path} leads to ${at}, by way of more than ${MAX_REDIRECTS} redirects`,
    );
  }

  /** A unix socket, or a file that says where it is: file systems without sockets have such. */
  async #dialSocket(path: string): Promise<Dialled> {
    const { sockets, readSocketFile } = this.#host;
    try {
      return { kind: "stream", stream: await sockets.connect({ kind: "unix", path }) };
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      // What is no small file is not it: then the first failure tells the story.
      const bytes = await readSocketFile(path).catch(() => NOTHING);
      if (!isRedirect(bytes)) throw error;
      return this.#redirected(path, bytes);
    }
  }

  async #dialFile(path: string): Promise<Dialled> {
    const bytes = await this.#host.readSocketFile(path);
    if (isRedirect(bytes)) return this.#redirected(path, bytes);
    const file = parsed(path, () => parseSocketFile(bytes));
    const target: LocalTarget = { kind: "tcp", host: "127.0.0.1", port: file.port };
    const stream = await this.#host.sockets.connect(target);
    try {
      for (const step of socketGreeting(file)) {
        await stream.write(step.send);
        await skip(stream, step.receiveBytes);
      }
      return { kind: "stream", stream };
    } catch (error) {
      stream.abort();
      throw new ExpectedError(
        `Write cookie to local connection: ${formatTarget(target)}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  #redirected(path: string, bytes: Uint8Array): Dialled {
    const { env } = this.#host;
    return { kind: "redirect", path: parsed(path, () => parseRedirect(bytes, env)) };
  }

  async #launch(): Promise<void> {
    await this.#run("gpgconf", ["--launch", "gpg-agent"]);
  }

  async #run(program: string, args: readonly string[]): Promise<Uint8Array> {
    const result = await this.#host.run(program, args, { maxOutputBytes: MAX_KEYRING_BYTES });
    const decoder = new TextDecoder();
    const command = [program, ...args].join(" ");
    if (result.code !== 0) {
      throw new ExpectedError(
        `\`${command}\` failed: stderr: ${decoder.decode(result.stderr).trim()}`,
      );
    }
    if (result.stdout.length >= MAX_KEYRING_BYTES) {
      throw new ExpectedError(`\`${command}\` gives more than ${MAX_KEYRING_BYTES} bytes`);
    }
    return result.stdout;
  }
}

type Dialled =
  | { readonly kind: "stream"; readonly stream: ByteStream }
  | { readonly kind: "redirect"; readonly path: string };

function parsed<Value>(path: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new ExpectedError(`parse gpg-agent-extra socket file "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function skip(stream: ByteStream, count: number): Promise<void> {
  const buffer = new Uint8Array(count);
  for (let read = 0; read < count;) {
    const more = await stream.read(buffer.subarray(read));
    if (more === null) throw new ExpectedError("the agent closed the connection");
    read += more;
  }
}
