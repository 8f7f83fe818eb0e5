/** Files over OpenSSH: scp in both protocols, sftp, rsync, git. Checksums are compared at both ends. */
import { match, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { MEGABYTE, sha256OfFile, writeRandomFile } from "../data.ts";
import type { Desk } from "../desk.ts";
import { withoutWaits } from "../waits.ts";

const SCP_BYTES = 20 * MEGABYTE;
const RSYNC_BYTES = 200 * MEGABYTE;
const GIT_BYTES = 8 * MEGABYTE;
/** 200 MB at 2 MB/s: a bad link is slow, not wrong. */
const RSYNC_LIMIT_MS = 150_000;

/** There and back again through `scp`. */
async function scpBothWays(desk: Desk, protocol: readonly string[]): Promise<void> {
  const here = desk.local("file");
  const back = desk.local("back");
  const there = await desk.remote("file");
  const sum = await writeRandomFile(here, SCP_BYTES);
  const scp = ["scp", ...protocol, "-q", "-p", "-F", desk.configPath];
  await Deno.chmod(here, 0o640);
  await desk.must([...scp, here, `workspace:${there}`]);
  match(await desk.mustSsh(`sha256sum <${there}`), new RegExp(`^${sum}\\b`));
  await desk.must([...scp, `workspace:${there}`, back]);
  strictEqual(await sha256OfFile(back), sum);
  strictEqual(((await Deno.stat(back)).mode ?? 0) & 0o777, 0o640);
}

export const COPY_CHECKS: readonly Check[] = [
  {
    name: "scp -O copies both ways (rcp protocol)",
    here: ["scp"],
    there: ["scp"],
    run: (desk) => scpBothWays(desk, ["-O"]),
  },
  {
    name: "scp -s copies both ways (sftp protocol)",
    here: ["scp"],
    since: {
      version: "v2.6.0",
      why: "the agent's SFTP ends with 1 after its work in some releases",
    },
    run: (desk) => scpBothWays(desk, ["-s"]),
  },
  {
    name: "sftp runs a batch",
    here: ["sftp"],
    run: async (desk) => {
      const here = desk.local("sftp");
      const there = await desk.remote("sftp");
      const sum = await writeRandomFile(here, MEGABYTE + 1);
      const batch = [
        `mkdir ${there}`,
        `put ${here} ${there}/a`,
        `rename ${there}/a ${there}/b`,
        `chmod 600 ${there}/b`,
        `get ${there}/b ${here}.back`,
        `ls -1 ${there}`,
        `rm ${there}/b`,
        `rmdir ${there}`,
      ];
      await using sftp = desk.start(["sftp", "-q", "-F", desk.configPath, "-b", "-", "workspace"]);
      const exit = await sftp.feed([new TextEncoder().encode(`${batch.join("\n")}\n`)]);
      strictEqual(withoutWaits(exit.stderr), "");
      strictEqual(exit.code, 0);
      ok(exit.stdout.split("\n").some((line) => line.trim().endsWith(`${there}/b`)));
      strictEqual(await sha256OfFile(`${here}.back`), sum);
    },
  },
  {
    name: "rsync carries 200 MB there and back",
    here: ["rsync"],
    there: ["rsync"],
    run: async (desk) => {
      const here = desk.local("tree");
      const back = desk.local("tree-back");
      const there = await desk.remote("tree");
      await Deno.mkdir(`${here}/few`, { recursive: true });
      const sum = await writeRandomFile(`${here}/big`, RSYNC_BYTES);
      for (let i = 0; i < 50; i++) await Deno.writeTextFile(`${here}/few/${i}`, `${i}`.repeat(i));
      const rsync = ["rsync", "-a", "--whole-file", "-e", desk.sshCommand()];
      const limit = { limitMs: RSYNC_LIMIT_MS };
      await desk.must([...rsync, `${here}/`, `workspace:${there}/`], limit);
      match(await desk.mustSsh(`sha256sum <${there}/big`), new RegExp(`^${sum}\\b`));
      await Deno.remove(`${here}/big`);
      await desk.must([...rsync, `workspace:${there}/`, `${back}/`], limit);
      strictEqual(await sha256OfFile(`${back}/big`), sum);
      for (let i = 0; i < 50; i++) {
        strictEqual(await Deno.readTextFile(`${back}/few/${i}`), `${i}`.repeat(i));
      }
      await Deno.remove(back, { recursive: true });
      await desk.mustSsh(`rm -rf ${there}`);
    },
  },
  {
    name: "git pushes and clones",
    here: ["git"],
    there: ["git"],
    run: async (desk) => {
      const here = desk.local("git");
      const clone = desk.local("clone");
      const there = await desk.remote("repo.git");
      await desk.mustSsh(`git init -q --bare ${there}`);
      const git = ["git", "-C", here];
      await desk.must(["git", "init", "-q", "-b", "main", here]);
      const sum = await writeRandomFile(`${here}/blob`, GIT_BYTES);
      await desk.must([...git, "add", "."]);
      const author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"];
      await desk.must([...git, ...author, "commit", "-q", "-m", "One"]);
      await desk.must([...git, "push", "-q", `workspace:${there}`, "main"]);
      await desk.must(["git", "clone", "-q", "-b", "main", `ssh://workspace${there}`, clone]);
      strictEqual(await sha256OfFile(`${clone}/blob`), sum);
      await desk.must(["git", "-C", clone, "fsck", "--strict"]);
    },
  },
];
