import { register } from "./check.ts";
import { SESSION_CHECKS } from "./checks/session.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "session:",
  checks: SESSION_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
