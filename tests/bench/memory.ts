/** What a session holds while nothing happens. */
import { OpenSsh } from "./openssh.ts";
import type { Task } from "./task.ts";

const MINUTE_MS = 60_000;

export function memoryTasks(idleMinutes: number): Task[] {
  return [{
    group: "memory",
    name: `idle for ${idleMinutes} min`,
    rounds: 1,
    isFar: false,
    run: async (place, contestant) => {
      const idleMs = idleMinutes * MINUTE_MS;
      const openssh = new OpenSsh(place, contestant, { path: "direct" });
      await using ssh = openssh.start("echo up; cat >/dev/null", { limitMs: idleMs + MINUTE_MS });
      await ssh.stdout.untilBytes("up\n".length);
      await new Promise((resolve) => setTimeout(resolve, idleMs));
      return { "memory.idle": await openssh.rssMib("VmRSS") };
    },
  }];
}
