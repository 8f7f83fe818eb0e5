/** How long an address is remembered, and what of it the dialer makes. */
import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { AddressMemory } from "../../lib/io/address_memory.ts";
import { dial } from "../../lib/io/dial.ts";
import { echo, envOf, LOOPBACK, LoopbackServer, readText, writeAll } from "./support.ts";

/** RFC 863, and served by no machine. */
const NOBODY = 9;

Deno.test("AddressMemory keeps an address for a minute of the wall clock, and not for longer when that is set back", () => {
  let now = 1_000_000;
  const memory = new AddressMemory(() => now);
  strictEqual(memory.addressOf("a.test"), undefined);
  memory.note("a.test", "192.0.2.1");
  now += 59_999;
  strictEqual(memory.addressOf("a.test"), "192.0.2.1");
  now += 1;
  strictEqual(memory.addressOf("a.test"), undefined);
  memory.note("a.test", "192.0.2.1");
  now -= 1;
  strictEqual(memory.addressOf("a.test"), undefined);
  memory.note("a.test", "192.0.2.1");
  memory.note("a.test", "192.0.2.2");
  strictEqual(memory.addressOf("a.test"), "192.0.2.2");
  memory.forget("a.test");
  strictEqual(memory.addressOf("a.test"), undefined);
});

Deno.test("AddressMemory keeps few names, the oldest go first, and no literal", () => {
  const memory = new AddressMemory(() => 0);
  for (let i = 0; i < 65; i++) memory.note(`${i}.test`, "192.0.2.1");
  strictEqual(memory.addressOf("0.test"), undefined);
  strictEqual(memory.addressOf("1.test"), "192.0.2.1");
  strictEqual(memory.addressOf("64.test"), "192.0.2.1");
  memory.note("192.0.2.1", "192.0.2.1");
  strictEqual(memory.addressOf("192.0.2.1"), undefined);
});

Deno.test("dial() goes where a name led before, and asks for the name when nobody is there", async () => {
  const server = new LoopbackServer(echo);
  const addresses = new AddressMemory(() => 0);
  const options = { env: envOf(), addresses };
  const expectEcho = async (host: string) => {
    const conn = await dial({ host, port: server.port, isTls: false }, options);
    await writeAll(conn, new TextEncoder().encode("hi"));
    strictEqual(await readText(conn, 2), "hi");
    conn.close();
  };
  // A name that no resolver knows, so that only the memory can lead there.
  addresses.note("coder.invalid", LOOPBACK);
  await expectEcho("coder.invalid");
  strictEqual(addresses.addressOf("coder.invalid"), LOOPBACK);
  await server[Symbol.asyncDispose]();
  // Nobody is there: its name is asked for, which leads nowhere, and is not tried there again. A port that nobody takes, as the
  // server's own may be somebody else's by now.
  await rejects(dial({ host: "coder.invalid", port: NOBODY, isTls: false }, options));
  strictEqual(addresses.addressOf("coder.invalid"), undefined);
});

Deno.test({
  name: "dial() does not ask for permission to dial an address whose name is permitted",
  permissions: { net: [LOOPBACK] },
  async fn() {
    const addresses = new AddressMemory(() => 0);
    addresses.note("coder.invalid", "127.0.0.2");
    const target = { host: "coder.invalid", port: NOBODY, isTls: false };
    await rejects(dial(target, { env: envOf(), addresses }), (error) => {
      ok(error instanceof Deno.errors.NotCapable);
      match(error.message, /"coder\.invalid:9"/);
      return true;
    });
  },
});
