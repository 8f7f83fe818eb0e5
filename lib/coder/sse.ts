/**
 * Server-sent events (HTML Living Standard §9.2.5, §9.2.6) as a core: bytes in, events out, any split of the input.
 * Left out on purpose: `id`, and `retry`, since when to come back is ours to say (`watch.ts`).
 *   field ":" [space] value (LF | CR | CRLF), an empty line ends the event
 */
import { ProtocolError } from "../base/errors.ts";

export interface ServerSentEvent {
  /** `message` when the server named none. */
  readonly type: string;
  /** Data lines joined by line feeds; empty for none. */
  readonly data: string;
}

export class EventStreamError extends ProtocolError {
  override name = "EventStreamError";
}

/** A full workspace with many agents is some hundred KB. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024;
/** Coder writes its JSON as one; an empty one costs its sender five bytes and us an object. */
const MAX_DATA_LINES = 1_024;
const MAX_QUEUED_EVENTS = 1_024;

export class EventStreamParser {
  readonly #decoder = new TextDecoder(); // takes the byte order mark out, as §9.2.6 wants
  readonly #events: ServerSentEvent[] = [];
  /** An unfinished line, in pieces: joined once, when it ends. */
  #line: string[] = [];
  #lineChars = 0;
  /** The last line ended with CR: a LF right behind belongs to it. */
  #skipLf = false;
  #type = "";
  #data: string[] = [];
  #dataChars = 0;
  #isEmpty = true;

  /** Takes the next bytes. Throws `EventStreamError` when an event grows beyond 8 Mi characters or 1024 lines. */
  handleBytes(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true });
    let from = 0;
    if (this.#skipLf && text.length > 0) {
      if (text.startsWith("\n")) from = 1;
      this.#skipLf = false;
    }
    let lf = text.indexOf("\n", from);
    let cr = text.indexOf("\r", from);
    while (lf !== -1 || cr !== -1) {
      const isCr = cr !== -1 && (lf === -1 || cr < lf);
      const end = isCr ? cr : lf;
      this.#endLine(text.slice(from, end));
      from = end + (isCr && lf === end + 1 ? 2 : 1);
      this.#skipLf = isCr && from === text.length && lf === -1;
      if (lf !== -1 && lf < from) lf = text.indexOf("\n", from);
      if (cr !== -1 && cr < from) cr = text.indexOf("\r", from);
    }
    this.#push(text.slice(from));
  }

  /** The next complete event. One that the end of the stream cut off is never given out (§9.2.6). */
  pollEvent(): ServerSentEvent | undefined {
    return this.#events.shift();
  }

  #endLine(piece: string): void {
    this.#push(piece);
    const line = this.#line.length > 1 ? this.#line.join("") : this.#line[0] ?? "";
    if (this.#line.length > 0) this.#line = [];
    this.#lineChars = 0;
    this.#handleLine(line);
  }

  #push(piece: string): void {
    if (piece === "") return;
    this.#line.push(piece);
    this.#lineChars += piece.length;
    this.#checkSize();
  }

  #checkSize(): void {
    const isLong = this.#lineChars + this.#dataChars > MAX_EVENT_CHARS;
    if (isLong || this.#data.length > MAX_DATA_LINES) {
      const limit = isLong ? `${MAX_EVENT_CHARS} characters` : `${MAX_DATA_LINES} lines`;
      throw new EventStreamError(`Cannot read event: longer than ${limit}`, {
        code: "event-too-large",
        spec: "HTML §9.2.6",
      });
    }
  }

  #handleLine(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const field = colon === -1 ? line : line.slice(0, colon);
    const raw = colon === -1 ? "" : line.slice(colon + 1);
    const value = raw.startsWith(" ") ? raw.slice(1) : raw;
    if (field === "event") {
      this.#type = value;
      this.#isEmpty = false;
    } else if (field === "data") {
      this.#data.push(value);
      this.#dataChars += value.length + 1;
      this.#isEmpty = false;
      this.#checkSize();
    }
  }

  #dispatch(): void {
    // Deviation from §9.2.6, which drops events without data: Coder's pings have none.
    if (!this.#isEmpty) {
      if (this.#events.length >= MAX_QUEUED_EVENTS) {
        throw new EventStreamError(`Cannot queue more than ${MAX_QUEUED_EVENTS} events`, {
          code: "too-many-events",
        });
      }
      this.#events.push({ type: this.#type || "message", data: this.#data.join("\n") });
    }
    this.#type = "";
    this.#data = [];
    this.#dataChars = 0;
    this.#isEmpty = true;
  }
}
