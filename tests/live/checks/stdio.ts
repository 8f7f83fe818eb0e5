/** `ssh --stdio` by itself: what is on standard output, when it ends, and with which status. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { clientFlight, impossiblePacket, messagesBehindBanner, SshMessage } from "../ssh_probe.ts";
import { withoutWaits } from "../waits.ts";

export const STDIO_CHECKS: readonly Check[] = [
  {
    name: "prints the agent's identification line first, and nothing else",
    run: async (desk) => {
      await using program = desk.startProgram(["--stdio", desk.workspace]);
      await program.stdout.until(/\n/);
      await program.closeInput();
      const exit = await program.exit();
      match(exit.stdout, /^SSH-2\.0-[^\r\n]+\r\n$/);
      strictEqual(withoutWaits(exit.stderr), "");
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "carries what the agent says after the end of input (half-close)",
    run: async (desk) => {
      await using program = desk.startProgram(["--stdio", desk.workspace]);
      await program.stdout.until(/\n/);
      await program.write(clientFlight());
      await program.closeInput();
      const exit = await program.exit();
      const messages = messagesBehindBanner(program.stdout.raw());
      const { KEXINIT, KEX_ECDH_REPLY, NEWKEYS } = SshMessage;
      deepStrictEqual(messages.slice(0, 3), [KEXINIT, KEX_ECDH_REPLY, NEWKEYS]);
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "greets and ends when input ends before there is a session",
    run: async (desk) => {
      const exit = await desk.runProgram(["--stdio", desk.workspace], { limitMs: 20_000 });
      match(exit.stdout, /^SSH-2\.0-[^\r\n]+\r\n/);
      strictEqual(exit.code, 0);
    },
  },
  {
    name: "ends with 0 when the agent ends the stream, though input stays open",
    run: async (desk) => {
      await using program = desk.startProgram(["--stdio", desk.workspace]);
      await program.stdout.until(/\n/);
      await program.write(impossiblePacket());
      const exit = await program.exit();
      strictEqual(exit.code, 0);
      strictEqual(withoutWaits(exit.stderr), "");
    },
  },
  {
    name: "ignores a command (coder-ssh: --stdio wins)",
    run: async (desk) => {
      await using program = desk.startProgram(["--stdio", desk.workspace, "echo", "hello"]);
      await program.stdout.until(/\n/);
      await program.closeInput();
      match((await program.exit()).stdout, /^SSH-2\.0-[^\r\n]+\r\n$/);
    },
  },
];
