/** A shell on a terminal: its size and changes of it, keys, exit status, and the local terminal afterwards. */
import { ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import type { Desk } from "../desk.ts";
import { Terminal } from "../terminal.ts";

const SIZE = { columns: 101, rows: 31 };
const OTHER_SIZE = { columns: 87, rows: 43 };

/** A plain shell in the workspace, whatever the user's own is, ready for lines. */
async function openShell(desk: Desk, prefix = ""): Promise<Terminal> {
  const command = `${prefix}${desk.programCommand(desk.workspace)}`;
  const terminal = await Terminal.open(desk, command, SIZE);
  // The prompt, and nothing typed before: some programs ask the terminal something first and take keys for its answer.
  await terminal.shown.until(/[$#%>] ?$/);
  // Split words, here and below: the echo of what is typed must not be taken for the answer.
  await terminal.type("exec sh\nPS1=; echo rea''dy\n");
  await terminal.shown.until(/ready\r/);
  return terminal;
}

export const TERMINAL_CHECKS: readonly Check[] = [
  {
    name: "opens a shell with this terminal's size and type, and hands on its exit status",
    here: ["script", "stty"],
    run: async (desk) => {
      await using terminal = await openShell(desk);
      ok(await terminal.isRaw());
      await terminal.type('echo "size=$(stty size) term=$TERM."\n');
      const [, rows, columns, term] = await terminal.shown.until(/size=(\d+) (\d+) term=(\S+)\./);
      strictEqual(`${columns}x${rows}`, `${SIZE.columns}x${SIZE.rows}`);
      strictEqual(term, desk.env["TERM"]);
      await terminal.type("exit 3\n");
      strictEqual(await terminal.left(), 3);
    },
  },
  {
    name: "tells the shell when the terminal changes its size",
    here: ["script", "stty"],
    run: async (desk) => {
      await using terminal = await openShell(desk);
      const { rows, columns } = OTHER_SIZE;
      await terminal.type(
        `until test "$(stty size)" = "${rows} ${columns}"; do sleep 0.1; done; echo res''ized\n`,
      );
      await terminal.resize(OTHER_SIZE);
      await terminal.shown.until(/resized\r/);
      await terminal.type("exit\n");
      strictEqual(await terminal.left(), 0);
    },
  },
  {
    name: "hands Ctrl-C and Ctrl-D to the shell",
    here: ["script", "stty"],
    run: async (desk) => {
      await using terminal = await openShell(desk);
      // A loop of short sleeps: a signal before the sleep began is seen as well as one during it.
      await terminal.type(
        "stop=; trap 'stop=1' INT; echo wai''ting; until test $stop; do sleep 0.1; done; echo inter''rupted\n",
      );
      await terminal.shown.until(/waiting\r/);
      await terminal.type("\x03");
      await terminal.shown.until(/interrupted\r/);
      await terminal.type("trap - INT; cat >/dev/null; echo aft''er $?\n");
      await terminal.type("\x04");
      await terminal.shown.until(/after 0\r/);
      await terminal.type("\x04");
      await terminal.left();
    },
  },
  {
    name: "carries every byte of keys and screen",
    here: ["script", "stty"],
    run: async (desk) => {
      await using terminal = await openShell(desk);
      await terminal.type(
        "printf '\\303\\244\\342\\202\\254\\n'; read -r line; echo \"got <$line>\"\n",
      );
      await terminal.shown.until(/ä€\r/);
      await terminal.type("grüße ~ \\ 日本\n");
      await terminal.shown.until(/got <grüße ~ \\ 日本>/);
      await terminal.type("exit\n");
      strictEqual(await terminal.left(), 0);
    },
  },
  {
    name: "restores the terminal when a signal ends it",
    here: ["script", "stty"],
    run: async (desk) => {
      // The shell between writes its own pid, then becomes the program.
      const pidFile = desk.local("pid");
      await using terminal = await openShell(desk, `sh -c 'echo $$ >${pidFile}; exec "$@"' sh `);
      ok(await terminal.isRaw());
      await desk.must(["kill", "-TERM", (await Deno.readTextFile(pidFile)).trim()]);
      strictEqual(await terminal.left(), 143);
    },
  },
];
