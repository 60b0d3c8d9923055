import type { EventEmitter } from "node:events";
import type { Command } from "commander";

/**
 * Makes the options of `command` fall back to `env`. Commander falls back to the environment of the process, after it
 * has read the command line and before it checks what is missing. It has no hook there, so this replaces that step.
 */
export function readEnvironment(command: Command, env: Readonly<Record<string, string | undefined>>): void {
  // A command is an emitter, but its type does not say so.
  const emitter = command as unknown as EventEmitter;
  Object.assign(command, {
    _parseOptionsEnv: () => {
      for (const option of command.options) {
        const value = option.envVar === undefined ? undefined : env[option.envVar];
        if (value === undefined || command.getOptionValueSource(option.attributeName()) === "cli") continue;
        // A set variable turns a switch on, whatever its value.
        emitter.emit(`optionEnv:${option.name()}`, ...(option.required || option.optional ? [value] : []));
      }
    },
  });
}
