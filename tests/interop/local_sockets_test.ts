/** Unix sockets of ours on the real file system: their paths cannot be named in the unit tests' permissions. */
import assert from "node:assert/strict";
import { SYSTEM_SOCKETS } from "../../lib/io/local_sockets.ts";

Deno.test({
  name: "SYSTEM_SOCKETS makes unix sockets for their owner alone, whatever the umask",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    for (const mask of [0o000, 0o002, 0o022]) {
      const path = `${folder}/${mask}.sock`;
      const before = Deno.umask(mask);
      try {
        const listener = await SYSTEM_SOCKETS.listen({ kind: "unix", path });
        assert.strictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
        assert.strictEqual(Deno.umask(mask), mask);
        listener.close();
      } finally {
        Deno.umask(before);
      }
    }
    await Deno.remove(folder, { recursive: true });
  },
});
