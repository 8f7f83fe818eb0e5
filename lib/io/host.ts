/** The real host: this machine behind the `Host` interface that commands are handed. */
import { isDefect } from "../base/errors.ts";
import { concatBytes } from "../base/bytes.ts";
import {
  type FileEntry,
  type FileStat,
  type Host,
  type HostCredentials,
  HostError,
  type HostFile,
  type HostFiles,
  type RunOptions,
  type RunResult,
  type SignalName,
} from "../base/host.ts";
import { SystemClock } from "./clock.ts";
import { maySystemEnv, systemEnv as env } from "./env.ts";
import { toHostError } from "./host_errors.ts";
import { systemNetwork } from "./host_network.ts";
import { suspendProcess } from "./job_control.ts";
import { tryLockFile } from "./lock_file.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import { leaveRawMode, type TerminalMode, terminalSize } from "./raw_mode.ts";
import { replaceFile, replaceTextFile } from "./replace_file.ts";
import { type StandardOutput, standardStreams } from "./std_streams.ts";

const DEFAULT_MAX_OUTPUT_BYTES = 8 * 1_024 * 1_024;
const RESIZE_POLL_MS = 1_000;
const TERMINAL_FLUSH_MS = 1_000;
const GO_ARCH: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** The machine that the program runs on. */
export function createHost(): Host {
  const os: string = Deno.build.os;
  const terminal: TerminalMode = { isRaw: false };
  const { stdin, stdout, stderr } = standardStreams(terminal);
  return {
    stdin,
    stdout,
    stderr,
    flush: () => flushAll([stdout, stderr]),
    files: SYSTEM_FILES,
    fileTree: async () => (await import("./local_files.ts")).LOCAL_TREE,
    clock: new SystemClock(),
    random: SYSTEM_RANDOM,
    os,
    arch: GO_ARCH[Deno.build.arch] ?? Deno.build.arch,
    runtimeVersion: Deno.version.deno,
    pid: Deno.pid,
    get parentPid() {
      return Deno.ppid;
    },
    homeDir: env("HOME") || env("USERPROFILE") || undefined,
    tempDir: tempDir(os),
    env,
    mayReadEnv: maySystemEnv,
    ...systemNetwork(env),
    program: async () => (await import("./program.ts")).programWords(),
    run,
    exit(code) {
      leaveRawMode(terminal);
      Deno.exit(code);
    },
    onSignal,
    ...(os === "windows" ? { credentials: CREDENTIALS } : {}),
    ...(suspendProcess === undefined ? {} : { suspend: suspendProcess }),
  };
}

const loadCredentials = async () => (await import("./windows_credentials.ts")).WINDOWS_CREDENTIALS;

const CREDENTIALS: HostCredentials = {
  read: async (name) => await (await loadCredentials()).read(name),
  write: async (name, blob) => await (await loadCredentials()).write(name, blob),
  remove: async (name) => await (await loadCredentials()).remove(name),
};

/** A terminal that somebody stopped (XOFF) is not waited for without end; other readers may take their time. */
async function flushAll(outputs: readonly StandardOutput[]): Promise<void> {
  await Promise.all(outputs.map(async (output) => {
    if (!output.isTerminal) return await output.flush();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, TERMINAL_FLUSH_MS);
    await Promise.race([output.flush(), late]);
    clearTimeout(timer);
  }));
}

function tempDir(os: string): string {
  if (os === "windows") {
    return env("TMP") ?? env("TEMP") ?? env("USERPROFILE") ?? "C:\\Windows\\Temp";
  }
  return env("TMPDIR") || "/tmp";
}

const SYSTEM_FILES: HostFiles = {
  async readText(path) {
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw toHostError(`open ${path}`, error);
    }
  },
  async readBytes(path, { maxBytes }) {
    try {
      const info = await Deno.stat(path);
      // A pipe that nobody writes to would be read for ever.
      if (info.isDirectory) throw new HostError("other", `read ${path}: is a directory`);
      if (!info.isFile) throw new HostError("other", `read ${path}: is no regular file`);
      if (info.size > maxBytes) {
        throw new HostError("other", `read ${path}: ${info.size} bytes exceed ${maxBytes}`);
      }
      return await Deno.readFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw toHostError(`open ${path}`, error);
    }
  },
  async replaceBytes(path, bytes, options = {}) {
    const { mode = 0o600, followsLinks = true } = options;
    try {
      await replaceFile(path, bytes, { mode, followsLinks });
    } catch (error) {
      throw toHostError(`write ${path}`, error);
    }
  },
  async writeText(path, text, options = {}) {
    const { mode = 0o600, append = false, atomic = false } = options;
    try {
      if (atomic) await replaceTextFile(path, text, { mode });
      else if (append) await appendText(path, text, { mode });
      else await Deno.writeTextFile(path, text, { mode });
    } catch (error) {
      throw toHostError(`write ${path}`, error);
    }
  },
  async mkdir(path, options = {}) {
    try {
      await Deno.mkdir(path, { recursive: true, mode: options.mode ?? 0o700 });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      throw toHostError(`mkdir ${path}`, error);
    }
  },
  async stat(path) {
    try {
      const info = await Deno.stat(path);
      const kind: FileStat["kind"] = info.isFile
        ? "file"
        : info.isDirectory
        ? "directory"
        : "other";
      return {
        kind,
        sizeBytes: info.size,
        ...(info.mode === null ? {} : { mode: info.mode & 0o7777 }),
      };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw toHostError(`stat ${path}`, error);
    }
  },
  async realPath(path) {
    try {
      return await Deno.realPath(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw toHostError(`stat ${path}`, error);
    }
  },
  async list(path) {
    try {
      const entries: FileEntry[] = [];
      for await (const { name, isFile, isDirectory, isSymlink } of Deno.readDir(path)) {
        const kind = isSymlink ? "link" : isDirectory ? "directory" : isFile ? "file" : "other";
        entries.push({ name, kind });
      }
      return entries;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw toHostError(`open ${path}`, error);
    }
  },
  async rename(from, to) {
    try {
      await Deno.rename(from, to);
    } catch (error) {
      throw toHostError(`rename ${from}`, error);
    }
  },
  async remove(path) {
    try {
      await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw toHostError(`remove ${path}`, error);
    }
  },
  async createExclusive(path, options = {}) {
    try {
      const file = await Deno.open(path, {
        createNew: true,
        append: true,
        mode: options.mode ?? 0o600,
      });
      return appendingFile(file);
    } catch (error) {
      throw toHostError(`open ${path}`, error);
    }
  },
  tryLock: tryLockFile,
};

/** `mode` is for a file that is made: Deno's own `writeTextFile` would change that of one that is there. */
async function appendText(
  path: string,
  text: string,
  { mode }: { readonly mode: number },
): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true, mode });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

function appendingFile(file: Deno.FsFile): HostFile {
  const encoder = new TextEncoder();
  let isOpen = true;
  return {
    print(text) {
      if (!isOpen) return;
      const bytes = encoder.encode(text);
      try {
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      } catch (error) {
        // A full disk must not end a session.
        if (isDefect(error)) throw error;
      }
    },
    close() {
      if (isOpen) file.close();
      isOpen = false;
      return Promise.resolve();
    },
  };
}

async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }).spawn();
  } catch (error) {
    throw toHostError(program, error);
  }
  const feeding = options.stdin === undefined
    ? Promise.resolve()
    : feed(child.stdin, options.stdin);
  const [stdout, stderr, status] = await Promise.all([
    collect(child.stdout, limit),
    collect(child.stderr, limit),
    child.status,
    feeding,
  ]);
  options.signal?.throwIfAborted();
  return { code: status.code, stdout, stderr };
}

async function feed(sink: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = sink.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch (error) {
    // The program ended before it read everything: its exit status tells the story.
    if (isDefect(error)) throw error;
  }
}

async function collect(source: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let kept = 0;
  for await (const part of source) {
    if (kept >= limit) continue;
    const taken = part.subarray(0, limit - kept);
    parts.push(taken);
    kept += taken.length;
  }
  return concatBytes(...parts);
}

function onSignal(name: SignalName, handler: () => void): () => void {
  if (Deno.build.os === "windows") {
    if (name === "SIGWINCH") return pollSize(handler);
    if (name !== "SIGINT") return () => {};
  }
  Deno.addSignalListener(name, handler);
  return () => Deno.removeSignalListener(name, handler);
}

/** Windows has no SIGWINCH: the size is looked at each second. */
function pollSize(handler: () => void): () => void {
  let last = "";
  const look = () => {
    const size = terminalSize(Deno.stdin) ?? terminalSize(Deno.stdout);
    const now = size === undefined ? "" : `${size.columns}x${size.rows}`;
    if (last !== "" && now !== last) handler();
    last = now;
  };
  look();
  const timer = setInterval(look, RESIZE_POLL_MS);
  return () => clearInterval(timer);
}
