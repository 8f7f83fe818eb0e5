import { register } from "./check.ts";
import { PATH_CHECKS } from "./checks/paths.ts";
import { missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "paths:",
  checks: PATH_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
});
