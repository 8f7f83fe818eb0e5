import { deepStrictEqual, rejects } from "node:assert/strict";
import { SILENT_LOG } from "../../../../lib/base/log.ts";
import { showNotice } from "../../../../lib/cli/session/autostop/show_notice.ts";
import { Progress } from "../../../../lib/cli/terminal/progress.ts";
import { FakeHost, type FakeHostOptions } from "../../../support/fake_host.ts";

const NOTICE = { title: "Workspace dev stopping!", body: "stopping any time now!" };
const DESKTOP = { DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus" };

function optionsOf(host: FakeHost, signal = new AbortController().signal) {
  return { log: SILENT_LOG, print: (text: string) => new Progress(host).notice(text), signal };
}

async function withHost(
  options: FakeHostOptions,
  body: (host: FakeHost) => Promise<void>,
): Promise<void> {
  using host = new FakeHost(options);
  await body(host);
}

const ran = (host: FakeHost) => host.runs.map(({ program }) => program);

Deno.test("showNotice() runs the first program that works and nothing else", () =>
  withHost({ env: DESKTOP, stderrIsTerminal: true }, async (host) => {
    host.programs.set("notify-send", () => Promise.resolve({}));
    deepStrictEqual(await showNotice(host, NOTICE, optionsOf(host)), "desktop");
    deepStrictEqual(ran(host), ["notify-send"]);
    deepStrictEqual(host.stderr.text, "");
  }));

Deno.test("showNotice() goes on to D-Bus where notify-send is missing", () =>
  withHost({ env: DESKTOP }, async (host) => {
    host.programs.set("gdbus", () => Promise.resolve({}));
    deepStrictEqual(await showNotice(host, NOTICE, optionsOf(host)), "desktop");
    deepStrictEqual(ran(host), ["notify-send", "gdbus"]);
  }));

Deno.test("showNotice() rings and prints a line that keeps a raw terminal straight, without a desktop", () =>
  withHost({ stderrIsTerminal: true }, async (host) => {
    deepStrictEqual(await showNotice(host, NOTICE, optionsOf(host)), "terminal");
    deepStrictEqual(ran(host), []);
    deepStrictEqual(host.stderr.text, "\x07\r\nstopping any time now!\r\n");
  }));

Deno.test("showNotice() falls back to the terminal when no service shows notifications", () =>
  withHost({ env: DESKTOP, stderrIsTerminal: true }, async (host) => {
    host.programs.set("notify-send", () => Promise.resolve({ code: 1 }));
    host.programs.set("gdbus", () => Promise.resolve({ code: 1 }));
    deepStrictEqual(await showNotice(host, NOTICE, optionsOf(host)), "terminal");
  }));

Deno.test("showNotice() writes nothing into a stderr that is no terminal", () =>
  withHost({}, async (host) => {
    deepStrictEqual(await showNotice(host, NOTICE, optionsOf(host)), "nowhere");
    deepStrictEqual(host.stderr.text, "");
  }));

Deno.test("showNotice() gives up a program that hangs after ten seconds", () =>
  withHost({ os: "darwin", stderrIsTerminal: true }, async (host) => {
    host.programs.set("/usr/bin/osascript", (_args, { signal }) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      return promise;
    });
    deepStrictEqual(await showNotice(host, NOTICE, optionsOf(host)), "terminal");
    deepStrictEqual(host.clock.now(), 10_000);
  }));

Deno.test("showNotice() ends at once with its session", () =>
  withHost({ os: "darwin", stderrIsTerminal: true }, async (host) => {
    const abort = new AbortController();
    host.programs.set("/usr/bin/osascript", (_args, { signal }) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      abort.abort(new Error("session over"));
      return promise;
    });
    await rejects(showNotice(host, NOTICE, optionsOf(host, abort.signal)), {
      message: "session over",
    });
    deepStrictEqual(host.stderr.text, "");
  }));
