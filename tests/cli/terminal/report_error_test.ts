import assert from "node:assert/strict";
import { ProtocolError, UserError } from "../../../lib/base/errors.ts";
import { HostError } from "../../../lib/base/host.ts";
import { ApiError, CanceledError, StepError } from "../../../lib/coder/errors.ts";
import { TransportError } from "../../../lib/base/http.ts";
import { StreamError } from "../../../lib/base/stream.ts";
import { ExitError } from "../../../lib/cli/terminal/errors.ts";
import { reportError } from "../../../lib/cli/terminal/report_error.ts";
import { FakeHost } from "../../support/fake_host.ts";

const HEAD =
  'Encountered an error running "hawser ssh", see "hawser ssh --help" for more information';

function report(thrown: unknown, verbose = false): { code: number; text: string } {
  const host = new FakeHost();
  const code = reportError(host, thrown, { command: "hawser ssh", verbose });
  assert.equal(host.stdout.text, "");
  return { code, text: host.stderr.text };
}

function api(changes: object = {}): ApiError {
  return new ApiError({
    status: 400,
    method: "GET",
    url: "https://x.example/api/v2/y",
    apiMessage: "Bad request.",
    detail: "more",
    validations: [{ field: "name", detail: "taken" }],
    ...changes,
  });
}

Deno.test("reportError() prints the frame of docs/protocol/ssh.md#exit-codes-and-errors and gives the exit code", async (t) => {
  const rows: { name: string; in: unknown; code: number; out: string }[] = [
    {
      name: "what failed and what to do",
      in: new UserError("a failed", { hint: "do b" }),
      code: 1,
      out: `${HEAD}\nerror: a failed\ndo b\n`,
    },
    {
      name: "no hint",
      in: new UserError("a failed", { exitCode: 3 }),
      code: 3,
      out: `${HEAD}\nerror: a failed\n`,
    },
    {
      name: "nobody reads our output any more",
      in: new HostError("broken-pipe", "write to standard output: broken pipe"),
      code: 141,
      out: "",
    },
    {
      name: "steps and the network",
      in: new StepError(
        "dial agent",
        new StepError(
          "Cannot reach x",
          new TransportError("refused", "connection refused"),
          "a VPN?",
        ),
      ),
      code: 1,
      out: `${HEAD}\nerror: dial agent: Cannot reach x: connection refused\na VPN?\n`,
    },
    {
      name: "API error",
      in: api(),
      code: 1,
      out: `${HEAD}\nerror: Bad request.\n1 validation error(s) found\n\tname: taken\nmore\n`,
    },
    {
      name: "API error with helper",
      in: api({ validations: [], helper: "log in" }),
      code: 1,
      out: `${HEAD}\nerror: Bad request.\nSuggestion: log in\n`,
    },
    {
      name: "wrapped API error",
      in: new StepError(
        "fetch",
        new StepError("fetch workspace agent", api({ detail: "", validations: [] })),
      ),
      code: 1,
      out: `${HEAD}\nerror: Trace=[fetch: fetch workspace agent]\nBad request.\n`,
    },
    {
      name: "terminal escapes of a server",
      in: api({ apiMessage: "a\x1b]0;x\x07b", detail: "\x1b[2J", validations: [] }),
      code: 1,
      out: `${HEAD}\nerror: ab\n\n`,
    },
    {
      name: "lost connection",
      in: new ExitError(255, "SSH connection ended unexpectedly"),
      code: 255,
      out: "SSH connection ended unexpectedly\n",
    },
    { name: "a remote status", in: new ExitError(7), code: 7, out: "" },
    { name: "canceled", in: new CanceledError(), code: 1, out: "" },
    { name: "aborted", in: new DOMException("x", "AbortError"), code: 1, out: "" },
    {
      name: "a defect",
      in: new TypeError("boom"),
      code: 1,
      out:
        `${HEAD}\nerror: boom\nThis is not supposed to happen: run it again with -v and report it\n`,
    },
    {
      name: "something that is no error",
      in: "text",
      code: 1,
      out:
        `${HEAD}\nerror: text\nThis is not supposed to happen: run it again with -v and report it\n`,
    },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      assert.deepEqual(report(row.in), { code: row.code, text: row.out });
    });
  }
});

Deno.test("reportError() lets no word of a server begin a line of ours", () => {
  const forged = "m\nerror: faked line\r\nnext\n\ttab\rback\u2028\x1b[2K\u202e";
  const indented = "m\n  error: faked line\n  next\n\ttab\n  back";
  const validations = [{ field: "f\nerror: f", detail: "d\nerror: d" }];
  const rows: { in: unknown; out: string }[] = [
    { in: new UserError(forged), out: `${HEAD}\nerror: ${indented}\n` },
    { in: new UserError("a", { hint: "h\nerror: x" }), out: `${HEAD}\nerror: a\nh error: x\n` },
    {
      in: new UserError("a\nb", { details: ["c", "\td\ne", ""] }),
      out: `${HEAD}\nerror: a\n  b\nc\n\td e\n\n`,
    },
    { in: new ExitError(3, forged), out: `${indented}\n` },
    { in: new ExitError(3, "a", ["b\nc"]), out: "a\nb c\n" },
    {
      in: new StepError("dial agent", new Error(forged)),
      out: `${HEAD}\nerror: dial agent: ${indented}\n`,
    },
    {
      in: new StepError("s\nt", api({ apiMessage: forged, detail: "d\ne", validations })),
      out: `${HEAD}\nerror: Trace=[s t]\n${indented}\n1 validation error(s) found\n` +
        "\tf\n  error: f: d\n  error: d\nd\n  e\n",
    },
    {
      in: api({ apiMessage: "m", helper: "h\nx", validations: [] }),
      out: `${HEAD}\nerror: m\nSuggestion: h\n  x\n`,
    },
  ];
  for (const row of rows) assert.equal(report(row.in).text, row.out);
});

Deno.test("reportError() shows stacks of mistakes alone, and one line for each cause of a situation", () => {
  const VERBOSE = true;
  const network = new StepError(
    "dial agent",
    new TransportError("refused", "connection refused", new TypeError("error sending request")),
  );
  assert.equal(
    report(network, VERBOSE).text,
    `${HEAD}\nerror: dial agent: connection refused\ncaused by TypeError: error sending request\n`,
  );
  const situations = [
    new UserError("x", { cause: new SyntaxError("not JSON") }),
    new HostError("no-space", "x", new Error("os error 28")),
    new StreamError({ kind: "aborted", message: "x" }),
    new ProtocolError("x", { code: "c", cause: new RangeError("y") }),
    new StepError("x", new Error("dial: connection refused")),
    api(),
  ];
  for (const thrown of situations) assert.doesNotMatch(report(thrown, VERBOSE).text, /^\s+at /m);
  const mistakes = [
    new TypeError("boom"),
    new Error("boom"),
    new StepError("x", new RangeError("boom")),
    new StepError("x", new StepError("y", new ReferenceError("boom"))),
  ];
  for (const thrown of mistakes) {
    assert.match(report(thrown, VERBOSE).text, /boom\n\s+at /);
    assert.match(report(thrown).text, /boom\nThis is not supposed to happen/);
  }
});

Deno.test("reportError() adds request, detail and causes with -v only", () => {
  const thrown = new StepError("fetch", api({ helper: "log in", validations: [] }));
  thrown.cause = Object.assign(api({ helper: "log in", validations: [] }), {
    cause: new Error("behind it"),
  });
  const VERBOSE = true;
  const { text } = report(thrown, VERBOSE);
  assert.match(text, /GET https:\/\/x\.example\/api\/v2\/y: unexpected status code 400\n/);
  assert.match(text, /Suggestion: log in\nmore\n/);
  assert.match(text, /^caused by Error: behind it$/m);
  assert.doesNotMatch(report(thrown).text, /\bat \b/);
});
