/** Pinned host keys, against the Go peer and against OpenSSH's own reading of the file. */
import { deepStrictEqual } from "node:assert/strict";
import { findKnownKeys, knownKeyLine } from "../../lib/ssh/known_hosts.ts";
import { HOST_KEY_CHECKS } from "../live/checks/host_keys.ts";
import { isInstalled, testWith } from "../live/check.ts";
import { shellQuote } from "../live/names.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { registerOnPeer } from "./site.ts";

registerOnPeer("host keys:", HOST_KEY_CHECKS);

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICFiYMmSz150Y1clka+ZF14I/mzA7BocBkxHpQ+PgxuZ";
const NAMES = ["h", "H", "a.lab", "A.Lab", "b.a.lab", "[h]:2222", "[a.lab]:1", "ha"];
const PATTERNS = [
  ...NAMES,
  "*",
  "?",
  "h*",
  "*.lab",
  "*.LAB",
  "?.lab",
  "[*]:2222",
  "[*]:*",
  "*a*",
  "",
];
const LINES = 400;

async function keygen(...args: readonly string[]): Promise<string> {
  const line = ["ssh-keygen", ...args].map(shellQuote).join(" ");
  const { stdout } = await new Deno.Command("sh", { args: ["-c", line], stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

const missing = ["sh", "ssh-keygen"].filter((program) => !isInstalled(program));

testWith(
  "host keys: a name is on the lines that ssh-keygen says, plain and hashed",
  missing,
  async () => {
    const random = new SeededRandom(7);
    const pick = <Item>(items: readonly Item[], otherwise: Item): Item =>
      items[random.below(items.length)] ?? otherwise;
    const lines = Array.from({ length: LINES }, () => {
      const count = 1 + random.below(3);
      const names = Array.from(
        { length: count },
        () => pick(["", "", "!"], "") + pick(PATTERNS, "h"),
      );
      const marker = pick(["", "", "", "@revoked ", "@bogus "], "");
      const key = pick([KEY, KEY, KEY, `${KEY} words`, "ssh-bogus AAAA", "ssh-ed25519"], KEY);
      return `${pick(["", " ", "\t", "#"], "")}${marker}${names.join(",")}${
        pick([" ", "\t"], " ")
      }${key}`;
    });
    const path = await Deno.makeTempFile();
    try {
      for (const isHashed of [false, true]) {
        await Deno.writeTextFile(path, lines.join("\n") + "\n");
        if (isHashed) await keygen("-H", "-f", path);
        const text = await Deno.readTextFile(path);
        for (const name of NAMES) {
          // ssh(1) asks in lower case.
          const answer = await keygen("-F", name.toLowerCase(), "-f", path);
          const theirs = [...answer.matchAll(/^# Host .* found: line (\d+)/gm)].map((m) =>
            Number(m[1])
          );
          deepStrictEqual(findKnownKeys(text, name).map(({ line }) => line), theirs, name);
        }
      }
      const [type = "", base64 = ""] = KEY.split(" ");
      await Deno.writeTextFile(path, knownKeyLine("", { names: ["x.y", "[z]:3"], type, base64 }));
      for (const name of ["x.y", "[z]:3"]) {
        const answer = await keygen("-F", name, "-f", path);
        deepStrictEqual(/found: line (\d+)/.exec(answer)?.[1], "1", name);
      }
    } finally {
      for (const suffix of ["", ".old"]) await Deno.remove(path + suffix).catch(() => {});
    }
  },
);
