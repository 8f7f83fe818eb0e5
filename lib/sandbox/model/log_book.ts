/** Log lines of a build or an agent: numbered upwards over the whole deployment, kept in order, told as they come. */
import { Observers } from "./observers.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

export interface LogLine {
  readonly id: number;
  readonly createdAtMs: number;
  readonly level: LogLevel;
  readonly output: string;
  /** Of a build. */
  readonly stage: string;
  /** Of a build: `provisioner_daemon` or `provisioner`. Of an agent: the id of its log source. */
  readonly source: string;
}

/** More than this the real server cuts as well (`logs_overflowed`). */
const MAX_BYTES = 1_048_576;

/** Numbers lines; one for the whole deployment, so that ids are not dense. */
export class LogNumbers {
  #last = 0;

  next(): number {
    return ++this.#last;
  }
}

export class LogBook {
  readonly changes = new Observers();
  readonly #numbers: LogNumbers;
  readonly #lines: LogLine[] = [];
  #bytes = 0;
  #isOverflowed = false;
  #isEnded = false;

  constructor(numbers: LogNumbers) {
    this.#numbers = numbers;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isOverflowed(): boolean {
    return this.#isOverflowed;
  }

  /** Nothing follows. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  add(line: Omit<LogLine, "id">): void {
    if (this.#bytes + line.output.length > MAX_BYTES) {
      this.#isOverflowed = true;
      return;
    }
    this.#bytes += line.output.length;
    this.#lines.push({ ...line, id: this.#numbers.next() });
    this.changes.notify();
  }

  end(): void {
    this.#isEnded = true;
    this.changes.notify();
  }

  /** Lines with a larger id; 0 for all. */
  after(id: number): LogLine[] {
    return this.#lines.filter((line) => line.id > id);
  }
}
