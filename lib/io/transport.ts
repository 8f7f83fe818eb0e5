/**
 * `HttpTransport` on this machine: requests by our own HTTP/1.1 and websockets by our own framing, both over the one dialer, so
 * that proxies, authorities, client certificates and addresses that were looked up are the same for all. Redirects are the
 * caller's, cookies nobody's.
 */
import type { HttpFetch, HttpTransport, OpenByteStream, OpenTextStream } from "../base/http.ts";
import type { NetworkOptions } from "../base/host_network.ts";
import type { TlsMaterial } from "./conn.ts";
import { dialForHttp, type DialOptions, newDialOptions, targetOf } from "./dial.ts";
import { HttpClient } from "./http_client.ts";
import type { GetEnv } from "./proxy.ts";

/** All doors for one set of certificates. Disposing it ends the connections that are kept for later. */
export class SystemTransport implements HttpTransport, Disposable {
  /** How it dials: whoever dials the same deployment shares what was learnt of it. */
  readonly dial: DialOptions;
  readonly #client: HttpClient;

  constructor(options: NetworkOptions, env: GetEnv) {
    this.dial = newDialOptions(env, tlsMaterialOf(options));
    this.#client = new HttpClient({
      dial: (url, signal) =>
        dialForHttp(targetOf(url), {
          ...this.dial,
          ...(signal === undefined ? {} : { signal }),
        }),
      wallMs: () => Date.now(),
    });
  }

  readonly fetch: HttpFetch = (request) => this.#client.fetch(request);

  readonly openTextStream: OpenTextStream = async (request) => {
    // Most commands open none.
    const { openTextStream } = await import("./text_stream.ts");
    return await openTextStream(request, this.dial);
  };

  readonly openByteStream: OpenByteStream = async (request) => {
    const { openByteStream } = await import("./byte_stream.ts");
    return await openByteStream(request, this.dial);
  };

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/** The dialer's form of the certificates of `options`; `undefined` for the system's alone. */
function tlsMaterialOf(options: NetworkOptions): TlsMaterial | undefined {
  const { caCertificates, clientCertificate } = options;
  if (caCertificates === undefined && clientCertificate === undefined) return undefined;
  return {
    ...(caCertificates === undefined ? {} : { caCerts: [caCertificates] }),
    ...(clientCertificate === undefined
      ? {}
      : { client: { cert: clientCertificate.certificate, key: clientCertificate.key } }),
  };
}
