/** Makes dist/mcp-gateway_VERSION_ARCHITECTURE.deb of an executable that is there. The same sources give the same bytes. */

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { service, serviceUnits } from '../src/commands/service-units.ts';
import { version } from '../src/version.ts';

const executable = join(import.meta.dirname, '../dist/mcp-gateway');
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
/** Seconds since the epoch: what every file is dated. */
const made = Number(process.env.SOURCE_DATE_EPOCH ?? told('git', 'log', '-1', '--format=%ct'));
const maintainer = 'mcp-gateway <mcp-gateway@localhost>';

const config = {
  publicUrl: 'http://127.0.0.1:8080',
  stateDir: service.stateDir,
  auth: { login: { password: { users: {} } } },
  mcpServers: {},
};
const units = serviceUnits({
  program: ['/usr/bin/mcp-gateway'],
  config: service.config,
  listen: { http: '127.0.0.1:8080' },
});

const control = `Package: mcp-gateway
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Section: net
Priority: optional
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6, systemd | systemd-standalone-sysusers
Suggests: npm
Installed-Size: ${Math.ceil(readFileSync(executable).length / 1024)}
Description: puts any MCP server on the internet, safely
 TLS with certificates from Let's Encrypt, an OAuth 2.1 authorization server,
 routing and a bridge from stdio to Streamable HTTP in one process. Made for
 Claude, ChatGPT, VS Code, Cursor and every other client of the Model Context
 Protocol.
`;

const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  systemd-sysusers mcp-gateway.conf
  # It may come to hold secrets.
  chgrp ${service.user} ${service.config}
  chmod 640 ${service.config}
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    [ -z "$2" ] || systemctl try-restart ${service.unit}
  fi
fi
`;
const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  if [ -e /etc/systemd/system/${service.unit} ]; then
    mcp-gateway service uninstall >/dev/null
  else
    systemctl disable --now --quiet ${Object.keys(units).toReversed().join(' ')}
  fi
fi
`;
const postrm = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
if [ "$1" = purge ]; then
  rm -rf ${service.stateDir} ${service.cacheDir} ${dirname(service.config)}
  if getent passwd ${service.user} >/dev/null; then
    userdel ${service.user}
  fi
fi
`;

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: mcp-gateway

Files: *
Copyright: 2026 the authors of mcp-gateway
License: Apache-2.0
 On Debian systems the text of the Apache License 2.0 is in
 /usr/share/common-licenses/Apache-2.0.
`;
const overrides = `# What Node brings is linked into Node.
mcp-gateway: embedded-library
mcp-gateway: hardening-no-pie
# There is no address to write to.
mcp-gateway: bogus-mail-host
mcp-gateway: bogus-mail-host-in-debian-changelog
# deb-systemd-invoke would be a dependency more.
mcp-gateway: maintainer-script-calls-systemctl
`;

function told(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', env: { ...process.env, COLUMNS: '80' } });
}

const help = (...verb: string[]) => told(executable, ...verb, '--help');
const verbs = [...help().matchAll(/^ {2}([a-z]+) /gm)].map(([, verb = '']) => verb);

/** man(7): the help of every verb, as it stands. */
function manual(): string {
  const day = new Date(made * 1000).toISOString().slice(0, 10);
  const page = (title: string, body: string) =>
    `.SH ${title}\n.nf\n${body
      .replaceAll('\\', '\\e')
      .replaceAll('-', '\\-')
      .replace(/^(?=[.'])/gm, '\\&')}.fi\n`;
  const pages = verbs.map((verb) => page(verb.toUpperCase(), help(verb)));
  return `.TH MCP-GATEWAY 1 ${day} "mcp-gateway ${version}" "User Commands"
.SH NAME
mcp\\-gateway \\- puts any MCP server on the internet, safely
${page('SYNOPSIS', help())}${pages.join('')}`;
}

function gzip(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

const changelog = `mcp-gateway (${version}) unstable; urgency=medium

  * As built from its sources.

 -- ${maintainer}  ${new Date(made * 1000).toUTCString().replace('GMT', '+0000')}
`;
const completion = (shell: string) => told(executable, 'completion', shell);
const files: Record<string, string | Buffer> = {
  'DEBIAN/control': control,
  'DEBIAN/conffiles': `${service.config}\n`,
  'DEBIAN/postinst': postinst,
  'DEBIAN/prerm': prerm,
  'DEBIAN/postrm': postrm,
  [service.config]: `${JSON.stringify(config, null, 2)}\n`,
  'usr/lib/sysusers.d/mcp-gateway.conf': `u ${service.user} - "mcp-gateway" ${service.cacheDir}\n`,
  'usr/share/bash-completion/completions/mcp-gateway': completion('bash'),
  'usr/share/zsh/vendor-completions/_mcp-gateway': completion('zsh'),
  'usr/share/fish/vendor_completions.d/mcp-gateway.fish': completion('fish'),
  'usr/share/man/man1/mcp-gateway.1.gz': gzip(manual()),
  'usr/share/doc/mcp-gateway/copyright': copyright,
  'usr/share/doc/mcp-gateway/changelog.gz': gzip(changelog),
  'usr/share/lintian/overrides/mcp-gateway': overrides,
};
for (const [name, text] of Object.entries(units)) files[`lib/systemd/system/${name}`] = text;

const tree = mkdtempSync(join(tmpdir(), 'mcp-gateway-deb-'));
try {
  process.umask(0o022);
  chmodSync(tree, 0o755);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content, { mode: /inst$|rm$/.test(path) ? 0o755 : 0o644 });
  }
  mkdirSync(join(tree, 'usr/bin'));
  copyFileSync(executable, join(tree, 'usr/bin/mcp-gateway'));
  const target = join(dirname(executable), `mcp-gateway_${version}_${architecture}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z4', '--build', tree, target], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: String(made) },
  });
  process.stdout.write(told('sha256sum', target));
} finally {
  rmSync(tree, { recursive: true });
}
