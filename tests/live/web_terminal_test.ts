import { register } from "./check.ts";
import { WEB_TERMINAL_CHECKS } from "./checks/web_terminal.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "web terminal:",
  checks: WEB_TERMINAL_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
