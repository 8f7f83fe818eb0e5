/** What the runtime loads on the way to the first byte of `--stdio`, as its debugger tells: each of its own scripts costs time. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { commandTest } from "./support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const LIMIT_MS = 30_000;

/** Scripts of the runtime that our program asked for: it has some of its own at the start of any program. */
async function loadedUntilFirstByte(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "-A", "--unstable-net", "--inspect-wait=127.0.0.1:0"]
      .concat(MAIN, args),
    env: { NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const debuggerUrl = Promise.withResolvers<string>();
  const listening = (async () => {
    const decoder = new TextDecoder();
    let said = "";
    for await (const chunk of child.stderr) {
      said += decoder.decode(chunk, { stream: true });
      const url = /ws:\/\/\S+/.exec(said)?.[0];
      if (url !== undefined) debuggerUrl.resolve(url);
    }
    debuggerUrl.reject(new Error(`No debugger: ${said}`));
  })();
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const reader = child.stdout.getReader();
  try {
    const debuggee = new WebSocket(await debuggerUrl.promise);
    const scripts: string[] = [];
    debuggee.onopen = () => {
      const methods = ["Debugger.enable", "Profiler.enable", "Runtime.runIfWaitingForDebugger"];
      methods.forEach((method, id) => debuggee.send(JSON.stringify({ id, method })));
    };
    let isOurs = false;
    debuggee.onmessage = ({ data }) => {
      const { id, method, params } = JSON.parse(data);
      // The answer to the second call: what was there before is told.
      if (id === 1) isOurs = true;
      if (isOurs && method === "Debugger.scriptParsed") scripts.push(params.url);
    };
    const { value } = await reader.read();
    const closed = new Promise((resolve) => debuggee.onclose = resolve);
    debuggee.close();
    ok(new TextDecoder().decode(value).startsWith("SSH-2.0-"), "no first byte");
    child.kill("SIGKILL");
    await closed;
    return scripts;
  } finally {
    clearTimeout(limit);
    await reader.cancel();
    await child.stdin.abort().catch(() => {}); // gone with the program
    await child.status;
    await listening;
  }
}

commandTest(
  "--stdio comes to its first byte without fetch, web streams and modules of Node",
  async (desk) => {
    const scripts = await loadedUntilFirstByte(["ssh", "--stdio", "myworkspace"], {
      ...desk.env,
      CODER_CONFIG_DIR: "/nowhere",
      XDG_CACHE_HOME: "/nowhere",
    });
    ok(scripts.some((url) => url.endsWith("/lib/io/node_tunnel.ts")), "our own modules are seen");
    deepStrictEqual(scripts.filter((url) => url.startsWith("node:")), ["node:timers"]);
    const unwanted = /deno_fetch\/(?!22_http_client)|deno_web\/06_streams|deno_websocket|deno_http/;
    deepStrictEqual(scripts.filter((url) => unwanted.test(url)), []);
    const shared =
      /\/(?:sharing|shared_\w+|tunnel_(?:sharing|hold\w+)|hold\w+|leaving_\w+|alarm)(?:\.ts|\/)/;
    deepStrictEqual(scripts.filter((url) => shared.test(url)), [], "not asked for");
  },
);

commandTest(
  "--stdio comes to its first byte without anything of direct paths, which are sought",
  async (desk) => {
    const scripts = await loadedUntilFirstByte(["ssh", "--stdio", "myworkspace"], {
      ...desk.env,
      CODER_CONFIG_DIR: "/nowhere",
    });
    ok(scripts.some((url) => url.endsWith("/lib/io/direct_seeker.ts")), "they are sought");
    const unwanted = /lib\/(?:tailnet\/(?:direct|datagram|paths\/)|io\/(?:direct_driver|udp_))/;
    deepStrictEqual(scripts.filter((url) => unwanted.test(url)), []);
  },
  { settings: { disablesDirect: false } },
);
