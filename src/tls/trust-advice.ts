/** How a person has a machine trust the local authority: the commands, ready to paste. Never done by the gateway itself. */

import { resolve } from 'node:path';

export function trustAdvice(rootFile: string): string[] {
  const file = `'${resolve(rootFile).replaceAll("'", "'\\''")}'`;
  return [
    '  Certificates come from a local authority. To trust it on this machine:',
    `  Debian, Ubuntu  sudo install -m 644 ${file} /usr/local/share/ca-certificates/mcp-gateway.crt && sudo update-ca-certificates`,
    `  Fedora, Arch    sudo trust anchor ${file}`,
    `  Chrome on Linux certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n mcp-gateway -i ${file}   (certutil is in libnss3-tools)`,
    `  macOS           sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${file}`,
    `  Windows         certutil -addstore -f Root "${resolve(rootFile).replaceAll('"', '')}"   (as administrator)`,
    `  Firefox         Settings, Privacy & Security, View Certificates, Authorities, Import: ${file}`,
    `  Node            export NODE_EXTRA_CA_CERTS=${file}`,
    '',
  ];
}
