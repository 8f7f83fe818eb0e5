/** Datagrams on their way to the sockets, and what those hold of what comes back. */
import assert from "node:assert/strict";
import { DatagramPort } from "../../lib/tailnet/datagram_port.ts";

const KIB = 1_024;

/** A way on which what the socket holds is the limit. */
const LONG_MS = 1_000;

Deno.test("DatagramPort.setBuffers(): as much may come at once as the smallest buffer holds, within bounds", () => {
  const rows: { buffers: (number | undefined)[]; kib: number }[] = [
    { buffers: [undefined], kib: 72 },
    { buffers: [208 * KIB], kib: 72 },
    { buffers: [416 * KIB], kib: 144 },
    { buffers: [416 * KIB, undefined], kib: 72 },
    { buffers: [416 * KIB, 832 * KIB], kib: 144 },
    // A system that gives less than usual: the window has a floor.
    { buffers: [100 * KIB], kib: 72 },
    // And a ceiling: more would only wait in the network.
    { buffers: [8 * KIB * KIB], kib: 1_024 },
  ];
  for (const { buffers, kib } of rows) {
    const port = new DatagramPort();
    assert.equal(port.burstBytes(LONG_MS), 72 * KIB);
    port.setBuffers(buffers);
    assert.equal(port.burstBytes(LONG_MS), kib * KIB);
  }
});

Deno.test("DatagramPort.burstBytes(): no more at once than the queues of a way so long are likely to hold", () => {
  const rows: { buffer: number | undefined; rttMs: number | undefined; bytes: number }[] = [
    { buffer: 8_192 * KIB, rttMs: undefined, bytes: 128 * KIB },
    { buffer: 8_192 * KIB, rttMs: 0.2, bytes: 128 * KIB },
    { buffer: 8_192 * KIB, rttMs: 20, bytes: 128 * KIB },
    { buffer: 8_192 * KIB, rttMs: 50, bytes: 312_500 },
    { buffer: 8_192 * KIB, rttMs: 50.5, bytes: 315_625 },
    { buffer: 8_192 * KIB, rttMs: 150, bytes: 937_500 },
    { buffer: 8_192 * KIB, rttMs: 600, bytes: 1_024 * KIB },
    { buffer: 416 * KIB, rttMs: 150, bytes: 144 * KIB },
    { buffer: undefined, rttMs: 0.2, bytes: 72 * KIB },
    { buffer: undefined, rttMs: 150, bytes: 72 * KIB },
  ];
  for (const { buffer, rttMs, bytes } of rows) {
    const port = new DatagramPort();
    port.setBuffers([buffer]);
    assert.equal(port.burstBytes(rttMs), bytes, `${buffer} ${rttMs}`);
  }
});
