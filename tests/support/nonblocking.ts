/**
 * Becomes a program whose standard streams somebody made non-blocking, as CI runners and Node programs leave them:
 *   deno run --allow-ffi --allow-run nonblocking.ts pipe|socket FDS PROGRAM ARGS…
 * The flag belongs to the open file, so the program inherits it. With `socket` its standard output is a socket, whose other
 * end a process of its own copies to the output that there was. Linux.
 */
const O_NONBLOCK = 0o4000;
const F_GETFL = 3;
const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;
/** A pipe or socket with room for little is full soon. */
const ROOM_BYTES = 4_096;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const OUTPUT_FD = 1;
const COPY_BYTES = 65_536;

const libc = Deno.dlopen("libc.so.6", {
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
}).symbols;

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** Standard output becomes one end of a socket. */
function outputToSocket(): void {
  const ends = new Int32Array(2);
  libc.socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  const [theirs = -1, ours = -1] = ends;
  libc.setsockopt(ours, SOL_SOCKET, SO_SNDBUF, Int32Array.of(ROOM_BYTES), 4);
  new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-ffi",
      import.meta.url,
      "copy",
      String(theirs),
      String(ours),
    ],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  libc.close(theirs);
  libc.dup2(ours, OUTPUT_FD);
  libc.close(ours);
}

const [kind, ...rest] = Deno.args;
if (kind === "copy") {
  const [from = -1, unused = -1] = rest.map(Number);
  libc.close(unused);
  const buffer = new Uint8Array(COPY_BYTES);
  for (let count = 1; count > 0;) {
    count = Number(libc.read(from, buffer, BigInt(buffer.length)));
    for (let at = 0; at < count;) at += Deno.stdout.writeSync(buffer.subarray(at, count));
  }
} else {
  const [fds = "", ...argv] = rest;
  if (kind === "socket") outputToSocket();
  for (const fd of fds.split(",").map(Number)) {
    libc.fcntl(fd, F_SETPIPE_SZ, ROOM_BYTES); // refused by what is no pipe
    libc.fcntl(fd, F_SETFL, libc.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
  }
  const words = argv.map(cString);
  const pointers = words.map((word) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(word)));
  libc.execv(words[0] ?? cString(""), BigUint64Array.from([...pointers, 0n]));
  throw new Error(`cannot run ${argv[0]}`);
}
