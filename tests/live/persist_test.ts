import { register } from "./check.ts";
import { PERSIST_CHECKS } from "./checks/persist.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "persist:",
  checks: PERSIST_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
