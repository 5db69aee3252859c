/** What the commands share: how they find the configuration, and how they end in words. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError, type LoadedConfig, loadConfig } from '../config/load.ts';
import { FolderLockedError } from '../storage/folder-lock.ts';

export interface Command {
  /** Shown by `carillon <command> --help`. */
  readonly help: string;
  /**
   * @param args what follows the command's name
   * @returns the exit code, or undefined while a server runs
   */
  run(args: readonly string[]): Promise<number | undefined>;
}

/** Why a command cannot do what was asked, for a person. */
export class CommandError extends Error {
  override name = 'CommandError';
  /** 2 for a command line that cannot be understood, 1 for all else. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** For `parseArgs`; every command that reads the configuration has it. */
export const CONFIG_OPTION = { config: { type: 'string', short: 'c' } } as const;

/** Where secrets are and, without a DSN, the embedded database. */
export function dataDirectory(): string {
  return resolve(process.env.CARILLON_DATA_DIR || 'carillon-data');
}

/** Reads the file, `config.json` when none is named and there is one, and the environment. */
export async function readConfig(
  named: string | undefined,
): Promise<LoadedConfig & { readonly file: string | undefined }> {
  const file = named ?? (existsSync('config.json') ? 'config.json' : undefined);
  return { file, ...(await loadConfig({ ...(file && { file }), env: process.env })) };
}

/** What went wrong, for a person; a stack only for what nobody foresaw. */
export function wordsOf(error: unknown): string {
  if (error instanceof ConfigError || error instanceof FolderLockedError || error instanceof CommandError)
    return error.message;
  const { message, stack, code } = error as NodeJS.ErrnoException;
  const isForeseen = code !== undefined || /^(port |consumer |push_notifications\.)/.test(message);
  return isForeseen ? message : (stack ?? message);
}
