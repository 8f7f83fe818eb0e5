/** A process of its own for `lock_file_test.ts`: tries the lock, says what came of it, keeps it until its input ends. */
import { tryLockFile } from "../../lib/io/lock_file.ts";

const [path = ""] = Deno.args;
const lock = await tryLockFile(path);
await Deno.stdout.write(new TextEncoder().encode(lock === undefined ? "taken\n" : "held\n"));
await Deno.stdin.read(new Uint8Array(1));
lock?.release();
