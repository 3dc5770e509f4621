/** Files that a person names on the command line. */

import { readFileSync } from 'node:fs';

/** Throws one sentence where the file cannot be read. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read: ${fileFault(error)}`, { cause: error });
  }
}

/** Why a file could not be read or written, as a person says it. */
export function fileFault(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOENT: 'there is no such file or directory',
    EACCES: 'this user may not',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of the path is no directory',
    ENOSPC: 'the disk is full',
    EROFS: 'the file system is for reading only',
  };
  return known[code] ?? message;
}
