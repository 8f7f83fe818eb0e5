/**
 * TLS through `node:tls`, for what `Deno.startTls` cannot do: a client certificate, TLS inside TLS (an https proxy), or a
 * certificate for another name than the one that is asked for.
 */
import { Duplex } from "node:stream";
import { checkServerIdentity, connect, rootCertificates } from "node:tls";
import { closeQuietly, type Conn, type TlsMaterial } from "./conn.ts";
import { certificatesIn } from "../base/pem.ts";

/** A subject without a common name: the platform falls back on that name where a certificate has addresses alone. */
const NOBODY = { C: "", ST: "", L: "", O: "", OU: "", CN: "" };
const READ_CHUNK_BYTES = 65_536;

export interface NodeTlsOptions {
  /** Name for SNI. */
  readonly hostname: string;
  /** The name that the certificate must be for. */
  readonly certName: string;
  readonly tls?: TlsMaterial;
}

/** Completes a TLS handshake over `conn`, which it then owns. Rejects with the platform's error. */
export async function startNodeTls(conn: Conn, options: NodeTlsOptions): Promise<Conn> {
  const { tls, hostname, certName } = options;
  const socket = connect({
    socket: duplexOf(conn),
    servername: /^[\d.]+$|:/.test(hostname) ? "" : hostname,
    host: hostname,
    ALPNProtocols: ["http/1.1"],
    // The chain was verified before this is asked. Alternative names alone count, as everywhere today: common names do not.
    checkServerIdentity: (_asked, certificate) =>
      certificate.subjectaltname
        ? checkServerIdentity(certName, { ...certificate, subject: NOBODY })
        : new Error(`Certificate not valid for ${certName}: it names nobody`),
    // One by one: of a text with a broken certificate the platform would complain on stderr.
    ...(tls?.caCerts === undefined
      ? {}
      : { ca: [...rootCertificates, ...tls.caCerts.flatMap(certificatesIn)] }),
    ...(tls?.client === undefined ? {} : { cert: tls.client.cert, key: tls.client.key }),
  });
  // Listens from now on: an error that nobody listens to would end the program.
  const result = connOf(socket);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", () => resolve());
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("TLS handshake: connection was closed")));
    });
  } catch (error) {
    result.close();
    throw error;
  }
  return result;
}

function duplexOf(conn: Conn): Duplex {
  const chunk = new Uint8Array(READ_CHUNK_BYTES);
  return new Duplex({
    read() {
      conn.read(chunk).then(
        (count) => this.push(count === null ? null : new Uint8Array(chunk.subarray(0, count))),
        (error: Error) => this.destroy(error),
      );
    },
    write(bytes: Uint8Array, _encoding, done) {
      writeAll(conn, bytes).then(() => done(), done);
    },
    destroy(error, done) {
      closeQuietly(conn);
      done(error);
    },
  });
}

async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** A stream as a pull-style connection: paused mode, one pending read at a time. */
function connOf(stream: Duplex): Conn {
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  let isEnded = false;
  const onChange = () => {
    wake?.();
    wake = undefined;
  };
  stream.on("readable", onChange);
  stream.on("end", () => {
    isEnded = true;
    onChange();
  });
  stream.on("close", () => {
    isEnded = true;
    onChange();
  });
  stream.on("error", (error: Error) => {
    failure = error;
    onChange();
  });
  return {
    async read(into) {
      while (true) {
        const chunk: Uint8Array | null = stream.read();
        if (chunk !== null) {
          const taken = chunk.subarray(0, into.length);
          into.set(taken);
          if (chunk.length > taken.length) stream.unshift(chunk.subarray(taken.length));
          return taken.length;
        }
        if (failure !== undefined) throw failure;
        if (isEnded) return null;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    write(bytes) {
      return new Promise((resolve, reject) => {
        stream.write(
          new Uint8Array(bytes),
          (error) => error ? reject(error) : resolve(bytes.length),
        );
      });
    },
    close() {
      stream.destroy();
    },
  };
}
