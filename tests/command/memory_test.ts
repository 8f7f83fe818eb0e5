/** A second run begins with the agent that the first one found, and is never misled by it. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { isAtLeast, isEarly, READY_FOR_HANDSHAKE_SINCE } from "../../lib/base/version.ts";
import { commandTestAtEach, type Desk } from "./support.ts";

const MISSED = "the last run's way to the agent is out of date";
const BEGUN = "begins with the agent of the last run";

async function withHome(body: (home: string) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir({ prefix: "hawser-home-" });
  try {
    await body(home);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function echo(desk: Desk, homeDir: string): Promise<string> {
  const { stdout, stderr, code } = await desk.run(["-v", "myworkspace", "echo", "hi"], { homeDir });
  strictEqual(stdout, "hi\n", stderr);
  strictEqual(code, 0);
  return stderr;
}

async function theFile(home: string): Promise<string> {
  const folder = `${home}/.cache/hawser`;
  const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
  strictEqual(names.length, 1);
  return `${folder}/${names[0]}`;
}

commandTestAtEach(
  "the next run begins with what the last one found; the file is the user's alone",
  async (desk) => {
    await withHome(async (home) => {
      ok(!(await echo(desk, home)).includes(BEGUN));
      const said = await echo(desk, home);
      ok(said.includes(BEGUN) && !said.includes(MISSED), said);
      const path = await theFile(home);
      strictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
      ok(!(await Deno.readTextFile(path)).includes(desk.sandbox.token));
      // Before v0.25 each start asks for the agent's state, and waits by it.
      const asked = isEarly(desk.sandbox.settings.version) ? 2 : 0;
      const requests = desk.sandbox.api.requestsTo("GET /workspaceagents/{workspaceagent}");
      strictEqual(requests.length, asked);
    });
  },
);

commandTestAtEach(
  "a workspace that was built anew has another agent: the old one is let go",
  async (desk) => {
    await withHome(async (home) => {
      await echo(desk, home);
      await desk.sandbox.workspace.buildToEnd("stop");
      await desk.sandbox.workspace.buildToEnd("start");
      ok((await echo(desk, home)).includes(MISSED));
      ok(!(await echo(desk, home)).includes(MISSED));
    });
  },
);

commandTestAtEach(
  "the agent of a name that leads elsewhere now is not connected to",
  async (desk) => {
    await withHome(async (home) => {
      await echo(desk, home);
      const path = await theFile(home);
      const text = await Deno.readTextFile(path);
      const { id } = desk.sandbox.workspace.agent();
      const other = desk.sandbox.addWorkspace({ name: "other", agents: [{ shell: "/bin/sh" }] });
      await Deno.writeTextFile(path, text.replaceAll(id, other.agent().id));
      ok((await echo(desk, home)).includes(MISSED));
      deepStrictEqual(other.agent().programCount, 0);
      ok((await Deno.readTextFile(path)).includes(id));
    });
  },
);

commandTestAtEach("a relay map that is not true any more is not what is gone by", async (desk) => {
  await withHome(async (home) => {
    await echo(desk, home);
    const path = await theFile(home);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace(/"HostName":"[^"]*"/, '"HostName":"127.0.0.9"'));
    ok((await echo(desk, home)).includes(MISSED));
    strictEqual(withoutLag(await Deno.readTextFile(path)), withoutLag(text));
  });
});

/** How many initiations of WireGuard a run sent, by what it says of itself. */
function initiationsIn(said: string): number {
  return Number(/wireguard\.initiationsSent=(\d+)/.exec(said)?.[1]);
}

commandTestAtEach(
  "the agent's public keys are remembered; those of somebody else keep nobody out",
  async (desk) => {
    await withHome(async (home) => {
      await echo(desk, home);
      const path = await theFile(home);
      const text = await Deno.readTextFile(path);
      // Agents before v2.11 do not say that they know us: when to greet them is not known.
      const isGreeted = isAtLeast(desk.sandbox.settings.version, READY_FOR_HANDSHAKE_SINCE);
      strictEqual(/"node_key":"[0-9a-f]{64}"/.test(text), isGreeted);
      ok(!(await echo(desk, home)).includes(MISSED));
      for (const key of ["0".repeat(64), "5".repeat(64)]) {
        await Deno.writeTextFile(path, text.replace(/(?<="node_key":")[0-9a-f]+/, key));
        const said = await echo(desk, home);
        ok(!said.includes(MISSED), said);
        ok(initiationsIn(said) >= 1, said);
        strictEqual(withoutLag(await Deno.readTextFile(path)), withoutLag(text));
      }
    });
  },
);

/** How long the agent took to learn of us is another with each run. */
function withoutLag(text: string): string {
  return text.replace(/"ready_lag_ms":\d+/, "");
}

commandTestAtEach("a session that is not allowed any more ends as ever", async (desk) => {
  await withHome(async (home) => {
    await echo(desk, home);
    const env = { CODER_SESSION_TOKEN: "not-the-token" };
    const { stderr, code } = await desk.run(["myworkspace", "echo", "hi"], { homeDir: home, env });
    ok(stderr.includes("signed out"), stderr);
    strictEqual(code, 1);
  });
});

commandTestAtEach(
  "a relay that lets nobody in but by websocket is asked for one first by the next runs, of any workspace",
  async (desk) => {
    await withHome(async (home) => {
      const { api, faults } = desk.sandbox;
      desk.sandbox.addWorkspace({ name: "other", agents: [{ shell: "/bin/sh" }] });
      /** How the relay is asked for by a run. */
      const asks = async (name = "myworkspace") => {
        const seen = api.requests.length;
        const { code, stdout, stderr } = await desk.run([name, "echo", "hi"], { homeDir: home });
        deepStrictEqual({ code, stdout }, { code: 0, stdout: "hi\n" }, stderr);
        return api.requests.slice(seen).filter(({ route }) => route === "GET /derp")
          .map(({ isWebsocket }) => isWebsocket ? "websocket" : "DERP");
      };
      deepStrictEqual(await asks(), ["DERP"]);
      faults.relay = { kind: "refuse", status: 400, onlyDerpUpgrade: true };
      deepStrictEqual(await asks(), ["DERP", "websocket"]);
      deepStrictEqual(await asks(), ["websocket"]);
      deepStrictEqual(await asks("other"), ["websocket"]);
      deepStrictEqual(await asks("other"), ["websocket"]);
      // It is known for a day from when it was found out, whoever is let in meanwhile.
      const path = await theFile(home);
      const text = await Deno.readTextFile(path);
      faults.relay = undefined;
      deepStrictEqual(await asks(), ["websocket"]);
      strictEqual(await Deno.readTextFile(path), text);
      await Deno.writeTextFile(path, text.replace(/("websocket_until":)\d+/, `$1${Date.now()}`));
      deepStrictEqual(await asks(), ["DERP"]);
    });
  },
);
