import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Interrupt } from "../../../lib/cli/terminal/interrupt.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { ManualClock } from "../../support/manual_clock.ts";

Deno.test("Interrupt aborts at the first signal and remembers it for the exit code", () => {
  for (const [name, code] of [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const) {
    using host = new FakeHost();
    using interrupt = new Interrupt(host);
    strictEqual(interrupt.exitCode, undefined);
    ok(host.raise(name));
    host.raise("SIGTERM");
    ok(interrupt.signal.aborted);
    strictEqual(interrupt.exitCode, code);
    strictEqual(interrupt.signalName, name.slice(3));
  }
});

Deno.test("Interrupt.cancel() aborts with a reason of the program's own and is no signal", () => {
  using host = new FakeHost();
  using interrupt = new Interrupt(host);
  const reason = new Error("OpenSSH went away");
  interrupt.cancel(reason);
  strictEqual(interrupt.signal.reason, reason);
  strictEqual(interrupt.exitCode, undefined);
  host.raise("SIGINT"); // too late to be the reason, not too late for the exit code
  strictEqual(interrupt.signal.reason, reason);
  strictEqual(interrupt.exitCode, 130);
});

Deno.test("Interrupt listens no more once disposed", () => {
  using host = new FakeHost();
  const interrupt = new Interrupt(host);
  interrupt[Symbol.dispose]();
  interrupt[Symbol.dispose]();
  ok(!host.raise("SIGINT"));
  ok(!interrupt.signal.aborted);
});

Deno.test("Interrupt ends the program at once at the second signal, but for the first one's echo", () => {
  for (
    const [first, second, code] of [
      ["SIGTERM", "SIGTERM", 143],
      ["SIGINT", "SIGINT", 130],
      ["SIGHUP", "SIGTERM", 129],
    ] as const
  ) {
    using host = new FakeHost();
    const clock = new ManualClock();
    using interrupt = new Interrupt({
      clock,
      exit: (code) => host.exit(code),
      onSignal: (name, handler) => host.onSignal(name, handler),
    });
    host.raise(first);
    clock.advance(100);
    host.raise(second);
    deepStrictEqual(host.exits, []);
    clock.advance(1);
    host.raise(second);
    deepStrictEqual(host.exits, [code]);
    strictEqual(interrupt.exitCode, code);
  }
});
