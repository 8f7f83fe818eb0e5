/** Permissions with exceptions, and for a part: what was refused is not done past the runtime either, and is no failure. */
import assert from "node:assert/strict";
import { denoDir } from "../support/deno_dir.ts";
import { isLinux } from "./udp_support.ts";

const PROBE = new URL("./permission_probe.ts", import.meta.url).pathname;
const TARGETS = ["192.0.2.1:41641", "192.0.2.2:41641", "[2001:db8::1]:41641"];

async function probe(permissions: readonly string[]): Promise<unknown> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--frozen", ...permissions, PROBE]
      .concat(TARGETS),
    // Where a permission for a part has the runtime look for libraries: a folder that others may write to.
    cwd: "/tmp",
    env: { DENO_DIR: denoDir(), NO_COLOR: "1" },
    stdin: "null",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const ROWS = [
  {
    name: "direct connections with every permission",
    permissions: ["--allow-net", "--allow-ffi"],
    says: { hasCalls: isLinux, targets: ["yes", "yes", "yes"], listens: [true, true] },
  },
  {
    name: "direct connections with the permission for libraries but for one",
    permissions: ["--allow-net", "--allow-ffi", "--deny-ffi=/other.so"],
    says: { hasCalls: false, targets: ["yes", "yes", "yes"], listens: [true, true] },
  },
  {
    name: "direct connections with the permission for libraries but for the system's",
    permissions: ["--allow-net", "--allow-ffi", "--deny-ffi=libc.so.6"],
    says: { hasCalls: false, targets: ["yes", "yes", "yes"], listens: [true, true] },
  },
  {
    name: "direct connections with the permission for one library",
    permissions: ["--allow-net", "--allow-ffi=libc.so.6"],
    says: { hasCalls: false, targets: ["yes", "yes", "yes"], listens: [true, true] },
  },
  {
    name: "direct connections with the permission for the network but for an address",
    permissions: ["--allow-net", "--deny-net=192.0.2.2", "--allow-ffi"],
    says: { hasCalls: isLinux, targets: ["yes", "no", "yes"], listens: [true, true] },
  },
  {
    name: "direct connections with the permission for two addresses",
    permissions: ["--allow-net=192.0.2.1,[2001:db8::1]", "--allow-ffi"],
    says: { hasCalls: isLinux, targets: ["yes", "no", "yes"], listens: [false, false] },
  },
  {
    name: "direct connections with no permission",
    permissions: [],
    says: { hasCalls: false, targets: ["no", "no", "no"], listens: [false, false] },
  },
] as const;

for (const { name, permissions, says } of ROWS) {
  Deno.test({
    name,
    ignore: Deno.build.os === "windows",
    fn: async () => assert.deepEqual(await probe(permissions), says),
  });
}
