import { register } from "./check.ts";
import { OPENSSH_CHECKS } from "./checks/openssh.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "openssh:",
  checks: OPENSSH_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
