/** `completion`: the script by which a shell asks `complete` what can stand where somebody types. Printed, never installed. */
import { UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { choiceFlag, switchFlag } from "../grammar/flag.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

const BASH = `# hawser completion for bash
_hawser() {
  local name
  COMPREPLY=()
  while IFS= read -r name; do
    [[ $name == "$2"* ]] && COMPREPLY+=("$name")
  done < <(COMPLETION_MODE=1 hawser "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _hawser hawser
`;

const ZSH = `#compdef hawser
_hawser() {
  local -a names
  names=("\${(@f)$(COMPLETION_MODE=1 hawser "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  names=("\${(@)names:#}")
  if (( $#names )); then compadd -- "\${names[@]}"; else _files; fi
}
if [[ "$funcstack[1]" == _hawser ]]; then _hawser; else compdef _hawser hawser; fi
`;

const FISH = `# hawser completion for fish
function __hawser_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l current (commandline -ct)
  COMPLETION_MODE=1 hawser $words "$current" 2>/dev/null
end
complete -c hawser -f -n 'not contains cp (commandline -opc)' -a '(__hawser_complete)'
`;

const POWERSHELL = `# hawser completion for PowerShell
Register-ArgumentCompleter -Native -CommandName hawser -ScriptBlock {
  param($word, $ast, $cursor)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  # Before 7.3 an empty word is lost unless it is quoted.
  if ($word -eq '') { $words += if ($PSVersionTable.PSVersion -lt '7.3') { '""' } else { '' } }
  $before = $env:COMPLETION_MODE
  $env:COMPLETION_MODE = '1'
  try {
    hawser @words 2>$null | Where-Object { $_.StartsWith($word) } | ForEach-Object {
      [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
  } finally { $env:COMPLETION_MODE = $before }
}
`;

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ["bash", BASH],
  ["zsh", ZSH],
  ["fish", FISH],
  ["powershell", POWERSHELL],
]);
const SHELLS = [...SCRIPTS.keys()];

export const command = defineCommand({
  name: "completion",
  usage: "[flags]",
  summary: "Print what lets a shell complete commands, flags and workspaces.",
  description:
    "Prints a script for bash, zsh, fish or PowerShell, by which the tabulator key completes commands, " +
    "flags, contexts and the names of workspaces. Nothing is installed.",
  examples: [
    { line: "hawser completion --shell bash >> ~/.bashrc", does: "For every bash from now on" },
    {
      line: "hawser completion --shell fish > ~/.config/fish/completions/hawser.fish",
      does: "For fish",
    },
  ],
  flags: {
    shell: choiceFlag({
      name: "shell",
      shorthand: "s",
      words: ["", ...SHELLS],
      initial: "",
      help: "The shell; without it, that of SHELL.",
    }),
    print: switchFlag({ name: "print", shorthand: "p", help: "Accepted: it is printed always." }),
  },
  positionals: { min: 0, max: 0 },
  async run({ shell }, { host }) {
    const script = SCRIPTS.get(shell || shellOf(host));
    if (script === undefined) {
      throw new UserError("could not detect the current shell, please specify one with --shell", {
        hint: `One of ${SHELLS.join(", ")}`,
      });
    }
    await writeText(host.stdout, script);
    return 0;
  },
});

function shellOf(host: Host): string {
  return host.env("SHELL")?.split(/[/\\]/).at(-1) ?? "";
}
