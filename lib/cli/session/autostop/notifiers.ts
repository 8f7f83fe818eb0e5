/**
 * The programs that show a desktop notification, and how each is told its two texts without either being taken for
 * anything else (docs/protocol/ssh.md#autostop-notice). Names of workspaces come from a server: they are arguments or variables of fixed
 * scripts, never a part of one.
 */
import type { Notice } from "./notices.ts";

/** Every program that a notice may run. */
export type NotifierProgram = "notify-send" | "gdbus" | "/usr/bin/osascript" | "powershell.exe";

export interface NotifierCall {
  readonly program: NotifierProgram;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface NotifierSystem {
  readonly os: string;
  env(name: string): string | undefined;
}

const APP_NAME = "Coder";
const SHOWN_MS = 30_000;

/** What to run, first choice first; empty where there is no desktop. */
export function notifierCalls(system: NotifierSystem, notice: Notice): readonly NotifierCall[] {
  switch (system.os) {
    case "darwin":
      return [osascript(notice)];
    case "windows":
      return [powershell(notice)];
    default:
      return hasDesktop(system) ? [notifySend(notice), gdbus(notice)] : [];
  }
}

/** A machine without any of these shows nothing: not worth the start of two programs. */
function hasDesktop(system: NotifierSystem): boolean {
  return ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"]
    .some((name) => (system.env(name) ?? "") !== "");
}

function notifySend({ title, body }: Notice): NotifierCall {
  return {
    program: "notify-send",
    args: [
      `--app-name=${APP_NAME}`,
      `--expire-time=${SHOWN_MS}`,
      "--",
      title,
      // It undoes C escapes in the body, and only there (libnotify `tools/notify-send.c`).
      escapeMarkup(body).replaceAll("\\", "\\\\"),
    ],
  };
}

// Desktop Notifications 1.2: app_name, replaces_id, app_icon, summary, body, actions, hints, expire_timeout
function gdbus({ title, body }: Notice): NotifierCall {
  const texts = [APP_NAME, "", title, escapeMarkup(body)].map(quoteVariant);
  const [app = "", icon = "", summary = "", text = ""] = texts;
  return {
    program: "gdbus",
    args: [
      "call",
      "--session",
      "--timeout=5",
      "--dest=org.freedesktop.Notifications",
      "--object-path=/org/freedesktop/Notifications",
      "--method=org.freedesktop.Notifications.Notify",
      "--",
      app,
      "uint32 0",
      icon,
      summary,
      text,
      "@as []",
      "@a{sv} {}",
      `int32 ${SHOWN_MS}`,
    ],
  };
}

/** A body may hold markup (Desktop Notifications 1.2 §Markup); ours never means any. */
function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The text form of a string (GVariant text format §Strings). */
function quoteVariant(text: string): string {
  return `'${text.replace(/[\\']/g, (character) => `\\${character}`)}'`;
}

const APPLESCRIPT = [
  "on run argv",
  "display notification (item 2 of argv) with title (item 1 of argv)",
  "end run",
];

function osascript({ title, body }: Notice): NotifierCall {
  return {
    program: "/usr/bin/osascript",
    args: [...APPLESCRIPT.flatMap((line) => ["-e", line]), "--", title, body],
  };
}

const TITLE_VARIABLE = "HAWSER_NOTICE_TITLE";
const BODY_VARIABLE = "HAWSER_NOTICE_BODY";
/** The application that Windows PowerShell is registered as: toasts of unknown ones are dropped. */
const POWERSHELL_APP =
  "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe";
/** Only the in-box Windows PowerShell can load WinRT types so; texts reach the toast as nodes of its document. */
const TOAST_SCRIPT = [
  "$ErrorActionPreference = 'Stop'",
  "$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]",
  "$toastType = [Windows.UI.Notifications.ToastNotification, Windows.UI.Notifications, ContentType = WindowsRuntime]",
  "$xml = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)",
  "$texts = $xml.GetElementsByTagName('text')",
  `[void]$texts.Item(0).AppendChild($xml.CreateTextNode($env:${TITLE_VARIABLE}))`,
  `[void]$texts.Item(1).AppendChild($xml.CreateTextNode($env:${BODY_VARIABLE}))`,
  `$manager::CreateToastNotifier('${POWERSHELL_APP}').Show($toastType::new($xml))`,
].join("; ");

function powershell({ title, body }: Notice): NotifierCall {
  return {
    program: "powershell.exe",
    args: ["-NoLogo", "-NoProfile", "-NonInteractive", "-Command", TOAST_SCRIPT],
    env: { [TITLE_VARIABLE]: title, [BODY_VARIABLE]: body },
  };
}
