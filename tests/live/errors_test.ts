import { register } from "./check.ts";
import { ERRORS_CHECKS } from "./checks/errors.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "errors:",
  checks: ERRORS_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
