/** Secrets that a test plants, and the search for them in everything that a command leaves behind. */
import { toHex } from "../../lib/base/bytes.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import type { ChildCall, CommandRun } from "../support/command_host.ts";

const KEY_BYTES = 32;
/** A byte of base64 hangs on its place among three. */
const BASE64_BYTES = 3;
const BASE64_CHARS = 4;
/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** A place, and the secret that was found there. */
export type Leak = string;

/** Secrets by what they are called in messages. */
export class Planted {
  readonly #forms: { readonly name: string; readonly text: string }[] = [];

  /** Something that is a text where it is used. */
  add(name: string, secret: string): void {
    this.#add(name, secret);
    this.#add(name, encodeURIComponent(secret));
    this.addBytes(name, new TextEncoder().encode(secret));
  }

  addBytes(name: string, secret: Uint8Array): void {
    this.#add(name, toHex(secret));
    for (let before = 0; before < BASE64_BYTES; before++) {
      // What surrounds it changes the first and the last characters: only those between are sure.
      const skipped = before === 0 ? 0 : BASE64_BYTES - before;
      const inner = secret.subarray(skipped);
      const whole = inner.subarray(0, inner.length - inner.length % BASE64_BYTES);
      this.#add(name, whole.toBase64());
      this.#add(name, whole.toBase64({ alphabet: "base64url" }));
    }
  }

  /** Each form in which a secret would be found. */
  get forms(): readonly { readonly name: string; readonly text: string }[] {
    return this.#forms;
  }

  /** The names of the secrets in a text. */
  in(text: string): string[] {
    return [
      ...new Set(this.#forms.filter((form) => text.includes(form.text)).map(({ name }) => name)),
    ];
  }

  at(place: string, text: string): Leak[] {
    return this.in(text).map((name) => `${place}: ${name}`);
  }

  /** What a command that is over shows: its streams, the files in its folder and their modes, the programs that it ran. */
  async leaksOf(
    run: CommandRun,
    isMeant: (child: ChildCall, variable: string) => boolean = () => false,
  ): Promise<Leak[]> {
    const leaks = [...this.at("stdout", run.stdout.text), ...this.at("stderr", run.stderr.text)];
    for await (const path of filesIn(run.folder)) {
      const bytes = await Deno.readFile(path);
      leaks.push(...this.at(path, `${path}\n${new TextDecoder().decode(bytes)}`));
      const { mode } = await Deno.stat(path);
      if (mode !== null && (mode & OTHERS) !== 0) leaks.push(`${path}: mode ${mode.toString(8)}`);
    }
    for (const child of run.children) {
      leaks.push(...this.at(`arguments of ${child.program}`, child.args.join("\n")));
      for (const [name, value] of Object.entries(child.env)) {
        if (!isMeant(child, name)) leaks.push(...this.at(`${name} of ${child.program}`, value));
      }
    }
    return leaks;
  }

  #add(name: string, text: string): void {
    if (text.length < BASE64_CHARS) throw new RangeError(`${name} is too short to be searched for`);
    this.#forms.push({ name, text });
  }
}

/** All files below a folder. */
export async function* filesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesIn(path);
    else if (isFile) yield path;
  }
}

/** Plants every key that is drawn in this process while it stands: of WireGuard, of disco, of logins at relays. */
export class DrawnKeys implements Disposable {
  count = 0;
  readonly #fill = SYSTEM_RANDOM.fill;

  constructor(planted: Planted) {
    const fill = this.#fill.bind(SYSTEM_RANDOM);
    SYSTEM_RANDOM.fill = (bytes) => {
      fill(bytes);
      if (bytes.length !== KEY_BYTES) return;
      this.count++;
      // The first and the last byte are clamped (RFC 7748 §5).
      planted.addBytes("a key of the tunnel", bytes.slice(1, -1));
    };
  }

  [Symbol.dispose](): void {
    SYSTEM_RANDOM.fill = this.#fill;
  }
}
