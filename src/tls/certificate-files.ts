/** Certificates the operator keeps in files, reread when they change. */

import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Log } from '../log.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import type { TlsConfig } from './config.ts';

/** Milliseconds between looks at a file; links are followed, so that a swapped link is seen too. */
const lookEvery = 1000;

/** Rejects where a file cannot be used at the start. Later faults are logged and the former certificate stays. */
export async function certificateFiles(
  files: TlsConfig['files'],
  log: Log,
  changed: (certificates: readonly Certificate[]) => void,
): Promise<Disposable> {
  const current = await Promise.all(files.map(read));
  changed(current);
  const watches = files.map((file, index) => {
    const reread = () =>
      void read(file).then(
        (certificate) => {
          if (certificate.chain === current[index]?.chain) return;
          current[index] = certificate;
          changed(current);
          log.info('certificate reread', { file: file.cert, until: new Date(certificate.notAfter).toISOString() });
        },
        // A chain and its key are seldom replaced in the same moment; the next look tells whether they fit.
        (error: unknown) => log.warn('certificate not reread, the former one stays', { error }),
      );
    for (const path of [file.cert, file.key]) watchFile(path, { interval: lookEvery, persistent: false }, reread);
    return { file, reread };
  });
  return {
    [Symbol.dispose]() {
      for (const { file, reread } of watches) for (const path of [file.cert, file.key]) unwatchFile(path, reread);
    },
  };
}

async function read({ cert, key }: TlsConfig['files'][number]): Promise<Certificate> {
  try {
    return readCertificate(await readFile(cert, 'utf8'), await readFile(key, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`tls.files: ${cert} with ${key}: ${reason}`, { cause: error });
  }
}
