import { register } from "./check.ts";
import { HOST_KEY_CHECKS } from "./checks/host_keys.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "host keys:",
  checks: HOST_KEY_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
