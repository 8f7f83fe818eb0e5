/** Shells that outlive the connection: what keeps them is a program of the workspace, or its agent when there is none. */
import { match, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import type { Desk } from "../desk.ts";
import { Terminal } from "../terminal.ts";

const SIZE = { columns: 101, rows: 31 };
/** All that our scripts and the checks need there. */
const TOOLS = "sh bash cat sed grep mkdir ln rm date tty printf env kill sleep stty";

interface Kept {
  readonly desk: Desk;
  readonly flags: readonly string[];
}

/** A name that nobody else uses, and a path in the workspace without what keeps shells, if so wanted. */
async function prepare(desk: Desk, keeper: "any" | "agent"): Promise<Kept> {
  const name = `--persist=live-${crypto.randomUUID().slice(0, 8)}`;
  if (keeper === "any") return { desk, flags: [name] };
  const tools = await desk.remote("tools");
  const link =
    `for t in ${TOOLS}; do p=$(command -v $t) && test -x "$p" && ln -s "$p" ${tools}/; done`;
  await desk.mustSsh(`mkdir ${tools}; ${link}; true`);
  return { desk, flags: [name, "-e", `PATH=${tools}`] };
}

async function open({ desk, flags }: Kept, prefix = ""): Promise<Terminal> {
  return await Terminal.open(desk, prefix + desk.programCommand(...flags, desk.workspace), SIZE);
}

/** Split words: the echo of what is typed must not be taken for the answer. */
async function ask(terminal: Terminal, line: string, answer: RegExp): Promise<void> {
  await terminal.type(`${line}\r`);
  await terminal.shown.until(answer);
}

async function begin(terminal: Terminal): Promise<void> {
  await terminal.shown.until(/[$#%>] /);
  await ask(terminal, "KEPT=4; echo be''gun", /begun/);
}

function checksWith(keeper: "any" | "agent"): Check[] {
  const by = keeper === "agent" ? ", kept by the agent" : "";
  const here = ["script", "stty"];
  return [
    {
      name: `finds the shell again that ~. left${by}`,
      here,
      run: async (desk) => {
        const kept = await prepare(desk, keeper);
        {
          await using terminal = await open(kept);
          await begin(terminal);
          await terminal.type("\r~.");
          await terminal.shown.until(/The shell goes on in the workspace/);
          strictEqual(await terminal.left(), 255);
        }
        const list = await desk.runProgram(["--list-persistent", desk.workspace]);
        match(list.stdout, new RegExp(`^${kept.flags[0]?.slice("--persist=".length)} `, "m"));
        await using again = await open(kept);
        await again.shown.until(/Back in the shell/);
        await ask(again, "echo sa''me$((KEPT+1))", /same5/);
        await again.type("exit\r");
        strictEqual(await again.left(), 0);
      },
    },
    {
      name: `finds the shell again whose client was killed, and joins one that is open${by}`,
      here,
      run: async (desk) => {
        const kept = await prepare(desk, keeper);
        const pidFile = desk.local("pid");
        await using killed = await open(kept, `sh -c 'echo $$ >${pidFile}; exec "$@"' sh `);
        await begin(killed);
        await using joined = await open(kept);
        await joined.shown.until(/Back in the shell/);
        await desk.must(["kill", "-KILL", (await Deno.readTextFile(pidFile)).trim()]);
        await ask(joined, "echo sa''me$((KEPT+1))", /same5/);
        await joined.type("exit\r");
        strictEqual(await joined.left(), 0);
      },
    },
  ];
}

export const PERSIST_CHECKS: readonly Check[] = [...checksWith("any"), ...checksWith("agent")];
