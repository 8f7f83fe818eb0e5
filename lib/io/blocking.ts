/**
 * Standard streams that somebody made non-blocking. The flag belongs to the open file that a terminal's or a pipe's programs
 * share, and Deno does not expect it: a read spins, and a write to standard output fails after it has kept some of the bytes, no
 * telling how many. So the flag is taken off before the first write. Deno has no call for that, its Node layer has:
 * `setBlocking` of the handle that `net.Socket` is made of (libuv `uv_stream_set_blocking`), for any kind of descriptor.
 */
import { isDefect } from "../base/errors.ts";

/** Of Node's pipe handles (nodejs/node `src/pipe_wrap.cc`, `src/stream_base.cc`) what is used here. */
interface PipeHandle {
  open(fd: number): number;
  setBlocking(isBlocking: boolean): number;
  unref(): void;
}

const BLOCKING = true;
const O_NONBLOCK = 0o4000;

/** Makes the descriptors blocking; the result does so again, for one microsecond each time. Neither throws for one that is closed. */
export async function makeBlocking(fds: readonly number[]): Promise<() => void> {
  if (Deno.build.os === "windows" || areKnownToBlock(fds)) return () => {};
  const { default: process } = await import("node:process");
  const handles = fds.map((fd) => openHandle(process, fd)).filter((handle) => handle !== undefined);
  const again = () => {
    for (const handle of handles) handle.setBlocking(BLOCKING);
  };
  again();
  return again;
}

/** Whether the system says so, which costs a fraction of what Node's layer does (Linux proc(5), `/proc/pid/fdinfo`). */
function areKnownToBlock(fds: readonly number[]): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    return fds.every((fd) => {
      const info = Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`);
      const flags = /^flags:\t([0-7]+)$/m.exec(info)?.[1];
      return flags !== undefined && (parseInt(flags, 8) & O_NONBLOCK) === 0;
    });
  } catch (error) {
    if (isDefect(error)) throw error;
    return false; // not permitted to look, or nothing there: made sure of the other way
  }
}

/** The handle closes its descriptor when it is dropped: whoever is given it keeps it. */
function openHandle(process: object, fd: number): PipeHandle | undefined {
  const binding: unknown = Reflect.get(process, "binding");
  if (typeof binding !== "function") return undefined;
  const { Pipe, constants }: PipeBinding = Reflect.apply(binding, process, ["pipe_wrap"]);
  const handle = new Pipe(constants.SOCKET);
  if (handle.open(fd) !== 0) return undefined;
  handle.unref();
  return handle;
}

interface PipeBinding {
  readonly Pipe: new (type: number) => PipeHandle;
  readonly constants: { readonly SOCKET: number };
}
