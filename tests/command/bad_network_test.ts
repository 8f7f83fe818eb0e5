/** Relays and coordinators that misbehave, files that cannot be written: the session goes on, or it is said what is waited for. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { EndpointFault } from "../../lib/sandbox/mod.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { commandTest, commandTestAtEach } from "./support.ts";
import { checkClean, checkFailure } from "./support_bad.ts";

const FASTER = 10;

const FAULTS: readonly { readonly name: string; readonly fault: EndpointFault }[] = [
  { name: "accepts and says nothing", fault: { kind: "mute" } },
  { name: "hangs up", fault: { kind: "hangUp" } },
  { name: "talks nonsense", fault: { kind: "stop", afterBytes: 0, then: "nonsense" } },
  { name: "stops in mid-frame", fault: { kind: "stop", afterBytes: 7, then: "silence" } },
  { name: "closes in mid-frame", fault: { kind: "stop", afterBytes: 7, then: "close" } },
];

for (const where of ["relay", "coordinator"] as const) {
  for (const { name, fault } of FAULTS) {
    commandTestAtEach(
      `A ${where} that ${name}: the wait is told, and a signal ends it`,
      async (desk) => {
        desk.sandbox.faults[where] = fault;
        await using run = desk.start(["myworkspace", "true"], { clock: new HurryingClock(FASTER) });
        await run.stderr.waitFor(/\.\.\. Connecting: waiting for .+ \(\d+s\)\n/);
        run.raise("SIGINT");
        const result = await run.result();
        checkClean(result);
        ok(result.code !== 0);
      },
    );
  }
  commandTestAtEach(`A ${where} that comes to its senses: the session begins`, async (desk) => {
    desk.sandbox.faults[where] = { kind: "hangUp" };
    await using run = desk.start(["myworkspace", "echo in"], { clock: new HurryingClock(FASTER) });
    await run.stderr.waitFor(/\.\.\. Connecting: waiting for/);
    desk.sandbox.faults[where] = undefined;
    const { code, stdout } = await run.result();
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
  });
}

commandTestAtEach("A coordinator that refuses us for good ends the command", async (desk) => {
  desk.sandbox.faults.coordinator = {
    kind: "refuse",
    status: 409,
    message: "Non-browser connections are disabled for your deployment.",
  };
  const result = await desk.run(["myworkspace", "true"]);
  strictEqual(result.code, 1);
  checkClean(result);
  match(
    result.stderr,
    /^Encountered an error running "hawser ssh", .*\nerror: dial agent: .*Non-browser connections are disabled/,
  );
});

commandTestAtEach("A deployment without relay is told", async (desk) => {
  const { coordinator } = desk.sandbox;
  coordinator.setDerpMap({ ...coordinator.derpMap, regions: new Map() });
  checkFailure(await desk.run(["myworkspace", "true"]), [
    "error: dial agent: The deployment has no relay that a client could use",
    "Ask the deployment's administrator to enable the built-in DERP relay",
  ]);
});

commandTest(
  "A log folder that is not there or cannot be written to is told before any request",
  async (desk) => {
    const { api } = desk.sandbox;
    const result = await desk.run(["-l", "/nowhere/at/all", "myworkspace", "true"]);
    strictEqual(result.code, 1);
    checkClean(result);
    match(
      result.stderr,
      /error: error opening \/nowhere\/at\/all for logging: .+: no such file or directory\nGive --log-dir a folder /,
    );
    strictEqual(api.requests.length, 0);
  },
);

commandTest("A network folder that cannot be made is told", async (desk) => {
  const file = await Deno.makeTempFile();
  const result = await desk.run(["--network-info-dir", `${file}/net`, "myworkspace", "true"]);
  strictEqual(result.code, 1);
  checkClean(result);
  match(result.stderr, /error: mkdir: .+\nGive --network-info-dir a folder that can be made /);
  await Deno.remove(file);
});
