/**
 * All byte arrays that can be reached from an object, private fields included: the inspector shows them. What functions close
 * over is not followed, since from there everything can be reached.
 */
import { Session } from "node:inspector/promises";

export interface FoundBytes {
  /** From the root: `#node.#wireguard.#context.localStatic.privateKey`. */
  readonly path: string;
  /** The last name of the path. */
  readonly name: string;
  /** The array itself, not a copy. */
  readonly bytes: Uint8Array;
}

interface Remote {
  readonly objectId?: string;
  readonly type?: string;
}

interface Named {
  readonly name: string;
  readonly value?: Remote;
}

interface Properties {
  readonly result?: readonly Named[];
  readonly privateProperties?: readonly Named[];
  readonly internalProperties?: readonly Named[];
}

const GROUP = "object graph";
const SLOT = Symbol.for("hawser object graph");

/** What the inspector's calls talk to: found under a symbol of the global object while a walk is under way. */
class Registry {
  readonly found: FoundBytes[] = [];
  readonly #seen: Set<unknown>;

  constructor(except: readonly object[]) {
    this.#seen = new Set(except);
  }

  /** Whether the object is new and has parts to look at. */
  visit(value: unknown, path: string): boolean {
    if (this.#seen.has(value)) return false;
    this.#seen.add(value);
    if (!ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)) return true;
    const bytes = value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    this.found.push({ path, name: path.split(".").at(-1) ?? "", bytes });
    return false;
  }
}

/** `except`: objects that belong to somebody else. */
export async function bytesIn(
  root: object,
  except: readonly object[] = [],
): Promise<FoundBytes[]> {
  const registry = new Registry(except);
  const session = new Session();
  session.connect();
  const post = async (method: string, params: Record<string, unknown>): Promise<unknown> =>
    await session.post(method, params);
  Reflect.set(globalThis, SLOT, { registry, root });
  try {
    const slot = `globalThis[Symbol.for(${JSON.stringify(SLOT.description)})]`;
    const { result } = await post("Runtime.evaluate", {
      expression: `${slot}.root`,
      objectGroup: GROUP,
    }) as { readonly result: Remote };
    const waiting: { readonly id: string; readonly path: string }[] = [];
    const enqueue = (remote: Remote | undefined, path: string) => {
      if (remote?.objectId === undefined || remote.type !== "object") return;
      waiting.push({ id: remote.objectId, path });
    };
    enqueue(result, "");
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { id, path } = next;
      const visited = await post("Runtime.callFunctionOn", {
        objectId: id,
        functionDeclaration: `function (path) { return ${slot}.registry.visit(this, path); }`,
        arguments: [{ value: path }],
        returnByValue: true,
      }) as { readonly result: { readonly value: boolean } };
      if (!visited.result.value) continue;
      const parts = await post("Runtime.getProperties", {
        objectId: id,
        ownProperties: true,
      }) as Properties;
      const named = [...parts.result ?? [], ...parts.privateProperties ?? []];
      for (const { name, value } of named) enqueue(value, path === "" ? name : `${path}.${name}`);
      for (const { name, value } of parts.internalProperties ?? []) {
        if (name === "[[Entries]]") enqueue(value, path); // of maps and sets
      }
    }
  } finally {
    await post("Runtime.releaseObjectGroup", { objectGroup: GROUP });
    session.disconnect();
    Reflect.deleteProperty(globalThis, SLOT);
  }
  return registry.found;
}
