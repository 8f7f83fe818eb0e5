import assert from "node:assert/strict";
import fc from "fast-check";
import { LogStreamError, parseAgentLogs, parseBuildLog } from "../../lib/coder/log_stream.ts";

Deno.test("parseBuildLog() reads one line and strips it (docs/protocol/api.md#build-logs)", () => {
  const log = parseBuildLog(JSON.stringify({
    id: 7,
    created_at: "2026-07-24T10:00:00.123Z",
    log_source: "provisioner",
    log_level: "info",
    stage: "Starting\x1b[31m workspace",
    output: "\x1b[33mwarning\x1b[0m: colours ✓\x1b]0;pwned\x07",
  }));
  assert.deepEqual(log, {
    id: 7,
    createdAtMs: Date.UTC(2026, 6, 24, 10, 0, 0, 123),
    level: "info",
    stage: "Starting workspace",
    output: "warning: colours ✓",
  });
});

Deno.test("parseAgentLogs() reads lists, empty and null ones, old and new elements (docs/protocol/api.md#agent-logs)", () => {
  assert.deepEqual(parseAgentLogs("[]"), []);
  assert.deepEqual(parseAgentLogs("null"), []);
  const [old] = parseAgentLogs(
    '[{"id":1,"created_at":"2026-07-24T10:00:00Z","output":"x","level":"info"}]',
  );
  assert.equal(old?.sourceId, "");
});

Deno.test("Log messages that say something else throw LogStreamError and nothing else", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    for (const parse of [parseBuildLog, parseAgentLogs]) {
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof LogStreamError);
      }
    }
  }));
});

Deno.test("parseAgentLogs() takes a megabyte of line feeds, blanks or escapes in one line", () => {
  const runs = ["\n", " ", "\t", "\r\n", "\x1b", "\x1b[", "\x9b0", "\x1b]", "\u202e"];
  for (const run of runs) {
    const output = run.repeat(1_000_000 / run.length) + "x";
    const [log] = parseAgentLogs(JSON.stringify([{ id: 1, output, stage: output }]));
    assert.ok((log?.output.length ?? 0) <= 1_000_001);
  }
  const [log] = parseAgentLogs(
    JSON.stringify([{ id: 1, output: "x\n\ny" + "\n".repeat(100_000) }]),
  );
  assert.equal(log?.output, "x\n\ny");
});

Deno.test("parseBuildLog() takes a megabyte of one character as stage and output", () => {
  for (const run of ["\n", " ", "\u00a0"]) {
    const text = "a" + run.repeat(1_000_000) + "b";
    const log = parseBuildLog(JSON.stringify({ id: 1, stage: text, output: text }));
    assert.ok(log.output.endsWith("b"));
    assert.equal(log.stage, "a");
  }
});
