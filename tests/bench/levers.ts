/**
 * `deno run -A tests/bench/levers.ts [--rounds=N]`, behind `deno task bundle`: what the runtime's own levers do to a start, one by one, in rounds
 * that take turns: `--stdio` to its first byte and `version` to its end, on the Go peer or at the deployment that
 * `CODER_URL`, `CODER_SESSION_TOKEN` and `HAWSER_LIVE_WORKSPACE` name. Prints a markdown table of medians.
 */
import { parseArgs } from "node:util";
import { Desk } from "../live/desk.ts";
import { fromFileUrl, shellQuote } from "../live/names.ts";
import { openSite } from "../interop/site.ts";
import { firstByte, LIMIT_MS } from "./first_byte.ts";
import { median } from "./median.ts";

/** Flags of `deno run`, by what they do. */
const LEVERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["as it is", []],
  ["no code cache", ["--no-code-cache"]],
  ["`--single-threaded`", ["--v8-flags=--single-threaded"]],
  ["`--single-threaded-gc`", ["--v8-flags=--single-threaded-gc"]],
  ["`--min-semi-space-size=16`", ["--v8-flags=--min-semi-space-size=16"]],
  ["`--no-lazy-feedback-allocation`", ["--v8-flags=--no-lazy-feedback-allocation"]],
  ["`--always-sparkplug`", ["--v8-flags=--always-sparkplug"]],
  ["`--max-lazy`", ["--v8-flags=--max-lazy"]],
  ["`--no-flush-bytecode`", ["--v8-flags=--no-flush-bytecode"]],
  ["`--no-turbofan`", ["--v8-flags=--no-turbofan"]],
]);

type Figures = Record<"firstByteMs" | "peakMib" | "versionMs", number[]>;

async function measure(desk: Desk, argv: readonly string[], figures: Figures): Promise<void> {
  const pipe = [...argv, "ssh", "--stdio", desk.workspace].map(shellQuote).join(" ");
  const [ms, mib] = await firstByte(desk, { pipe });
  figures.firstByteMs.push(ms);
  figures.peakMib.push(mib);
  const asked = performance.now();
  await desk.must([...argv, "version"], { env: desk.env, limitMs: LIMIT_MS });
  figures.versionMs.push(performance.now() - asked);
}

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "9" } },
});
await using stack = new AsyncDisposableStack();
const [url, token, workspace] = ["CODER_URL", "CODER_SESSION_TOKEN", "HAWSER_LIVE_WORKSPACE"]
  .map((name) => Deno.env.get(name));
const desk = url === undefined || token === undefined || workspace === undefined
  ? stack.use(await openSite({ peer: ["--relay-only"] })).desk
  : stack.use(await Desk.open({ url, token, workspace }));
const bundle = fromFileUrl(new URL("../../dist/bundle/main.js", import.meta.url));
const sides = [...LEVERS].map(([name, lever]) => ({
  name,
  argv: [
    Deno.execPath(),
    "run",
    "-A",
    "--no-prompt",
    "--unstable-net",
    "--no-config",
    ...lever,
    bundle,
  ],
  figures: { firstByteMs: [], peakMib: [], versionMs: [] } satisfies Figures,
}));
// Unmeasured: each lever has a code cache of its own.
for (const { argv } of [...sides, ...sides]) {
  await measure(desk, argv, { firstByteMs: [], peakMib: [], versionMs: [] });
}
for (let round = 1; round <= Number(flags.rounds); round++) {
  // By chance: who runs behind whom must not matter.
  const order = sides.map((side) => ({ side, at: Math.random() })).toSorted((a, b) => a.at - b.at);
  for (const { side: { argv, figures } } of order) await measure(desk, argv, figures);
}
const lines = [
  "| lever | first byte, ms | peak RSS until then, MiB | `version`, ms |",
  "| --- | ---: | ---: | ---: |",
  ...sides.map(({ name, figures: { firstByteMs, peakMib, versionMs } }) =>
    `| ${name} | ${
      [firstByteMs, peakMib, versionMs].map((of) => median(of)?.toFixed(0)).join(" | ")
    } |`
  ),
];
Deno.stdout.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
