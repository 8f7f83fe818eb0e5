/** A command's surroundings put together from a fake host and a fake deployment. */
import { SILENT_LOG } from "../../lib/base/log.ts";
import { CoderClient } from "../../lib/coder/client.ts";
import { Progress } from "../../lib/cli/terminal/progress.ts";
import { createSteps, type Steps } from "../../lib/cli/ready/steps.ts";
import { FakeCoder } from "./fake_coder.ts";
import { FakeHost, type FakeHostOptions } from "./fake_host.ts";

export interface FakeSurroundings extends Disposable {
  readonly host: FakeHost;
  readonly coder: FakeCoder;
  readonly steps: Steps;
  readonly abort: AbortController;
}

export function fakeSteps(options: FakeHostOptions = {}): FakeSurroundings {
  const coder = new FakeCoder();
  const host = new FakeHost({ transport: coder.transport(), ...options });
  const abort = new AbortController();
  const client = new CoderClient({
    url: coder.url,
    token: "abcdefghij-0123456789012345678901",
    transport: host.network({}),
    userAgent: "hawser/0.0.0 (linux/amd64; hawser ssh)",
    sleep: (ms, signal) => host.clock.sleep(ms, signal),
  });
  const steps = createSteps({
    host,
    client,
    progress: new Progress(host),
    log: SILENT_LOG,
    signal: abort.signal,
  });
  return { host, coder, steps, abort, [Symbol.dispose]: () => host.clock.stop() };
}
