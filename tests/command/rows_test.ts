/** Coder's own tests of `ssh` have a counterpart here, which carries their name. Names are searched in the text of the tests. */
import { deepStrictEqual } from "node:assert/strict";

/** coder/coder `cli/ssh_test.go`, `cli/ssh_internal_test.go`. */
const ROWS = [
  ...["ImmediateExit", "WorkspaceNameInput", "StartStoppedWorkspace", "RequireActiveVersion"],
  ...["StartStoppedWorkspaceConflict", "ShowTroubleshootingURLAfterTimeout", "ExitOnStop"],
  ...["TestSSH/Stdio", "DeterministicHostKey", "NetworkInfo", "TestSSH/Env", "FileLogging"],
  ...["Stdio_StartStoppedWorkspace_CleanStdout", "Stdio_BrokenConn", "StdioExitOnStop"],
  ...["UpdateUsage/NoExperiment", "InvalidDefaultsToSSH", "SSHHost/", "OneShotExitCode/Success"],
  ...["OneShotExitCode/Error", "OneShotStdio", "DoesNotRequestPTY", "RequestsPTYWithFlag"],
  ...["ClosesStdinOnEOF", "PropagatesExitCode", "TestSSH_Completion", "TestSSH_Container/OK"],
  ...[
    "TestSSH_Container/NotFound",
    "TestSSH_CoderConnect/Enabled",
    "TestSSH_CoderConnect/Disabled",
  ],
  ...["TestVerifyWorkspaceOutdated", "TestBuildWorkspaceLink"],
  ...["TestCoderConnectDialer_DefaultTimeout", "TestCoderConnectStdio", "Test_getWorkspaceAgent"],
  ...["TestIsRetryableError", "TestRetryWithInterval", "StartupTimeout", "StartErrorExit"],
  ...["TimeoutWithTroubleshootingURL", "NoWait", "LoginBeforeReadyEnabled"],
] as const;

async function testTexts(folder: URL): Promise<string> {
  let text = "";
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) text += await testTexts(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith("_test.ts") && entry.name !== "rows_test.ts") {
      text += await Deno.readTextFile(new URL(entry.name, folder));
    }
  }
  return text;
}

Deno.test("Rows of Coder's own tests are named by tests here (coder/coder `cli/ssh_test.go`)", async () => {
  const text = await testTexts(new URL("../", import.meta.url));
  deepStrictEqual(ROWS.filter((row) => !text.includes(row)), []);
});
