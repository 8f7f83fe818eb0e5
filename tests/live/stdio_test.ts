import { register } from "./check.ts";
import { STDIO_CHECKS } from "./checks/stdio.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "stdio:",
  checks: STDIO_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
