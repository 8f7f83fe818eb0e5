import { deepStrictEqual, ok } from "node:assert/strict";
import { notifierCalls } from "../../../../lib/cli/session/autostop/notifiers.ts";

const NOTICE = { title: "Workspace dev stopping soon", body: "stops in 30 mins" };
/** What a hostile server might call a workspace. */
const NASTY = `'; rm -rf / # $(id) \`id\` "); Start-Process calc; \\n <b>&`;
const NASTY_NOTICE = { title: `T ${NASTY}`, body: `B ${NASTY}` };

function system(os: string, env: Readonly<Record<string, string>> = {}) {
  return { os, env: (name: string) => env[name] };
}

const DESKTOP = { DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus" };

Deno.test("notifierCalls() on Linux: notify-send, then D-Bus itself, with a desktop only", () => {
  deepStrictEqual(notifierCalls(system("linux"), NOTICE), []);
  deepStrictEqual(notifierCalls(system("linux", DESKTOP), NOTICE), [
    {
      program: "notify-send",
      args: [
        "--app-name=Coder",
        "--expire-time=30000",
        "--",
        "Workspace dev stopping soon",
        "stops in 30 mins",
      ],
    },
    {
      program: "gdbus",
      args: [
        "call",
        "--session",
        "--timeout=5",
        "--dest=org.freedesktop.Notifications",
        "--object-path=/org/freedesktop/Notifications",
        "--method=org.freedesktop.Notifications.Notify",
        "--",
        "'Coder'",
        "uint32 0",
        "''",
        "'Workspace dev stopping soon'",
        "'stops in 30 mins'",
        "@as []",
        "@a{sv} {}",
        "int32 30000",
      ],
    },
  ]);
});

Deno.test("notifierCalls() quotes for each program what that program would undo", () => {
  const [send, gdbus] = notifierCalls(system("linux", { DISPLAY: ":0" }), NASTY_NOTICE);
  deepStrictEqual(send?.args.slice(-2), [
    NASTY_NOTICE.title,
    NASTY_NOTICE.body.replace("<b>&", "&lt;b&gt;&amp;").replace("\\", "\\\\"),
  ]);
  const summary = gdbus?.args[10] ?? "";
  ok(summary.startsWith("'T \\'; rm -rf / # $(id)") && summary.endsWith("<b>&'"));
});

Deno.test("notifierCalls() on macOS and Windows: the script is the same whatever the texts are", () => {
  for (const os of ["darwin", "windows"]) {
    const [plain, ...more] = notifierCalls(system(os), NOTICE);
    const [nasty] = notifierCalls(system(os), NASTY_NOTICE);
    deepStrictEqual(more, []);
    const script = (args: readonly string[] = []) =>
      os === "darwin" ? args.slice(0, args.indexOf("--")) : args;
    ok(plain !== undefined && nasty !== undefined);
    deepStrictEqual(script(nasty.args), script(plain.args));
    deepStrictEqual(nasty.program, plain.program);
  }
});

Deno.test("notifierCalls() hands osascript its texts as arguments", () => {
  const [call] = notifierCalls(system("darwin"), NASTY_NOTICE);
  deepStrictEqual(call?.program, "/usr/bin/osascript");
  deepStrictEqual(call?.args.slice(-3), ["--", NASTY_NOTICE.title, NASTY_NOTICE.body]);
});

Deno.test("notifierCalls() hands PowerShell its texts as variables", () => {
  const [call] = notifierCalls(system("windows"), NASTY_NOTICE);
  deepStrictEqual(call?.program, "powershell.exe");
  deepStrictEqual(call?.env, {
    HAWSER_NOTICE_TITLE: NASTY_NOTICE.title,
    HAWSER_NOTICE_BODY: NASTY_NOTICE.body,
  });
  const script = call?.args.at(-1) ?? "";
  for (const name of Object.keys(call?.env ?? {})) ok(script.includes(`($env:${name})`), name);
});
