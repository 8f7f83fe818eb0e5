import { register } from "./check.ts";
import { rekeyChecks } from "./checks/rekey.ts";
import { liveVersion, openLiveDesk } from "./live_desk.ts";

const SHORT_MS = 150_000;
const LONG_MS = 600_000;

register({
  subject: "rekey:",
  checks: rekeyChecks(Deno.args.includes("--long") ? LONG_MS : SHORT_MS),
  open: openLiveDesk,
  version: liveVersion(),
});
