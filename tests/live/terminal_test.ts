import { register } from "./check.ts";
import { TERMINAL_CHECKS } from "./checks/terminal.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "terminal:",
  checks: TERMINAL_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
