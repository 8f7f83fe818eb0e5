/** `netcheck` as a whole against the sandbox. */
import { deepStrictEqual, doesNotMatch, match, strictEqual } from "node:assert/strict";
import { runToEnd } from "../support/command_host.ts";
import { commandTest, type Desk } from "./support.ts";

const netcheck = (desk: Desk, env: Readonly<Record<string, string>> = {}, ...args: string[]) =>
  runToEnd(["netcheck", ...args], { env: { ...desk.env, ...env } });

commandTest("netcheck shows relays and how they can be spoken to", async (desk) => {
  const { stdout, stderr, code } = await netcheck(desk);
  strictEqual(code, 0, stderr);
  match(stdout, /^UDP: /);
  match(stdout, /^Proxy: none for this deployment$/m);
  match(stdout, /^RELAY +LATENCY +UPGRADE +WEBSOCKET *$/m);
  match(stdout, /^Coder Embedded Relay +[\d.]+ ms +yes +yes *$/m);
  doesNotMatch(stdout, /Web terminal/);
});

commandTest("netcheck says what there is where no relay answers", async (desk) => {
  desk.sandbox.faults.relay = { kind: "refuse", status: 403 };
  const { stdout, code } = await netcheck(desk);
  strictEqual(code, 1);
  match(stdout, /^Web terminal: 'hawser ssh <workspace>' at a terminal has a shell through it/m);
});

commandTest("netcheck for programs has the official command's names", async (desk) => {
  const { stdout, code } = await netcheck(desk, {}, "--output", "json");
  const { derp, stun, proxy } = JSON.parse(stdout);
  strictEqual(code, 0);
  deepStrictEqual(Object.keys(derp.regions), ["999"]);
  strictEqual(derp.netcheck.PreferredDERP, 999);
  deepStrictEqual([stun.answers, proxy], [[], null]);
});

commandTest("netcheck asks no STUN server where direct connections are off", async (desk) => {
  const { stdout } = await netcheck(desk, {}, "--disable-direct-connections");
  match(stdout, /^UDP: not asked, direct connections are switched off\n/);
});

commandTest("netcheck fails where nobody is logged in", async (desk) => {
  const { stdout, code } = await netcheck(desk, { CODER_SESSION_TOKEN: "not-the-token" });
  deepStrictEqual([stdout, code], ["", 1]);
});
