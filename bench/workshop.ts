/** What every measurement needs: a directory of its own, certificates, compiled C programs. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Workshop extends Disposable {
  readonly directory: string;
  /** PEM files of a certificate for localhost and 127.0.0.1, and one with both parts for HAProxy. */
  readonly certificate: { readonly cert: string; readonly key: string; readonly both: string };
  /** Writes a file and answers its path. */
  file(name: string, text: string): string;
  /** Compiles a C program of this directory and answers its path. */
  compiled(name: string): string;
}

export function workshop(): Workshop {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-bench-'));
  const path = (name: string) => join(directory, name);
  const built = new Map<string, string>();
  const certificate = { cert: path('cert.pem'), key: path('key.pem'), both: path('both.pem') };
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-keyout', certificate.key, '-out', certificate.cert];
  execFileSync('openssl', [...request, ...names, ...files], { stdio: 'ignore' });
  execFileSync('sh', ['-c', 'cat "$0" "$1" > "$2"', certificate.cert, certificate.key, certificate.both]);
  return {
    directory,
    certificate,
    file(name, text) {
      writeFileSync(path(name), text);
      return path(name);
    },
    compiled(name) {
      const known = built.get(name);
      if (known !== undefined) return known;
      const output = path(name);
      execFileSync('cc', ['-O2', '-o', output, join(import.meta.dirname, `${name}.c`)]);
      built.set(name, output);
      return output;
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The path of a program; undefined where it is not installed. */
export function program(name: string): string | undefined {
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return places.map((place) => join(place, name)).find((path) => existsSync(path));
}
