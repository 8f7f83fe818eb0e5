/**
 * The tour of `hawser demo` where there is no terminal: a few commands as one would type them, run by the ordinary `ssh`
 * command, with what they print and whether it was right. Status 0 when everything was.
 */
import { concatBytes, equalBytes } from "../../base/bytes.ts";
import { randomBytes } from "../../base/core.ts";
import type { Host, HostInput, HostOutput } from "../../base/host.ts";
import { writeText } from "../terminal/print.ts";

export interface TourOptions {
  readonly host: Host;
  /** Runs `hawser ssh` with these arguments on that machine. */
  readonly ssh: (args: readonly string[], host: Host) => Promise<number>;
  readonly workspace: string;
  /** `host:port` of something in the workspace that speaks HTTP. */
  readonly webServer: string;
}

/** What a command printed and how it ended. */
interface Result {
  readonly stdout: Uint8Array;
  readonly stderr: string;
  readonly status: number;
}

interface Step {
  readonly title: string;
  /** As typed, behind `hawser ssh`. */
  readonly args: readonly string[];
  readonly shown: string;
  readonly stdin?: Uint8Array;
  /** Standard input stays open behind `stdin`. @default false */
  readonly keepsInputOpen?: boolean;
  /** What is wrong; `undefined` when it is as it should be. */
  readonly problem: (result: Result) => string | undefined;
  /** @default what it printed */
  readonly show?: (result: Result) => string;
}

const COPIED_BYTES = 5_000_000;

/** Runs the tour; 0 when all of it went as it should. */
export async function runTour(options: TourOptions): Promise<number> {
  const { host } = options;
  const say = (text: string) => writeText(host.stdout, text);
  await say("A demo deployment runs in this process; the workspace is this machine.\n");
  const startedAt = host.clock.now();
  let failures = 0;
  for (const step of stepsOf(options)) {
    const result = await runStep(step, options);
    const problem = step.problem(result);
    const shown = step.show?.(result) ?? textOf(result);
    await say(`\n# ${step.title}\n$ hawser ssh ${step.shown}\n${shown}`);
    if (problem === undefined) continue;
    failures++;
    await say(`! ${problem}\n${result.stderr}`);
  }
  const seconds = ((host.clock.now() - startedAt) / 1_000).toFixed(1);
  await say(
    failures === 0
      ? `\nAll of it worked, in ${seconds} s. Try: hawser demo --serve\n`
      : `\n${failures} of these did not do what they should.\n`,
  );
  return failures === 0 ? 0 : 1;
}

function stepsOf({ host, workspace, webServer }: TourOptions): Step[] {
  const request =
    `GET /api/v2/buildinfo HTTP/1.1\r\nHost: ${webServer}\r\nConnection: close\r\n\r\n`;
  const blob = randomBytes(host.random, COPIED_BYTES);
  const isUnix = host.os !== "windows";
  const steps: Step[] = [{
    title: "A command",
    shown: `${workspace} echo hello from the workspace`,
    args: [workspace, "--", "echo hello from the workspace"],
    problem: ({ stdout, status }) =>
      expect(
        status === 0 && decode(stdout).trim() === "hello from the workspace",
        "unexpected output",
      ),
  }, {
    title: "A port of the workspace, here a web server",
    shown: `-W ${webServer} ${workspace} <request`,
    args: ["-W", webServer, workspace],
    stdin: new TextEncoder().encode(request),
    keepsInputOpen: true,
    problem: ({ stdout }) => expect(decode(stdout).startsWith("HTTP/1.1 200 OK"), "no answer"),
    show: ({ stdout }) => `${decode(stdout).split("\r\n", 1)[0] ?? ""}\n`,
  }];
  if (!isUnix) return steps;
  return [...steps, {
    title: "Its errors and its status stay what they are",
    shown: `${workspace} 'echo out; echo err >&2; exit 3'`,
    args: [workspace, "--", "echo out; echo err >&2; exit 3"],
    problem: ({ stdout, stderr, status }) =>
      expect(
        status === 3 && decode(stdout) === "out\n" && stderr.includes("err\n"),
        "output, errors or status were lost",
      ),
    show: (result) => `${textOf(result)}err\nstatus ${result.status}\n`,
  }, {
    title: "A file there and back",
    shown: `${workspace} cat <file >copy`,
    args: [workspace, "--", "cat"],
    stdin: blob,
    problem: ({ stdout }) => expect(equalBytes(stdout, blob), "the copy differs"),
    show: ({ stdout }) => `${stdout.length} bytes, the same\n`,
  }, {
    title: "A terminal",
    shown: `-t ${workspace} 'test -t 1 && stty size'`,
    args: ["-t", workspace, "--", "test -t 1 && stty size"],
    problem: ({ stdout, status }) =>
      expect(status === 0 && /^\d+ \d+\r?\n$/.test(decode(stdout)), "no terminal with a size"),
  }];
}

async function runStep(step: Step, { host, ssh }: TourOptions): Promise<Result> {
  const stdout = new Recorder();
  const stderr = new Recorder();
  const status = await ssh(step.args, {
    ...host,
    stdin: inputOf(step),
    stdout,
    stderr,
  });
  return { stdout: stdout.bytes(), stderr: decode(stderr.bytes()), status };
}

function expect(isRight: boolean, problem: string): string | undefined {
  return isRight ? undefined : problem;
}

function textOf({ stdout }: Result): string {
  return decode(stdout).replaceAll("\r\n", "\n");
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A standard output that keeps what is written. */
class Recorder implements HostOutput {
  readonly isTerminal = false;
  readonly #parts: Uint8Array[] = [];

  size(): undefined {
    return undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes.slice());
    return Promise.resolve();
  }

  print(text: string): void {
    this.#parts.push(new TextEncoder().encode(text));
  }

  bytes(): Uint8Array {
    return concatBytes(...this.#parts);
  }
}

function inputOf({ stdin: bytes = new Uint8Array(0), keepsInputOpen = false }: Step): HostInput {
  let at = 0;
  return {
    isTerminal: false,
    read(into) {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      if (part.length > 0) return Promise.resolve(part.length);
      return keepsInputOpen ? new Promise(() => {}) : Promise.resolve(null);
    },
    size: () => undefined,
    enterRawMode: () => () => {},
  };
}
