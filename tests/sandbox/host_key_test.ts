/** Host keys that every SSH server of a sandbox can load. */
import { ok } from "node:assert/strict";
import { generateHostKey } from "../../lib/sandbox/ssh/host_key.ts";
import { loadSsh2Server } from "../../lib/sandbox/ssh/ssh2_server.ts";

Deno.test("generateHostKey() makes no key that ssh2 cannot read, as ssh2 itself does now and then", async () => {
  const make = await loadSsh2Server();
  for (let i = 0; i < 600; i++) {
    const hostKey = await generateHostKey("ed25519");
    ok(make({ hostKeys: [hostKey], ident: "test", keepaliveInterval: 0 }));
  }
});
