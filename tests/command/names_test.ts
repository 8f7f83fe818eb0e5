/** Workspaces and agents as OpenSSH and editors name them, and what the program calls itself. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createBytePipe } from "../support/byte_pipe.ts";
import { startCommand } from "../support/command_host.ts";
import { commandTest, type Desk } from "./support.ts";

const CAPITAL = {
  user: "demo",
  workspaces: [{ name: "dev", agents: [{ name: "Main", shell: "/bin/sh" }] }],
};

/** ssh(1) hands a host name over in lower case, with the dot at its end that somebody typed. */
const NAMES = [
  ["--hostname-suffix", "coder", "dev.main.coder"],
  ["--hostname-suffix", "coder", "main.dev.demo.coder"],
  ["--hostname-suffix", "coder", "main.dev.demo.coder."],
  ["--hostname-suffix", "coder", "dev.coder."],
  ["--ssh-host-prefix", "coder.", "coder.dev.main."],
  [
    "--ssh-host-prefix",
    "coder-vscode.xn--bcher-kva.example--",
    "coder-vscode.xn--bcher-kva.example--demo--dev.main",
  ],
  ["dev."],
  ["dev.main."],
  ["DEMO/DEV.MAIN"],
];

for (const args of NAMES) {
  commandTest(`${args.join(" ")} names the agent Main`, async (desk) => {
    deepStrictEqual(await desk.run([...args, "echo in"]), { code: 0, stdout: "in\n", stderr: "" });
  }, CAPITAL);
}

commandTest(
  "Several agents: upstream's text to the last byte, in the order of the workspace",
  async (desk) => {
    const { code, stderr } = await desk.run(["--hostname-suffix", "coder", "two", "true"]);
    strictEqual(code, 1);
    strictEqual(
      stderr,
      'Encountered an error running "hawser ssh", see "hawser ssh --help" for more information\n' +
        "error: multiple agents found, please specify the agent name, available agents: [a b]\n" +
        "Try running:\n\t$ ssh b.two.admin.coder\n\t$ ssh a.two.admin.coder\n\n",
    );
  },
  { user: "admin", workspaces: [{ name: "two", agents: [{ name: "b" }, { name: "a" }] }] },
);

/** `vscodessh` with the files that the extension writes; the greeting of the agent's SSH server. */
async function greetingOf(desk: Desk, hostname: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/url`, desk.sandbox.url.href);
    await Deno.writeTextFile(`${folder}/token`, desk.sandbox.token);
    const [ours, theirs] = createBytePipe();
    await using _run = startCommand([
      "vscodessh",
      ...["--session-token-file", `${folder}/token`, "--url-file", `${folder}/url`],
      ...["--network-info-dir", `${folder}/net`, hostname],
    ], { pipe: theirs });
    const buffer = new Uint8Array(256);
    const count = await ours.read(buffer) ?? 0;
    await ours.closeWrite();
    return new TextDecoder().decode(buffer.subarray(0, count));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

commandTest(
  "vscodessh finds the workspace of a deployment with a name in punycode",
  async (desk) => {
    const name = "coder-vscode.xn--bcher-kva.example--demo--dev.main";
    ok((await greetingOf(desk, name)).startsWith("SSH-2.0-"));
  },
  CAPITAL,
);

commandTest("every request says which command made it", async (desk) => {
  const agents = () =>
    new Set(
      desk.sandbox.api.requests.map(({ headers }) => headers.get("User-Agent"))
        // The measurement of relays is none of the command's.
        .filter((agent) => agent !== undefined && agent !== null)
        .map((agent) => /; (.*)\)$/.exec(agent)?.[1] ?? agent),
    );
  strictEqual((await desk.run(["dev", "true"])).code, 0);
  const { api } = desk.sandbox;
  ok(api.requestsTo("GET /derp").length > 0);
  deepStrictEqual([...agents()], ["hawser ssh"]);
  api.clear();
  await greetingOf(desk, "coder-vscode--demo--dev");
  ok(api.requestsTo("GET /derp").length > 0);
  deepStrictEqual([...agents()], ["hawser vscodessh"]);
}, CAPITAL);
