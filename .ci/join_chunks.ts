/**
 * Makes few large chunks of the many small ones that the bundler leaves: from a URL each is a request, and all of them are
 * fetched before the first line runs. What is needed together stays together; what only some runs need stays apart, so that
 * nobody reads, and above all nobody loads a module of Node, in vain.
 */
import { rollup } from "@rollup/wasm-node";

/** On the way to the first byte of `--stdio`, and soon after; what OpenSSH and shells wait for. */
const CORE = [
  ...["main", "ssh", "host_tunnels", "text_stream", "connect_exists"],
  ...["complete", "complete_names"],
];
/**
 * Starting points of the program by the group that they are in, as the bundler names them. Every run reads `core`. What is not named
 * is in a group of its own.
 */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  core: CORE,
  // Of those who asked for a shared tunnel.
  sharing: ["sharing", "tunnel_sharing", "held_session", "host_keys", "host_key_names"],
  session: ["ssh_session", "ssh2_load", "connection", "local_sockets"],
  // Its modules run as soon as they are there, which must not be before `ssh2_load.ts` has arranged things; the server's and those
  // for keys are asked for one by one.
  ssh2: ["crypto", "utils", "client", "agent"],
  // What people wait for anyway: each command with what it asks for. The demo, which is a whole deployment, stays apart.
  commands: [
    ...[...Deno.readDirSync(new URL("../lib/cli/command", import.meta.url))]
      .map(({ name }) => name.replace(/\.ts$/, ""))
      .filter((name) => name !== "demo" && !CORE.includes(name)),
    ...["program", "help", "debug_options", "network_survey", "local_files"],
    // The last two are of shells through the deployment's web terminal.
    ...["windows_credentials", "instead", "byte_stream"],
  ],
};

interface Module {
  readonly importedIds: readonly string[];
  readonly dynamicallyImportedIds: readonly string[];
}

/** Writes the chunks of `from` anew to `to`, which must not be there; how many there are now. */
export async function joinChunks(from: string, to: string): Promise<number> {
  const keys = new Map<string, string>();
  const bundle = await rollup({
    input: { main: `${from}/main.js` },
    external: /^node:|^cpu-features$|\.node$/,
    // It is all used: the bundler has left the rest out.
    treeshake: false,
    preserveEntrySignatures: false,
    onLog(level, log) {
      if (level === "warn") throw new Error(`${log.code}: ${log.message}`);
    },
  });
  const { output } = await bundle.write({
    dir: to,
    format: "es",
    compact: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    manualChunks(id, { getModuleInfo, getModuleIds }) {
      if (keys.size === 0) findKeys(keys, [...getModuleIds()], (module) => getModuleInfo(module));
      return keys.get(id);
    },
  });
  await bundle.close();
  for (const chunk of output) {
    if (chunk.type !== "chunk" || !["core", "commands"].includes(chunk.name)) continue;
    const loaded = chunk.imports.find((id) => id.startsWith("node:"));
    if (loaded !== undefined) throw new Error(`${chunk.fileName} loads ${loaded} for everybody`);
  }
  return output.length;
}

/** For each module the groups that reach it without asking for more: those of one key are in one chunk. */
function findKeys(
  keys: Map<string, string>,
  ids: readonly string[],
  moduleOf: (id: string) => Module | null,
): void {
  const entries = ids.filter((id) =>
    nameOf(id) === "main" ||
    ids.some((other) => moduleOf(other)?.dynamicallyImportedIds.includes(id))
  );
  const reached = new Map<string, Set<string>>();
  for (const entry of entries) {
    const group = groupOf(nameOf(entry));
    const todo = [entry];
    for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
      const groups = reached.get(id) ?? new Set();
      if (groups.has(group)) continue;
      reached.set(id, groups.add(group));
      todo.push(...(moduleOf(id)?.importedIds ?? []).filter((imported) => ids.includes(imported)));
    }
  }
  for (const [id, groups] of reached) {
    // Nobody may wait for the entry itself: it waits for all that it starts.
    if (nameOf(id) === "main") continue;
    keys.set(id, groups.has("core") ? "core" : [...groups].toSorted().join("-"));
  }
}

function groupOf(name: string): string {
  return Object.entries(GROUPS).find(([, names]) => names.includes(name))?.[0] ?? name;
}

/** `ssh_session` for `/…/ssh_session-O4JQNYFV.js`. */
function nameOf(id: string): string {
  return /([^/\\]+?)(?:-[A-Z0-9]{8})?\.js$/.exec(id)?.[1] ?? id;
}
