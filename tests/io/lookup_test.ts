import { deepStrictEqual, rejects } from "node:assert/strict";
import { lookupIpv6 } from "../../lib/io/lookup.ts";

Deno.test({
  name: "lookupIpv6() finds nothing where it may not ask, instead of failing",
  permissions: { net: false },
  async fn() {
    deepStrictEqual(await lookupIpv6("dev.ws.me.coder.", new AbortController().signal), []);
  },
});

Deno.test("lookupIpv6() rejects with the reason of its signal", async () => {
  const signal = AbortSignal.abort(new Error("session over"));
  await rejects(lookupIpv6("dev.ws.me.coder.", signal), { message: "session over" });
});
