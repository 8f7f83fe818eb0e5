/**
 * What many datagrams a call look like from the kernel's side, of both families: structures read and written at the offsets that
 * `<sys/socket.h>` and `<netinet/in.h>` give them on 64-bit Linux. Needs no socket, so also what loopback does not bring.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ReceiveBurst } from "../../lib/io/receive_burst.ts";
import { SendBurst } from "../../lib/io/send_burst.ts";
import { type SocketCalls, SystemSocket } from "../../lib/io/socket_calls.ts";
import { DatagramBatch } from "../../lib/tailnet/datagram_port.ts";
import { type Endpoint, mapIpv4, unmapIpv4 } from "../../lib/wire/endpoint.ts";
import { isLinux, REFUSES_ALL } from "./udp_support.ts";

const SLOT_BYTES = 64;
/** As the processor. */
const LITTLE = true;

/** A socket for calls that are none of the system's. */
function socketOf(calls: SocketCalls): SystemSocket {
  const socket = SystemSocket.find(
    {
      ...calls,
      getsockname: (_fd, address) => {
        address.set([2, 0, 0, 1]);
        return 0;
      },
      getsockopt: (_fd, _level, _name, value) => {
        value.set([2]);
        return 0;
      },
    },
    1,
    "ipv4",
  );
  assert(socket);
  return socket;
}

/** The memory that a structure points to. */
function memoryAt(view: DataView, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const pointer = Deno.UnsafePointer.create(view.getBigUint64(offset, LITTLE));
  assert(pointer !== null || length === 0);
  return pointer === null
    ? new Uint8Array()
    : new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

function sockaddrOf({ address, port }: Endpoint): Uint8Array {
  const ipv4 = unmapIpv4(address);
  const bytes = new Uint8Array(ipv4 === undefined ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ipv4 === undefined ? 10 : 2, LITTLE);
  view.setUint16(2, port);
  bytes.set(ipv4 ?? address, ipv4 === undefined ? 8 : 4);
  return bytes;
}

const endpoints: fc.Arbitrary<Endpoint> = fc.record({
  address: fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => mapIpv4(bytes)),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // Nearly a mapped one.
    fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) =>
      Uint8Array.of(...new Uint8Array(10), ...bytes)
    ),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
}, { noNullPrototype: true });

Deno.test({
  name: "ReceiveBurst tells datagrams and senders as the kernel wrote them, cut to their slots",
  ignore: !isLinux,
  fn: () => {
    let arrivals: readonly { readonly from: Endpoint; readonly bytes: Uint8Array }[] = [];
    const calls: SocketCalls = {
      ...REFUSES_ALL,
      recvmmsg: (_fd, headers, count) => {
        assert(arrivals.length <= count);
        const view = new DataView(headers.buffer);
        arrivals.forEach(({ from, bytes }, i) => {
          const header = 64 * i;
          const name = sockaddrOf(from);
          assert(view.getUint32(header + 8, LITTLE) >= 28, "room for either family");
          memoryAt(view, header, 28).set(name);
          view.setUint32(header + 8, name.length, LITTLE);
          assert.equal(view.getBigUint64(header + 24, LITTLE), 1n);
          const iovec = new DataView(memoryAt(view, header + 16, 16).slice().buffer);
          assert.equal(iovec.getBigUint64(8, LITTLE), BigInt(SLOT_BYTES));
          const taken = bytes.subarray(0, SLOT_BYTES);
          memoryAt(iovec, 0, SLOT_BYTES).set(taken);
          assert.equal(view.getBigUint64(header + 32, LITTLE), 0n, "no room for control messages");
          view.setUint32(header + 48, taken.length < bytes.length ? 0x20 : 0, LITTLE); // MSG_TRUNC
          view.setUint32(header + 56, taken.length, LITTLE);
        });
        return arrivals.length;
      },
    };
    const burst = new ReceiveBurst(calls, SLOT_BYTES);
    const socket = socketOf(calls);
    const arrival = fc.record({
      from: endpoints,
      bytes: fc.uint8Array({ maxLength: 2 * SLOT_BYTES }),
    });
    fc.assert(fc.property(fc.array(arrival, { maxLength: 64 }), (some) => {
      arrivals = some;
      assert.equal(burst.take(socket), some.length);
      some.forEach(({ from, bytes }, i) => {
        assert.deepEqual(burst.datagram(i), bytes.subarray(0, SLOT_BYTES));
        assert.deepEqual(burst.sender(i), from);
        some.forEach(({ from: other }) =>
          assert.equal(
            burst.isFrom(i, other),
            sockaddrOf(from).join() === sockaddrOf(other).join(),
          )
        );
      });
    }));
  },
});

Deno.test({
  name: "SendBurst hands the kernel what is in the batch, and where it goes",
  ignore: !isLinux,
  fn: () => {
    const sent: {
      name: Uint8Array;
      bytes: Uint8Array;
      segmentBytes: number | undefined;
    }[] = [];
    const calls: SocketCalls = {
      ...REFUSES_ALL,
      sendmsg: (_fd, header) => {
        const view = new DataView(header.buffer);
        const iovec = new DataView(memoryAt(view, 16, 16).slice().buffer);
        assert.equal(view.getBigUint64(24, LITTLE), 1n);
        const controlBytes = Number(view.getBigUint64(40, LITTLE));
        const control = new DataView(memoryAt(view, 32, controlBytes).slice().buffer);
        if (controlBytes > 0) {
          assert.equal(controlBytes, 24);
          assert.equal(control.getBigUint64(0, LITTLE), 18n);
          assert.deepEqual([control.getInt32(8, LITTLE), control.getInt32(12, LITTLE)], [17, 103]);
        }
        const bytes = memoryAt(iovec, 0, Number(iovec.getBigUint64(8, LITTLE))).slice();
        sent.push({
          name: memoryAt(view, 0, view.getUint32(8, LITTLE)).slice(),
          bytes,
          segmentBytes: controlBytes === 0 ? undefined : control.getUint16(16, LITTLE),
        });
        return bytes.length;
      },
    };
    const burst = new SendBurst(calls);
    const socket = socketOf(calls);
    fc.assert(
      fc.property(
        fc.array(endpoints, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 1_312 }),
        (targets, count, length) => {
          const batch = new DatagramBatch();
          for (const endpoint of targets) {
            for (let i = 0; i < count; i++) {
              batch.buffer.fill(i + 1, batch.end, batch.end + length);
              batch.ends.push(batch.end + length);
              batch.endpoints.push(endpoint);
            }
          }
          sent.length = 0;
          targets.forEach((endpoint, i) => {
            const run = { first: i * count, end: (i + 1) * count, endpoint };
            assert.equal(burst.send(socket, batch, run), count * length);
          });
          const bytes = Uint8Array.from(
            { length: count * length },
            (_, at) => 1 + Math.floor(at / length),
          );
          assert.deepEqual(
            sent,
            targets.map((endpoint) => ({
              name: sockaddrOf(endpoint),
              bytes,
              segmentBytes: count === 1 ? undefined : length,
            })),
          );
        },
      ),
    );
  },
});
