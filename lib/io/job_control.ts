/** Ctrl-Z for ourselves: stops this process as the terminal would, and comes back when the user's shell resumes it. */

/** How long to wait for a stop that does not come: an orphaned process group cannot be stopped from the terminal. */
const STOP_GRACE_MS = 500;

/** Stops this process with SIGTSTP; resolves when it was continued. `undefined` where the system has no job control. */
export const suspendProcess: (() => Promise<void>) | undefined = Deno.build.os === "windows"
  ? undefined
  : async () => {
    const continued = Promise.withResolvers<void>();
    const onContinue = () => continued.resolve();
    Deno.addSignalListener("SIGCONT", onContinue);
    // The stop strikes some time after the call, on any thread: going on at once would touch the terminal before it.
    const timer = setTimeout(onContinue, STOP_GRACE_MS);
    try {
      Deno.kill(Deno.pid, "SIGTSTP");
      await continued.promise;
    } finally {
      clearTimeout(timer);
      Deno.removeSignalListener("SIGCONT", onContinue);
    }
  };
