/** `hawser list` as a whole against a sandbox; its table is upstream's to the byte (cli/list.go, cli/cliui/table.go). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { jsonAnswer } from "../../lib/sandbox/mod.ts";
import { commandTest, SHELL } from "./support.ts";

const WORKSPACES = [
  { name: "beta", agents: [SHELL] },
  { name: "alpha", agents: [SHELL], transition: "stop" as const, ttlMs: 28_800_000 },
  { name: "other", owner: "somebody" },
];

commandTest("list prints upstream's table of one's own workspaces", async (desk) => {
  const { code, stdout } = await desk.runAny(["list"]);
  strictEqual(code, 0);
  const [head, ...rows] = stdout.split("\n");
  strictEqual(
    head,
    "WORKSPACE       TEMPLATE  STATUS   HEALTHY  LAST BUILT  CURRENT VERSION  OUTDATED  STARTS AT  STOPS AFTER  ",
  );
  match(
    rows[0] ?? "",
    /^ {2}myuser\/alpha {2}sandbox {3}Stopped {11}(0s|<1m) +v1 {15}false {16}8h {11}$/,
  );
  match(rows[1] ?? "", /^ {2}myuser\/beta {3}sandbox {3}Started {2}(true |false) {4}(0s|<1m) /);
  deepStrictEqual(rows.slice(2), [""]);
}, { workspaces: WORKSPACES });

commandTest(
  "ls is list; --all shows everybody's, --search finds, --column chooses",
  async (desk) => {
    const shown = async (...args: string[]) =>
      (await desk.runAny(["ls", "-c", "workspace", ...args])).stdout.split("\n").slice(1, -1)
        .map((line) => line.trim());
    deepStrictEqual(await shown(), ["myuser/alpha", "myuser/beta"]);
    deepStrictEqual(await shown("--all"), ["myuser/alpha", "myuser/beta", "somebody/other"]);
    deepStrictEqual(await shown("--search", "status:running"), ["myuser/beta", "somebody/other"]);
    deepStrictEqual(await shown("-c", "status", "--search", "name:beta"), ["myuser/beta  Started"]);
    const all = await desk.runAny(["list", "--column", ""]);
    match(
      all.stdout,
      /^FAVORITE {2}WORKSPACE +ORGANIZATION ID .* STOPS NEXT {2}DAILY COST {2}\n/,
    );
    const wrong = await desk.runAny(["list", "--column", "colour"]);
    strictEqual(wrong.code, 1);
    match(
      wrong.stderr,
      /invalid argument "colour" for "-c, --column" flag: invalid choice: colour, should be one of \[favorite workspace organization id/,
    );
  },
  { workspaces: WORKSPACES },
);

commandTest(
  "list marks favourites, and says when a workspace starts and stops by itself",
  async (desk) => {
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    workspace.isFavorite = true;
    workspace.autostartSchedule = "CRON_TZ=Europe/Berlin 30 9 * * 1-5";
    const { stdout } = await desk.runAny(["list", "-c", "workspace,starts at,starts next"]);
    match(
      stdout,
      /\n★ myuser\/myworkspace {2}9:30AM Mon-Fri \(Europe\/Berlin\) {2}\d{4}-\d\d-\d\dT\d\d:30:00(Z|[+-]\d\d:\d\d) {2}\n/,
    );
  },
);

commandTest(
  "list --output json is the API's list, page behind page, with nothing in it that a terminal obeys",
  async (desk) => {
    const { stdout } = await desk.runAny(["list", "--output", "json"]);
    const [first] = JSON.parse(stdout);
    strictEqual(first.name, "myworkspace");
    ok(stdout.startsWith('[\n  {\n    "id": "'), stdout.slice(0, 40));
    const evil = { ...first, name: "a\u202e<b>\x9b\u2028" };
    const pages = [Array.from({ length: 100 }, () => evil), [first]];
    const offsets: (string | null)[] = [];
    desk.sandbox.api.override("GET /workspaces", (request) => {
      offsets.push(request.query.get("offset"));
      return jsonAnswer({ workspaces: pages.shift() ?? [], count: 101 });
    });
    const many = await desk.runAny(["list", "-o", "json"], { terminal: { columns: 80, rows: 24 } });
    strictEqual(JSON.parse(many.stdout).length, 101);
    strictEqual(JSON.parse(many.stdout)[0].name, evil.name);
    ok(many.stdout.includes('"a\\u202e\\u003cb\\u003e\\u009b\\u2028"'), "escaped");
    deepStrictEqual(offsets, ["0", "100"]);
  },
);

commandTest(
  "list of nothing names the way to a first workspace, and is no failure",
  async (desk) => {
    const { code, stdout, stderr } = await desk.runAny(["list"]);
    deepStrictEqual([code, stdout], [0, ""]);
    strictEqual(stderr, "No workspaces found! Create one:\n\n  coder create <name>\n\n");
    deepStrictEqual((await desk.runAny(["list", "-o", "json"])).stdout, "[]\n");
  },
  { workspaces: [] },
);

commandTest("list in a window of 20 columns stays inside it", async (desk) => {
  const { stdout } = await desk.runAny(["list"], { terminal: { columns: 20, rows: 24 } });
  for (const line of stdout.split("\n")) ok(line.length <= 20, line);
  match(stdout, /^WORKSPACE: myuser\/m…\n/);
});

commandTest("list tells what the deployment says of a search, and exits 1", async (desk) => {
  const { code, stderr } = await desk.runAny(["list", "--search", "colour:red"]);
  strictEqual(code, 1);
  match(stderr, /query workspaces[^\n]*\nInvalid workspace search query\./);
});
