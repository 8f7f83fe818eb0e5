import assert from "node:assert/strict";
import fc from "fast-check";
import { cellsOf } from "../../../lib/base/cells.ts";
import { type Key, KeyDecoder } from "../../../lib/cli/terminal/keys.ts";
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
import type { Host, HostInput } from "../../../lib/base/host.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { fakeSteps } from "../../support/fake_steps.ts";

const ITEMS: PickerItem[] = ["alpha", "beta", "gamma"].map((value) => ({ value, note: "running" }));
const SIZE = { columns: 40, rows: 10 };

/** The keys in a text that comes at once. */
function parseKeys(text: string): readonly Key[] {
  const keys = new KeyDecoder();
  return [...keys.decode(text), ...keys.settle()];
}

function type(state: PickerState, keys: string): PickerState | PickerItem | undefined {
  for (const key of parseKeys(keys)) {
    const step = onPickerKey(state, key);
    if (step.kind === "done") return step.result;
    if (step.kind === "canceled") return undefined;
    state = step.state;
  }
  return state;
}

/** The host with another standard input. */
function withStdin(host: FakeHost, stdin: HostInput): Host {
  return new Proxy<Host>(host, {
    get: (of, name) => {
      const value = name === "stdin" ? stdin : Reflect.get(of, name, of);
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
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
  const many = Array.from({ length: 50 }, (_, i) => ({
    value: `ws-${i}`,
    note: (i % 2 === 0 ? "x" : "日").repeat(60),
  }));
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 3, max: 100 }),
      fc.integer({ min: 1, max: 50 }),
      (keys, columns, rows) => {
        const state = type(picker("Which workspace?", many).initial, keys);
        if (state === undefined || !("filter" in state)) return;
        const lines = renderPicker(state, { columns, rows });
        assert.ok(lines.length <= rows);
        assert.ok(lines.every((line) => cellsOf(line) <= columns));
        assert.ok(
          matching(state).length === 0 || lines.some((line) => line.startsWith(">")),
        );
      },
    ),
  );
});

Deno.test("picker: lines and words are killed, and the ends of the list have all their keys", () => {
  const filterOf = (keys: string) => {
    const state = type(START, keys);
    assert.ok(state !== undefined && "filter" in state, keys);
    return state.filter;
  };
  assert.equal(filterOf("al pha\x15b"), "b");
  assert.equal(filterOf("al pha\x0bb"), "b");
  assert.equal(filterOf("al pha\x17b"), "al b");
  assert.equal(filterOf("al pha  \x17"), "al ");
  assert.equal(filterOf("al pha\x17\x17\x17"), "");
  assert.equal(filterOf("al pha\x1b\x7f"), "al ");
  assert.equal(filterOf("日本\x7f"), "日");
  assert.equal([...filterOf("👋".repeat(100))].length, 64);
  for (const end of ["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~", "\x05", "\x1b[6~"]) {
    assert.deepEqual(type(START, `${end}\r`), ITEMS[2], JSON.stringify(end));
    for (const home of ["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x01", "\x1b[5~"]) {
      assert.deepEqual(type(START, `${end}${home}\r`), ITEMS[0], JSON.stringify(home));
    }
  }
});

Deno.test("picker on a small terminal: what is typed is seen, and what is chosen", () => {
  const typed = { ...START, title: "Which workspace?", filter: "a long filter" };
  const title = (columns: number) => renderPicker(typed, { columns, rows: 10 })[0];
  assert.equal(title(80), "Which workspace? a long filter");
  assert.equal(title(24), "Which workspace? …filter");
  assert.equal(title(20), "a long filter");
  assert.equal(title(10), "…ng filter");
  const second = { ...START, selected: 1 };
  const lines = (rows: number) => renderPicker(second, { columns: 20, rows });
  assert.deepEqual(lines(1), ["> beta  running"]);
  assert.deepEqual(lines(2), ["Which?", "> beta  running"]);
  assert.deepEqual(lines(3), ["Which?", "> beta  running", "  (2 more)"]);
});

Deno.test("runPrompt() waits a moment for the rest of a sequence that came in pieces", async (t) => {
  const rows: { name: string; pieces: readonly (string | number)[]; picks: string | undefined }[] =
    [
      { name: "an arrow in two reads", pieces: ["\x1b", 20, "[B\r"], picks: "beta" },
      { name: "in three", pieces: ["\x1b", 30, "[", 500, "B\r"], picks: "beta" },
      { name: "application mode", pieces: ["\x1b", 40, "O", 40, "B", 40, "\r"], picks: "beta" },
      { name: "with a number", pieces: ["\x1b[", 40, "4", 40, "~\r"], picks: "gamma" },
      { name: "unknown ones", pieces: ["\x1b[1;5", 40, "C\x1b[[", 40, "A\r"], picks: "alpha" },
      { name: "Alt and an arrow", pieces: ["\x1b", 20, "\x1b[B\r"], picks: "beta" },
      { name: "Alt and a letter", pieces: ["\x1bz", 20, "\r"], picks: "alpha" },
      { name: "a lone escape", pieces: ["\x1b", 10_000, "\r"], picks: undefined },
      { name: "an escape behind text", pieces: ["be\x1b", 10_000, "\r"], picks: undefined },
      { name: "an escape at the end of the input", pieces: ["\x1b"], picks: undefined },
      { name: "a letter in two reads", pieces: ["\xc3", 10, "\xa9\x7fb", 10, "\r"], picks: "beta" },
      {
        name: "a paste longer than a read, cut in a sequence",
        pieces: ["x".repeat(255) + "\x1b[B\x15ga\r"],
        picks: "gamma",
      },
      {
        name: "an endless sequence",
        pieces: [`\x1b[${"1".repeat(40)}\x15b`, 10, "\r"],
        picks: "beta",
      },
      { name: "Ctrl-C in a sequence", pieces: ["\x1b[1\x03"], picks: undefined },
    ];
  for (const { name, pieces, picks } of rows) {
    await t.step(name, async () => {
      using host = new FakeHost({ stdinIsTerminal: true, stderrIsTerminal: true });
      const queue = pieces.map((piece) =>
        typeof piece === "string" ? Uint8Array.from(piece, (c) => c.charCodeAt(0)) : piece
      );
      const stdin: HostInput = {
        ...host.stdin,
        async read(into) {
          const next = queue.shift();
          if (typeof next === "number") {
            await host.clock.sleep(next);
            return await this.read(into);
          }
          if (next === undefined) return null;
          if (next.length > into.length) queue.unshift(next.subarray(into.length));
          into.set(next.subarray(0, into.length));
          return Math.min(next.length, into.length);
        },
      };
      const result = await runPrompt(withStdin(host, stdin), picker("Which?", ITEMS));
      assert.equal(result?.value, picks);
      assert.deepEqual(host.rawMode, { entered: 1, left: 1 });
      if (name === "a lone escape") assert.equal(host.clock.now(), 50);
    });
  }
});

const OPEN = "\x1b[?25l\x1b[?1049h";
const CLOSE = "\x1b[?1049l\x1b[?25h";
const ERASE = "\r\x1b[J";

Deno.test("runPrompt() draws anew when the size changes, and is done with the terminal when it ends", async () => {
  let size = { columns: 80, rows: 24 };
  using host = new FakeHost({ stdinIsTerminal: true, stderrIsTerminal: true });
  host.stderr.size = () => size;
  const read = Promise.withResolvers<number | null>();
  const stdin: HostInput = { ...host.stdin, read: () => read.promise };
  const running = runPrompt(withStdin(host, stdin), picker("Which?", ITEMS));
  await Promise.resolve();
  const whole =
    `${ERASE}Which?\r\n> alpha  running\r\n  beta  running\r\n  gamma  running\x1b[3A\r`;
  assert.equal(host.stderr.text, `${OPEN}${whole}`);
  size = { columns: 10, rows: 3 };
  assert.ok(host.raise("SIGWINCH"));
  const narrow = `${ERASE}Which?\r\n> alpha  …\r\n  (2 more)\x1b[2A\r`;
  assert.equal(host.stderr.text, `${OPEN}${whole}${narrow}`);
  read.resolve(null);
  assert.equal(await running, undefined);
  assert.equal(host.stderr.text, `${OPEN}${whole}${narrow}${ERASE}\r${CLOSE}`);
  assert.ok(!host.raise("SIGWINCH"));
});

Deno.test("runPrompt() ends with the signal's reason, and leaves the terminal as it was", async () => {
  using host = new FakeHost({ stdinIsTerminal: true, stderrIsTerminal: true });
  const abort = new AbortController();
  const stdin: HostInput = { ...host.stdin, read: () => new Promise(() => {}) };
  const { signal } = abort;
  const running = runPrompt(withStdin(host, stdin), picker("Which?", ITEMS), { signal });
  abort.abort(new Error("terminated"));
  await assert.rejects(running, { message: "terminated" });
  assert.deepEqual(host.rawMode, { entered: 1, left: 1 });
  assert.ok(host.stderr.text.endsWith("\x1b[?25h"));
  await assert.rejects(runPrompt(host, picker("Which?", ITEMS), { signal }), /terminated/);
  assert.equal(host.rawMode.entered, 1);
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

Deno.test("pickWorkspace() asks on a terminal, else gives the plain error (docs/protocol/ssh.md#names)", async (t) => {
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
