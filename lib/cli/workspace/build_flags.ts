/** What `start` and `restart` can be told of a build: the official command's flags. */
import { choiceFlag, listFlag, pathFlag, switchFlag } from "../grammar/flag.ts";

export const YES = switchFlag({
  name: "yes",
  shorthand: "y",
  help: "Bypass confirmation prompts.",
});

export const PROVISIONER_LOG_DEBUG = switchFlag({
  name: "provisioner-log-debug",
  hidden: true,
  help: "Ask the provisioner to say more.",
});

export const REASON = choiceFlag({
  name: "reason",
  words: ["cli", "vscode_connection", "jetbrains_connection"],
  initial: "cli",
  hidden: true,
  help: "Why the workspace is built.",
});

const EPHEMERAL = listFlag({
  name: "ephemeral-parameter",
  env: "CODER_EPHEMERAL_PARAMETER",
  help: "A value for this one build, name=value, for parameters that the template calls ephemeral.",
});

const PROMPT_EPHEMERAL = switchFlag({
  name: "prompt-ephemeral-parameters",
  env: "CODER_PROMPT_EPHEMERAL_PARAMETERS",
  help: "Ask for ephemeral parameters that --ephemeral-parameter does not give.",
});

export const PARAMETER_FLAGS = {
  ephemeral: EPHEMERAL,
  promptEphemeral: PROMPT_EPHEMERAL,
  buildOption: listFlag({
    name: "build-option",
    env: "CODER_BUILD_OPTION",
    replacedBy: EPHEMERAL,
    help: "A value for this one build, name=value.",
  }),
  buildOptions: switchFlag({
    name: "build-options",
    replacedBy: PROMPT_EPHEMERAL,
    help: "Ask for ephemeral parameters.",
  }),
  parameter: listFlag({
    name: "parameter",
    env: "CODER_RICH_PARAMETER",
    help: "The value of a parameter of the template, name=value.",
  }),
  parameterDefault: listFlag({
    name: "parameter-default",
    env: "CODER_RICH_PARAMETER_DEFAULT",
    help: "The default of a parameter that nobody gives a value, name=value.",
  }),
  parameterFile: pathFlag({
    name: "rich-parameter-file",
    env: "CODER_RICH_PARAMETER_FILE",
    help: "A YAML file of parameters: each key is a name, with its value behind it.",
  }),
  useDefaults: switchFlag({
    name: "use-parameter-defaults",
    env: "CODER_WORKSPACE_USE_PARAMETER_DEFAULTS",
    help: "Take the default of each parameter that nobody gives a value.",
  }),
  alwaysPrompt: switchFlag({
    name: "always-prompt",
    help: "Ask for all parameters, whatever the workspace has.",
  }),
};
