/**
 * A session's process for `processes_test.ts`: the real host with its lock, clock and programs, and a deployment in memory
 * whose workspace stops in twenty minutes. Prints each log message; ends with its input.
 */
import type { Log } from "../../../../lib/base/log.ts";
import { AutostopWatch } from "../../../../lib/cli/session/autostop/watch.ts";
import { createClient } from "../../../../lib/cli/config/client.ts";
import type { Host } from "../../../../lib/base/host.ts";
import { Progress } from "../../../../lib/cli/terminal/progress.ts";
import { createSteps } from "../../../../lib/cli/ready/steps.ts";
import { createHost } from "../../../../lib/io/host.ts";
import { FakeCoder } from "../../../support/fake_coder.ts";
import { IDS, wireBuild, wireWorkspace } from "../../../support/fake_coder_objects.ts";

const coder = new FakeCoder();
const deadline = new Date(Date.now() + 20 * 60_000).toISOString();
coder.workspace = wireWorkspace({ latest_build: wireBuild({ deadline }) });
const real = createHost();
const host: Host = { ...real, network: () => coder.transport() };

const say = (message: string) => host.stdout.print(`${message}\n`);
const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
const abort = new AbortController();
const configuration = {
  context: "default",
  dir: undefined,
  url: coder.url,
  urlText: coder.url.href,
  token: "t",
  headers: [],
  network: {},
};
const client = createClient(host, { configuration, command: "hawser ssh", log });
const steps = createSteps({
  host,
  client,
  progress: new Progress(host),
  log,
  signal: abort.signal,
});
const watch = new AutostopWatch(steps, { workspaceId: IDS.workspace, signal: abort.signal });
await host.stdin.read(new Uint8Array(1));
abort.abort();
await watch.ended;
