import { register } from "./check.ts";
import { COPY_CHECKS } from "./checks/copy.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "copy:",
  checks: COPY_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
