import type { EventEmitter } from "node:events";
import type { Command } from "commander";

/**
 * Lets the options of `command` take from `env` what the command line does not give. Commander reads the environment of the process,
 * after the command line and before it asks what is missing. It has no hook there, so this replaces its own step.
 */
export function readEnvironment(command: Command, env: Readonly<Record<string, string | undefined>>): void {
  // Its types leave out that a command is an emitter.
  const emitter = command as unknown as EventEmitter;
  Object.assign(command, {
    _parseOptionsEnv: () => {
      for (const option of command.options) {
        const value = option.envVar === undefined ? undefined : env[option.envVar];
        if (value === undefined || command.getOptionValueSource(option.attributeName()) === "cli") continue;
        // A switch is on whatever the variable says.
        emitter.emit(`optionEnv:${option.name()}`, ...(option.required || option.optional ? [value] : []));
      }
    },
  });
}
