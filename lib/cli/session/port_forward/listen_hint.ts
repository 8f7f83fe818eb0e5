/** What to do where a port of this machine cannot be listened at. */

/** The words of `lib/io/host_errors.ts` and `local_datagrams.ts`, and what helps; `example` names another port. */
export function listenHint(why: string, example: string): string {
  if (why.includes("address already in use")) {
    return `Another program has the port: name another one, as in ${example}`;
  }
  if (why.includes("without --unstable-net")) {
    return "Deno listens for UDP only if told so: put --unstable-net behind 'deno run'";
  }
  if (why.includes("not permitted")) return "Deno may not listen there: start it with --allow-net";
  if (why.includes("permission denied")) {
    return `Ports below 1024 may be the administrator's alone: name another one, as in ${example}`;
  }
  if (why.includes("cannot assign requested address")) {
    return "This machine has no such address: 127.0.0.1 is for itself, 0.0.0.0 for all that reach it";
  }
  return `Name another port, as in ${example}`;
}
