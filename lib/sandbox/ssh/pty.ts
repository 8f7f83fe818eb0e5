/**
 * A pseudo-terminal by FFI: `posix_openpt` for the master, `poll` on a thread of the pool for both directions, so that one
 * terminal holds one thread. The size is set by `stty`, which every unix has, since `ioctl` is variadic and FFI has no way
 * to call such functions on all machines. Linux is tested; macOS has the same calls with its own constants.
 * Not here: the terminal modes of a `pty-req`.
 */

export interface PtySize {
  readonly columns: number;
  readonly rows: number;
}

/** No terminal can be made here; the message says why. */
export class PtyUnavailableError extends Error {
  override name = "PtyUnavailableError";
}

const LIBRARY: Readonly<Record<string, string>> = {
  linux: "libc.so.6",
  darwin: "/usr/lib/libSystem.B.dylib",
};
/** O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC. Without the last, shells would hold each other's terminals open. */
const OPEN_FLAGS: Readonly<Record<string, number>> = {
  linux: 0o2 | 0o400 | 0o4000 | 0o2000000,
  darwin: 0x2 | 0x20000 | 0x4 | 0x1000000,
};
const POLLIN = 1;
const POLLOUT = 4;
const PATH_BYTES = 256;
const READ_BYTES = 32_768;
/** Offsets of a `pollfd`: fd i32, events i16, revents i16. */
const POLLFD_BYTES = 8;
const EVENTS_OFFSET = 4;
const REVENTS_OFFSET = 6;
const NO_TIMEOUT = -1;
/** What the last program wrote reaches us within this, even when somebody else holds the terminal open. */
const LAST_WORDS_MS = 50;
/** Each holds a thread of a pool of some 32. */
const MAX_PTYS = 12;
const LITTLE_ENDIAN = true;

const SYMBOLS = {
  posix_openpt: { parameters: ["i32"], result: "i32" },
  grantpt: { parameters: ["i32"], result: "i32" },
  unlockpt: { parameters: ["i32"], result: "i32" },
  ptsname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pipe: { parameters: ["buffer"], result: "i32" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

/** Makes terminals; one per agent, closed with it. */
export class PtyMaker implements Disposable {
  #libc: Libc | undefined;
  readonly #open = new Set<Pty>();

  /** Throws `PtyUnavailableError`. */
  open(): Pty {
    if (this.#open.size >= MAX_PTYS) {
      throw new PtyUnavailableError(`${MAX_PTYS} terminals are in use`);
    }
    this.#libc ??= openLibc();
    const pty = new Pty(this.#libc, () => this.#open.delete(pty));
    this.#open.add(pty);
    return pty;
  }

  /** All terminals must be over. */
  [Symbol.dispose](): void {
    this.#libc?.close();
    this.#libc = undefined;
  }
}

function openLibc(): Libc {
  const library = LIBRARY[Deno.build.os];
  if (library === undefined) {
    throw new PtyUnavailableError(
      `terminals are not available on ${Deno.build.os}; run a command instead`,
    );
  }
  try {
    return Deno.dlopen(library, SYMBOLS);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new PtyUnavailableError("terminals need the permission --allow-ffi");
    }
    if (!(error instanceof Error)) throw error;
    throw new PtyUnavailableError(`cannot load ${library}: ${error.message}`);
  }
}

export class Pty {
  /** The terminal's device, e.g. `/dev/pts/3`. */
  readonly path: string;
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<void>;
  readonly #libc: Libc["symbols"];
  readonly #master: number;
  readonly #wakeRead: number;
  readonly #wakeWrite: number;
  /** Two `pollfd`s: the master, and the pipe that wakes us. Held in a field: FFI keeps no buffer alive. */
  readonly #polled = new Uint8Array(2 * POLLFD_BYTES);
  readonly #view = new DataView(this.#polled.buffer);
  readonly #readBuffer = new Uint8Array(READ_BYTES);
  #reader: ((bytes: Uint8Array | null) => void) | undefined;
  #writer: { bytes: Uint8Array; readonly done: () => void } | undefined;
  #isFinishing = false;
  #isClosed = false;
  #isReleased = false;

  constructor(libc: Libc, onEnded: () => void) {
    this.#libc = libc.symbols;
    const { posix_openpt, grantpt, unlockpt, ptsname_r, pipe } = libc.symbols;
    this.#master = posix_openpt(OPEN_FLAGS[Deno.build.os] ?? 0);
    if (this.#master < 0) throw new PtyUnavailableError("the system has no free terminal");
    const name = new Uint8Array(PATH_BYTES);
    const ends = new Int32Array(2);
    const isMade = grantpt(this.#master) === 0 && unlockpt(this.#master) === 0 &&
      ptsname_r(this.#master, name, BigInt(name.length)) === 0 && pipe(ends) === 0;
    if (!isMade) {
      this.#libc.close(this.#master);
      throw new PtyUnavailableError("the system refuses to make a terminal");
    }
    this.path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
    this.#wakeRead = ends[0] ?? -1;
    this.#wakeWrite = ends[1] ?? -1;
    this.ended = this.#run().finally(onEnded);
  }

  /** What programs wrote, the caller's to keep; `null` at the end. One call at a time. */
  read(): Promise<Uint8Array | null> {
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#wake();
    });
  }

  /** Types `bytes`, borrowed until settled. One call at a time. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed || bytes.length === 0) return Promise.resolve();
    return new Promise((done) => {
      this.#writer = { bytes, done };
      this.#wake();
    });
  }

  /** The program is over: what it wrote can still be read, then comes the end, whoever else holds the terminal. */
  finish(): void {
    this.#isFinishing = true;
    this.#wake();
  }

  /** Hangs up: the kernel sends SIGHUP to the terminal's session. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const wants = (this.#reader === undefined ? 0 : POLLIN) |
        (this.#writer === undefined ? 0 : POLLOUT);
      // A negative fd is not looked at: a terminal that was hung up would else be reported over and over.
      this.#setPolled(0, wants === 0 ? -1 : this.#master, wants);
      this.#setPolled(1, this.#wakeRead, POLLIN);
      const isLast = this.#isFinishing && this.#reader !== undefined;
      const ready = await this.#libc.poll(this.#polled, 2n, isLast ? LAST_WORDS_MS : NO_TIMEOUT);
      if (this.#returned(1) !== 0) this.#libc.read(this.#wakeRead, this.#readBuffer, 64n);
      const happened = wants === 0 ? 0 : this.#returned(0);
      if ((happened & POLLOUT) !== 0) this.#writeSome();
      if ((happened & ~POLLOUT) !== 0) this.#readSome();
      else if (isLast && ready === 0) this.#deliver(null);
    }
    this.#deliver(null);
    this.#written();
    this.#isReleased = true;
    for (const fd of [this.#master, this.#wakeRead, this.#wakeWrite]) this.#libc.close(fd);
  }

  #setPolled(index: number, fd: number, events: number): void {
    const at = index * POLLFD_BYTES;
    this.#view.setInt32(at, fd, LITTLE_ENDIAN);
    this.#view.setInt16(at + EVENTS_OFFSET, events, LITTLE_ENDIAN);
    this.#view.setInt16(at + REVENTS_OFFSET, 0, LITTLE_ENDIAN);
  }

  #returned(index: number): number {
    return this.#view.getInt16(index * POLLFD_BYTES + REVENTS_OFFSET, LITTLE_ENDIAN);
  }

  #readSome(): void {
    if (this.#reader === undefined) {
      this.#written(); // hung up: what was typed reaches nobody
      return;
    }
    const size = BigInt(this.#readBuffer.length);
    const count = Number(this.#libc.read(this.#master, this.#readBuffer, size));
    // Linux reports EIO when the last program closed the terminal, macOS 0.
    this.#deliver(count > 0 ? this.#readBuffer.slice(0, count) : null);
  }

  #writeSome(): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    const bytes = new Uint8Array(writer.bytes);
    const count = Number(this.#libc.write(this.#master, bytes, BigInt(bytes.length)));
    writer.bytes = writer.bytes.subarray(Math.max(0, count));
    if (writer.bytes.length === 0) this.#written();
  }

  #written(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    writer?.done();
  }

  #deliver(bytes: Uint8Array | null): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(bytes);
  }

  #wake(): void {
    // Its number may be another file's by now.
    if (this.#isReleased) return;
    this.#libc.write(this.#wakeWrite, Uint8Array.of(1), 1n);
  }
}
