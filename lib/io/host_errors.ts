/** The platform's errors of files, programs, standard streams and local sockets in words for people; those of the network: `dial_errors.ts`. */
import { messageOf } from "../base/errors.ts";
import { HostError, type HostErrorCode } from "../base/host.ts";
import { cutBefore } from "../base/trim.ts";

/** The `HostError` for a failure of `what`, e.g. `open /tmp/x`. */
export function toHostError(what: string, error: unknown): HostError {
  if (error instanceof HostError) return error;
  const [code, words] = failureOf(error);
  return new HostError(code, `${what}: ${words}`, error);
}

/** Why a call of the platform failed, as the system's own tools say it. */
export function reasonOf(error: unknown): string {
  return failureOf(error)[1];
}

/** The one dictionary of what files, programs, streams and sockets of this machine fail of. */
function failureOf(error: unknown): [HostErrorCode, string] {
  const text = messageOf(error);
  if (error instanceof Deno.errors.NotFound) return ["not-found", "no such file or directory"];
  if (error instanceof Deno.errors.AlreadyExists) return ["exists", "file exists"];
  if (error instanceof Deno.errors.BrokenPipe) return ["broken-pipe", "broken pipe"];
  // A standard stream that is a socket.
  if (error instanceof Deno.errors.ConnectionReset) {
    return ["broken-pipe", "connection reset by peer"];
  }
  if (error instanceof Deno.errors.ConnectionRefused) return ["other", "connection refused"];
  if (error instanceof Deno.errors.AddrInUse) return ["other", "address already in use"];
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return ["other", "cannot assign requested address"];
  }
  if (error instanceof Deno.errors.NotCapable) {
    return ["not-permitted", `not permitted: ${cutBefore(text, ", run again")}`];
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return ["permission-denied", "permission denied"];
  }
  if (/EROFS|os error 30\b|Read-only file system/i.test(text)) {
    return ["read-only", "read-only file system"];
  }
  if (/ENOSPC|os error 28\b|No space left/i.test(text)) {
    return ["no-space", "no space left on device"];
  }
  const words = text.includes(" (os error ") ? cutBefore(text, " (os error ") : undefined;
  return ["other", words?.toLowerCase() ?? text];
}
