/** Where `-v` is told: on stderr, or with `--stdio` and a log file in that file only, as editors call it. */
import { match, ok, strictEqual } from "node:assert/strict";
import { createBytePipe } from "../support/byte_pipe.ts";
import { commandTest } from "./support.ts";

commandTest("-v tells each step on stderr, timed from the start of the process", async (desk) => {
  const { code, stderr } = await desk.run(["-v", "myworkspace", "true"]);
  strictEqual(code, 0);
  match(stderr, /^\+ *\d+ms api: sdk request {2}method=GET/m);
  match(stderr, /^\+ *\d+ms session started$/m);
  match(stderr, /^\+ *\d+ms leaving the network {2}bytesIn=[1-9]\d* {2}bytesOut=[1-9]\d*$/m);
});

commandTest("-v with --stdio and a log file leaves stderr alone", async (desk) => {
  const dir = await Deno.makeTempDir({ prefix: "hawser-verbose-" });
  try {
    const [outer, inner] = createBytePipe();
    await using run = desk.start(["-v", "--stdio", "--log-dir", dir, "myworkspace"], {
      pipe: inner,
    });
    const banner = await outer.read(new Uint8Array(256));
    ok((banner ?? 0) > 0, "the agent greets");
    await outer.closeWrite();
    const { stderr } = await run.result();
    strictEqual(stderr, "");
    const [file, ...others] = [...Deno.readDirSync(dir)].map(({ name }) => name);
    strictEqual(others.length, 0);
    match(await Deno.readTextFile(`${dir}/${file ?? ""}`), /\[debu\] {2}api: sdk request/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
