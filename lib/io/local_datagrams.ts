/** UDP sockets of this machine (`Deno.listenDatagram`, which wants `--unstable-net`). Implements `LocalDatagrams` of `lib/base/datagrams.ts`. */
import { isDefect } from "../base/errors.ts";
import type { DatagramAddress, LocalDatagrams } from "../base/datagrams.ts";
import { formatHostPort, SocketError } from "../base/sockets.ts";
import { closeQuietly } from "./conn.ts";
import { reasonOf } from "./host_errors.ts";

/** No datagram is longer (RFC 768: the length is 16 bits). */
const RECEIVE_BYTES = 65_536;
/** Windows tells a socket that an earlier datagram found nobody; one that only fails is closed, for it would fail for ever. */
const MAX_FAILURES_IN_A_ROW = 64;

/** Listens on an address of this machine. Rejects with `SocketError`. */
// deno-lint-ignore require-await -- what it throws is a rejection
export async function listenDatagrams(address: DatagramAddress): Promise<LocalDatagrams> {
  const what = `listen on ${formatHostPort(address.host, address.port)}`;
  if (Deno.listenDatagram === undefined) {
    throw new SocketError(`${what}: this runtime was started without --unstable-net`);
  }
  try {
    const { host: hostname, port } = address;
    const conn = Deno.listenDatagram({ transport: "udp", hostname, port });
    return new SystemDatagrams(conn, address);
  } catch (error) {
    throw new SocketError(`${what}: ${reasonOf(error)}`, { cause: error });
  }
}

class SystemDatagrams implements LocalDatagrams {
  readonly address: DatagramAddress;
  readonly #conn: Deno.DatagramConn;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #isClosed = false;

  constructor(conn: Deno.DatagramConn, address: DatagramAddress) {
    this.#conn = conn;
    const { addr } = conn;
    this.address = addr.transport === "udp" ? { ...address, port: addr.port } : address;
  }

  async receive(): Promise<
    { readonly data: Uint8Array; readonly from: DatagramAddress } | undefined
  > {
    let failures = 0;
    while (!this.#isClosed) {
      try {
        const [data, from] = await this.#conn.receive(this.#buffer);
        if (from.transport !== "udp") continue;
        return { data: data.slice(), from: { host: from.hostname, port: from.port } };
      } catch (error) {
        if (this.#isClosed) return undefined;
        if (isDefect(error) || ++failures >= MAX_FAILURES_IN_A_ROW) {
          const { host, port } = this.address;
          const what = `receive on ${formatHostPort(host, port)}`;
          throw new SocketError(`${what}: ${reasonOf(error)}`, { cause: error });
        }
      }
    }
    return undefined;
  }

  async send(data: Uint8Array, to: DatagramAddress): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#conn.send(data, { transport: "udp", hostname: to.host, port: to.port });
    } catch (error) {
      // A datagram that cannot be sent is lost: whoever waits for an answer asks again.
      if (isDefect(error)) throw error;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeQuietly(this.#conn);
  }
}
