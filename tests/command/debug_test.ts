/** `--debug-options` and `--debug-http`, which tell what goes on and no secret. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { commandTest } from "./support.ts";

commandTest(
  "--debug-options names the source of each value, and does nothing else",
  async (desk) => {
    const { code, stdout, stderr } = await desk.run(
      ["--debug-options", "--wait=no", "myworkspace", "echo hi"],
      { env: { CODER_SSH_ENV: "A=1" } },
    );
    strictEqual(code, 0);
    strictEqual(stderr, "");
    match(stdout, /^Option +Value Source\n"container"\n/);
    match(stdout, /^"env" +env$/m);
    match(stdout, /^"wait" +flag$/m);
    match(stdout, /^"workspace-poll-interval" +default$/m);
    doesNotMatch(stdout, /hi/);
  },
);

commandTest("--debug-http shows requests and answers without the token", async (desk) => {
  const { code, stdout, stderr } = await desk.run(
    ["--debug-http", "--header", "X-Secret=open sesame", "myworkspace", "echo hi"],
  );
  strictEqual(code, 0);
  strictEqual(stdout, "hi\n");
  match(stderr, /^http --> GET \/api\/v2\/users\/me\/workspace\/myworkspace\S* HTTP\/1\.1$/m);
  match(stderr, /^http --> Coder-Session-Token: \[hidden\]$/m);
  match(stderr, /^http <-- HTTP\/1\.1 200$/m);
  match(stderr, /^http <-- \{"id":/m);
  doesNotMatch(stderr, /open sesame/);
  ok(!stderr.includes(desk.sandbox.token));
});
