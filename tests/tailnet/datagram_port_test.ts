/** Datagrams on their way to the sockets, and what those hold of what comes back. */
import assert from "node:assert/strict";
import { DatagramPort } from "../../lib/tailnet/datagram_port.ts";

const KIB = 1_024;

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
    assert.equal(port.burstBytes, 72 * KIB);
    port.setBuffers(buffers);
    assert.equal(port.burstBytes, kib * KIB);
  }
});
