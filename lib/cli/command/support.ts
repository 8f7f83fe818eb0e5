/** `support`: what a report of a fault needs, in one text, without a secret in it. */
import { ExpectedError, UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { pathFlag } from "../grammar/flag.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import { describe } from "../../coder/errors.ts";
import { stripToLine } from "../../coder/text.ts";
import { cacheDir } from "../config/cache_dir.ts";
import { type Configuration, readConfiguration } from "../config/config.ts";
import { chooseContext } from "../config/context.ts";
import { examine } from "../diagnose/examine.ts";
import { type Finding, renderFindings } from "../diagnose/finding.ts";
import { networkLines, relayLines } from "../diagnose/network_report.ts";
import { recentLogLines } from "../diagnose/recent_log.ts";
import { surveyFor, type SurveyRequest } from "../diagnose/survey.ts";
import { writeText } from "../terminal/print.ts";
import { VERSION } from "../version.ts";
import { type Asking, withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

/** Names alone are shown: values are nobody else's business. */
const VARIABLES = [
  "CODER_URL",
  "CODER_SESSION_TOKEN",
  "CODER_CONFIG_DIR",
  "CODER_HEADER",
  "CODER_HEADER_COMMAND",
  "CODER_CLIENT_TLS_CA_FILE",
  "CODER_CLIENT_TLS_CERT_FILE",
  "CODER_CLIENT_TLS_KEY_FILE",
  "CODER_DISABLE_DIRECT_CONNECTIONS",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "no_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "SSH_AUTH_SOCK",
  "TERM",
  "TMUX",
];

export const command = defineCommand({
  name: "support",
  usage: "[flags]",
  summary: "Gather what a report of a fault needs, without secrets.",
  description:
    "Prints versions, settings by name, what 'hawser doctor' finds, what 'hawser netcheck' sees and the end of the last log. Tokens, headers, " +
    "passwords and the values of variables are left out; names of the deployment and its relays, and this machine's address as others see it, are not.",
  examples: [
    { line: "hawser support", does: "To read" },
    { line: "hawser support > report.txt", does: "To send along" },
    { line: "hawser support --log-dir logs", does: "With the log that ssh --log-dir logs left" },
  ],
  flags: {
    logDir: pathFlag({
      name: "log-dir",
      shorthand: "l",
      env: "CODER_SSH_LOG_DIR",
      help: "Folder of ssh --log-dir; the end of its last log is shown.",
    }),
  },
  positionals: { min: 0, max: 0 },
  async run({ logDir }, asking) {
    const { host, global } = asking;
    const lines = [
      `hawser v${VERSION} (${host.os}/${host.arch}), Deno ${host.runtimeVersion}`,
      `Time: ${new Date(host.clock.wallMs()).toISOString()}`,
      `Variables that are set: ${
        VARIABLES.filter((name) => host.env(name)).join(", ") || "none of ours"
      }`,
      ...await contextLines(host, global),
      "",
      ...await lookLines(asking),
      "",
      ...await recentLogLines(host, { dir: logDir, secrets: await secretsOf(asking) }),
    ];
    await writeText(host.stdout, lines.map((line) => `${stripToLine(line)}\n`).join(""));
    return 0;
  },
});

/** What was told us in confidence, and where that was kept. */
async function secretsOf({ host, global }: Asking): Promise<readonly string[]> {
  const told = [global.token, ...global.headers.map((line) => line.slice(line.indexOf("=") + 1))];
  try {
    const { token } = await readConfiguration(host, global);
    return token === undefined ? told : [...told, token];
  } catch (error) {
    // What is wrong with it is among the findings.
    if (!(error instanceof UserError)) throw error;
    return told;
  }
}

async function contextLines(host: Host, global: GlobalOptions): Promise<string[]> {
  try {
    const { name, chosenBy, dir } = await chooseContext(host, global);
    return [`Context: ${name} (${chosenBy})`, ...await folderLines(host, dir)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [`Context: ${error.message}`];
  }
}

async function folderLines(host: Host, dir: string | undefined): Promise<string[]> {
  const files = ["url", "session"].map((name) => dir && joinPath(host.os, dir, name));
  const found = await Promise.all(files.map((path) => describeFile(host, path)));
  return [
    `Configuration: ${dir ?? "no folder"} (url ${found[0]}, session ${found[1]})`,
    `Cache: ${cacheDir(host) ?? "no folder"}`,
  ];
}

async function describeFile(host: Host, path: string | undefined): Promise<string> {
  if (!path) return "not there";
  try {
    const stat = await host.files.stat(path);
    if (stat === undefined) return "not there";
    const mode = stat.mode === undefined ? "" : ` with mode ${stat.mode.toString(8)}`;
    return `there${mode}`;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return error.message;
  }
}

/** A report is wanted most when nothing works: what keeps us from looking is one of the findings. */
async function lookLines(asking: Asking): Promise<readonly string[]> {
  const found: Finding[] = [];
  const network: string[] = [];
  const { global, host } = asking;
  try {
    await withClient(asking, async ({ client, configuration, steps }) => {
      const patient = { host, configuration, client, signal: steps.signal };
      const disablesDirect = global.disableDirectConnections;
      found.push(...await examine({ ...patient, disablesDirect }, () => {}));
      network.push("", ...certificateLines(configuration));
      network.push(...await surveyLines({ ...patient, disablesDirect }));
      return 0;
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    found.push({ level: "problem", about: "configuration", text: error.message, ...hint });
  }
  return [...renderFindings(found), ...network];
}

function certificateLines({ network }: Configuration): string[] {
  const { caCertificates, clientCertificate } = network;
  const authorities = caCertificates?.split("-----BEGIN ").length ?? 1;
  return [
    `Authorities: the system's${
      authorities > 1 ? `, and ${authorities - 1} of --client-tls-ca-file` : ""
    }`,
    `Client certificate: ${clientCertificate === undefined ? "none" : "one is shown"}`,
  ];
}

async function surveyLines(request: SurveyRequest): Promise<string[]> {
  try {
    const report = await surveyFor(request);
    return report === undefined ? [] : [...networkLines(report), ...relayLines(report)];
  } catch (error) {
    // What is wrong is among the findings.
    if (!(error instanceof ExpectedError)) throw error;
    return [`Network: not looked at: ${describe(error).split("\n", 1)[0] ?? ""}`];
  }
}
