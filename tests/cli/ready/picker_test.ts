import assert from "node:assert/strict";
import fc from "fast-check";
import { parseKeys } from "../../../lib/cli/terminal/keys.ts";
import {
  matching,
  onPickerKey,
  picker,
  type PickerItem,
  type PickerState,
  pickWorkspace,
  renderPicker,
} from "../../../lib/cli/ready/picker.ts";
import { runPrompt } from "../../../lib/cli/terminal/prompt.ts";
import { wireAgent, wireBuild, wireWorkspace } from "../../support/fake_coder_objects.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { fakeSteps } from "../../support/fake_steps.ts";

const ITEMS: PickerItem[] = ["alpha", "beta", "gamma"].map((value) => ({ value, note: "running" }));
const SIZE = { columns: 40, rows: 10 };

function type(state: PickerState, keys: string): PickerState | PickerItem | undefined {
  for (const key of parseKeys(keys)) {
    const step = onPickerKey(state, key);
    if (step.kind === "done") return step.result;
    if (step.kind === "canceled") return undefined;
    state = step.state;
  }
  return state;
}

const START = picker("Which?", ITEMS).initial;

Deno.test("picker: type to narrow, arrows to move, Enter to take", () => {
  assert.deepEqual(renderPicker(START, SIZE), [
    "Which?",
    "> alpha  running",
    "  beta  running",
    "  gamma  running",
  ]);
  assert.deepEqual(type(START, "\r"), ITEMS[0]);
  assert.deepEqual(type(START, "\x1b[B\x1b[B\x1b[B\r"), ITEMS[2]);
  assert.deepEqual(type(START, "\x1bOB\x1b[A\x1b[A\r"), ITEMS[0]);
  assert.deepEqual(type(START, "mm\r"), ITEMS[2]);
  assert.deepEqual(type(START, "zz\x7f\x7fBET\r"), ITEMS[1]);
  assert.equal(type(START, "\x03"), undefined);
  assert.equal(type(START, "\x1b"), undefined);
  const nothing = type(START, "zz\r");
  assert.ok(nothing !== undefined && "filter" in nothing);
  assert.deepEqual(renderPicker(nothing, SIZE), ["Which? zz", "  nothing matches"]);
});

Deno.test("picker never draws wider or taller than the terminal, whatever is typed", () => {
  const many = Array.from({ length: 50 }, (_, i) => ({ value: `ws-${i}`, note: "x".repeat(60) }));
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 3, max: 100 }),
      fc.integer({ min: 4, max: 50 }),
      (keys, columns, rows) => {
        const state = type(picker("Which workspace?", many).initial, keys);
        if (state === undefined || !("filter" in state)) return;
        const lines = renderPicker(state, { columns, rows });
        assert.ok(lines.length <= rows);
        assert.ok(lines.every((line) => [...line].length <= columns));
        assert.ok(
          matching(state).length === 0 || lines.some((line) => line.startsWith(">")),
        );
      },
    ),
  );
});

Deno.test("parseKeys() takes anything a terminal sends", () => {
  assert.deepEqual(parseKeys("aé\x1b[200~\x1b[1;5C\x00"), [
    { kind: "text", text: "a" },
    { kind: "text", text: "é" },
  ]);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const keys = parseKeys(String.fromCharCode(...bytes));
    assert.ok(keys.length <= bytes.length);
  }));
});

Deno.test("runPrompt() restores the terminal on every way out", async () => {
  for (const stdin of [["\r"], ["\x03"], []]) {
    const host = new FakeHost({ stdin, stdinIsTerminal: true, stderrIsTerminal: true });
    const result = await runPrompt(host, picker("Which?", ITEMS));
    assert.equal(result?.value, stdin[0] === "\r" ? "alpha" : undefined);
    assert.deepEqual(host.rawMode, { entered: 1, left: 1 });
    assert.ok(host.stderr.text.startsWith("\x1b[?25l"));
    assert.ok(host.stderr.text.endsWith("\x1b[?25h"));
    assert.equal(host.stdout.text, "");
  }
  const broken = new FakeHost({ stdin: ["x"], stdinIsTerminal: true });
  const failing = { ...picker("Which?", ITEMS), onKey: () => assert.fail("boom") };
  await assert.rejects(runPrompt(broken, failing), /boom/);
  assert.deepEqual(broken.rawMode, { entered: 1, left: 1 });
});

Deno.test("pickWorkspace() asks on a terminal, else gives the plain error (behaviour §1.1)", async (t) => {
  const two = wireBuild({
    resources: [{ agents: [wireAgent({ name: "b" }), wireAgent({ name: "a" })] }],
  });
  const list = [
    wireWorkspace({ name: "zed" }),
    wireWorkspace({ name: "multi", latest_build: two }),
  ];
  const terminal = { stdinIsTerminal: true, stderrIsTerminal: true };
  await t.step("bare name with one agent, each agent with several", async () => {
    using fake = fakeSteps({ ...terminal, stdin: ["\x1b[B\r"] });
    fake.coder.routes.set("GET /workspaces", () => ({ body: { workspaces: list, count: 2 } }));
    assert.equal(await pickWorkspace(fake.steps, { stdio: false }), "multi.b");
    assert.deepEqual(fake.coder.calls, ["GET /workspaces?q=owner%3A%22me%22"]);
    assert.match(fake.host.stderr.text, /> multi\.a {2}running, docker/);
  });
  await t.step("no terminal, or stdio", async () => {
    for (
      const [options, stdio] of [[{}, false], [terminal, true], [
        { stdinIsTerminal: true },
        false,
      ]] as const
    ) {
      using fake = fakeSteps(options);
      await assert.rejects(pickWorkspace(fake.steps, { stdio }), {
        message: "expected the name of a workspace",
      });
      assert.equal(fake.coder.requests.length, 0);
    }
  });
  await t.step("no workspaces", async () => {
    using fake = fakeSteps(terminal);
    fake.coder.routes.set("GET /workspaces", () => ({ body: { workspaces: null, count: 0 } }));
    await assert.rejects(pickWorkspace(fake.steps, { stdio: false }), {
      message: "You have no workspaces",
    });
  });
});
