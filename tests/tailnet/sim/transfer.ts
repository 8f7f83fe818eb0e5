/** A transfer both ways between client and agent of a simulated tailnet, with what may happen in the middle of it. */
import { ok, strictEqual } from "node:assert/strict";
import type { Bulk } from "./bulk.ts";
import type { World } from "./world.ts";

/** The agent's end of the newest connection. */
function agentEnd(world: World): Bulk | undefined {
  return world.agent.bulks.at(-1);
}

/** Begins a transfer of `bytes` from the client; the agent sends what the world was told. */
export function beginTransfer(world: World, bytes: number): Bulk {
  const before = world.agent.bulks.length;
  const bulk = world.client.openBulk(bytes, world.now);
  ok(world.until(() => world.agent.bulks.length > before, 30_000), "connection was not accepted");
  return bulk;
}

/** Waits until both sides have moved at least `bytes`. */
export function awaitProgress(world: World, bulk: Bulk, bytes: number): void {
  const isThere = () =>
    bulk.receivedBytes >= bytes && (agentEnd(world)?.receivedBytes ?? 0) >= bytes;
  ok(world.until(isThere, 60_000), `only ${bulk.receivedBytes} bytes came`);
}

/** Waits for the end and checks that nothing was lost, doubled or reordered in either direction. */
export function finishTransfer(
  world: World,
  bulk: Bulk,
  sizes: { readonly up: number; readonly down: number; readonly limitMs?: number },
): void {
  const other = agentEnd(world);
  world.until(() => bulk.isDone && (other?.isDone ?? false), sizes.limitMs ?? 60_000);
  strictEqual(bulk.wrongAt, undefined, "damage on the way down");
  strictEqual(other?.wrongAt, undefined, "damage on the way up");
  strictEqual(bulk.receivedBytes, sizes.down, "bytes on the way down");
  strictEqual(other?.receivedBytes, sizes.up, "bytes on the way up");
}

/** Runs a transfer of `bytes` each way over a fresh connection and checks every byte. */
export function transfer(world: World, bytes: number): void {
  finishTransfer(world, beginTransfer(world, bytes), { up: bytes, down: bytes });
}
