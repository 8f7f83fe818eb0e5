/** Frames of a shared tunnel over a stream of this machine, and the greeting of both sides (`lib/sharing/greeting.ts`). */
import type { Random } from "../base/core.ts";
import { type ByteStream, StreamError } from "../base/stream.ts";
import { encodeFrame, type Frame, FrameReader, FrameType, SharingError } from "../sharing/frame.ts";
import {
  decodeChallenge,
  decodeHello,
  encodeChallenge,
  encodeHello,
  type Greeting,
  isProof,
  NONCE_BYTES,
  proofOf,
} from "../sharing/greeting.ts";

const NOTHING = new Uint8Array(0);

/** Whom a side takes itself, and the other, to be. */
export interface Identity {
  /** `accountKey`. */
  readonly key: Uint8Array;
  /** `tunnelName`. */
  readonly name: string;
  readonly random: Random;
}

export class FramedSocket {
  readonly #stream: ByteStream;
  readonly #reader = new FrameReader();
  #writing: Promise<void> = Promise.resolve();

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The next frame, its payload borrowed until the next call; `undefined` when no more comes. Rejects with `SharingError`. */
  async next(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#reader.next();
      if (frame !== undefined) return frame;
      try {
        const count = await this.#stream.read(this.#reader.space());
        if (count === null) return undefined;
        this.#reader.handleRead(count);
      } catch (error) {
        if (error instanceof StreamError) return undefined;
        throw error;
      }
    }
  }

  /** Sends after what was sent before. Rejects with `StreamError` when the other side has gone. */
  send(type: FrameType, payload: Uint8Array = NOTHING): Promise<void> {
    const frame = encodeFrame(type, payload);
    // Of what failed before, its own sender was told.
    this.#writing = this.#writing.catch(() => {}).then(() => this.#stream.write(frame));
    return this.#writing;
  }

  /** Sends what is not waited for: that the other side has gone is heard by whoever reads. */
  tell(type: FrameType, payload: Uint8Array = NOTHING): void {
    this.send(type, payload).catch((error: unknown) => {
      if (!(error instanceof StreamError)) throw error;
    });
  }

  /** Resolves when nothing that was sent waits any more; never rejects. */
  async sent(): Promise<void> {
    await this.#writing.catch(() => {}); // its own sender was told
  }

  /** Lets go of the other side at once; what was sent still reaches it. Idempotent. */
  close(): void {
    this.#stream.abort();
  }
}

/** Proves who we are to the holder, once it has. Rejects with `SharingError` or `StreamError`. */
export async function greetHolder(socket: FramedSocket, identity: Identity): Promise<void> {
  const clientNonce = draw(identity.random);
  await socket.send(FrameType.hello, encodeHello(clientNonce));
  const { holderNonce, proof } = decodeChallenge(await expectFrame(socket, FrameType.challenge));
  const greeting: Greeting = { ...identity, clientNonce, holderNonce };
  if (!isProof(proof, "holder", greeting)) {
    throw new SharingError("Whoever holds the socket is not of this account", {
      code: "bad-proof",
    });
  }
  await socket.send(FrameType.proof, proofOf("client", greeting));
}

/** Hears who a client is, and proves who we are. Rejects with `SharingError` or `StreamError`. */
export async function greetClient(socket: FramedSocket, identity: Identity): Promise<void> {
  const clientNonce = decodeHello(await expectFrame(socket, FrameType.hello));
  const greeting: Greeting = { ...identity, clientNonce, holderNonce: draw(identity.random) };
  const ours = proofOf("holder", greeting);
  await socket.send(FrameType.challenge, encodeChallenge(greeting.holderNonce, ours));
  if (!isProof(await expectFrame(socket, FrameType.proof), "client", greeting)) {
    throw new SharingError("Whoever connected is not of this account", { code: "bad-proof" });
  }
}

/** The payload of the next frame, which must be of that type. Rejects with `SharingError`. */
export async function expectFrame(socket: FramedSocket, type: FrameType): Promise<Uint8Array> {
  const frame = await socket.next();
  if (frame?.type === type) return frame.payload;
  const what = frame === undefined ? "the end" : `frame ${frame.type}`;
  throw new SharingError(`Expected frame ${type} of a shared tunnel, got ${what}`, {
    code: "unexpected-frame",
  });
}

function draw(random: Random): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  random.fill(nonce);
  return nonce;
}
