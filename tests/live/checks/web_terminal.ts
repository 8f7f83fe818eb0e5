/** A shell through the deployment's web terminal, as where nothing but its API is let through. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { ApiOnlyDoor } from "../api_only_door.ts";
import type { Desk } from "../desk.ts";
import { Terminal } from "../terminal.ts";

const SIZE = { columns: 101, rows: 31 };
const here = ["script", "stty"];

/** Split words: the echo of what is typed must not be taken for the answer. */
async function ask(terminal: Terminal, line: string, answer: RegExp): Promise<void> {
  await terminal.type(`${line}\r`);
  await terminal.shown.until(answer);
}

async function open(
  desk: Desk,
  door: ApiOnlyDoor,
  ...flags: readonly string[]
): Promise<Terminal> {
  const line = `${door.env} ${desk.programCommand(...flags, desk.workspace)}`;
  return await Terminal.open(desk, line, SIZE);
}

export const WEB_TERMINAL_CHECKS: readonly Check[] = [
  {
    name: "has a shell where the relay is out of reach, with its size and its status",
    here,
    run: async (desk) => {
      await using door = new ApiOnlyDoor(desk.deployment.url);
      await using terminal = await open(desk, door);
      await terminal.shown.until(
        /Cannot reach [^\n]*\r?\nThe workspace network cannot be reached from here/,
      );
      await terminal.shown.until(/[$#%>] /);
      ok(await terminal.isRaw());
      await ask(terminal, "stty size; echo r''eady", /31 101\r?\n[^]*ready/);
      await terminal.resize({ columns: 70, rows: 20 });
      // Old agents keep the shell in screen, where there is one; that leaves it its width (seen at v2.5.1).
      await ask(terminal, "stty size; echo ag''ain", /20 (?:70|101)\r?\n[^]*again/);
      await terminal.type("exit 7\r");
      strictEqual(await terminal.left(), 7);
      doesNotMatch(terminal.shown.text(), /hawser;/);
    },
  },
  {
    name: "goes back to the same shell after a cut",
    here,
    run: async (desk) => {
      await using door = new ApiOnlyDoor(desk.deployment.url);
      await using terminal = await open(desk, door, "--web-terminal");
      await terminal.shown.until(/[$#%>] /);
      await ask(terminal, "KEPT=4; echo be''gun", /begun/);
      door.cut();
      await terminal.shown.until(
        /connecting again\. Enter tries at once[^]*Back in the same shell/,
      );
      await ask(terminal, "echo sa''me$((KEPT+1))", /same5/);
      await terminal.type("\r~.");
      strictEqual(await terminal.left(), 255);
    },
  },
  {
    name: "runs no command there",
    run: async (desk) => {
      await using door = new ApiOnlyDoor(desk.deployment.url);
      const line = `${door.env} ${desk.programCommand(desk.workspace, "echo in")}`;
      const exit = await desk.run(["sh", "-c", line]);
      strictEqual(exit.code, 1);
      strictEqual(exit.stdout, "");
      match(exit.stderr, /error: dial agent: Cannot reach/);
    },
  },
];
