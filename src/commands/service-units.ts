/** The systemd units of the gateway: one service, and a socket for each entrypoint, so that a restart refuses nobody. */

import { systemFile } from '../config-file.ts';

/** Where everything of the service is; systemd and Debian have their reasons for each (systemd.exec(5), FHS). */
export const service = {
  user: 'mcp-gateway',
  config: systemFile,
  /** NAME=value lines, for {"$env": "NAME"}. */
  environment: '/etc/mcp-gateway/environment',
  stateDir: '/var/lib/mcp-gateway',
  cacheDir: '/var/cache/mcp-gateway',
  unit: 'mcp-gateway.service',
  /**
   * mallopt(3). By itself glibc soon takes large memory from the heap of the small things too, where a single one that stays
   * keeps all that lies below it from the system, and gives each thread a heap of its own.
   */
  allocator: { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '16777216', MALLOC_ARENA_MAX: '2' },
} as const;

export interface UnitOptions {
  /** The words that start the program. */
  readonly program: readonly string[];
  readonly config: string;
  /** By entrypoint, as the configuration writes them. */
  readonly listen: Readonly<Record<string, string>>;
}

/** By file name. Addresses that systemd cannot take by itself are left to the service. */
export function serviceUnits({ program, config, listen }: UnitOptions): Record<string, string> {
  const sockets = Object.entries(listen).flatMap(([name, address]) => {
    const stream = streamOf(address);
    return stream === undefined ? [] : [{ file: `mcp-gateway-${name}.socket`, name, stream }];
  });
  const units: Record<string, string> = {
    [service.unit]: serviceUnit(
      program,
      config,
      sockets.map(({ file }) => file),
    ),
  };
  for (const { file, name, stream } of sockets) units[file] = socketUnit(name, stream);
  return units;
}

/** As systemd.socket(5) writes it: no host names, and a port alone for every address. */
function streamOf(address: string): string | undefined {
  if (address.startsWith('unix:/')) return address.slice(5);
  const [, host = '', port] = /^(\[[\da-f:.]+\]|[\d.]+|):([1-9]\d*)$/i.exec(address) ?? [];
  return port === undefined ? undefined : host === '' ? port : address;
}

function socketUnit(name: string, stream: string): string {
  return `[Unit]
Description=mcp-gateway, entrypoint ${name}

[Socket]
ListenStream=${stream}
FileDescriptorName=${name}
Service=${service.unit}

[Install]
WantedBy=sockets.target
`;
}

/** As closed as systemd can make it, save for what V8 and the servers that npx and uvx start need: code made at run time, a home. */
function serviceUnit(program: readonly string[], config: string, sockets: readonly string[]): string {
  const words = (...after: string[]) => [...program, ...after].map(quoted).join(' ');
  const allocator = Object.entries(service.allocator)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  return `[Unit]
Description=mcp-gateway, MCP servers on the internet behind OAuth
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
# systemd-notify, which the gateway calls, is a process of its own.
NotifyAccess=all
ExecStart=${words('serve', '-c', config)}
# Answers when the new configuration is at work, and fails with every fault of it.
ExecReload=${words('reload', '-c', config)}
${sockets.length > 0 ? `Sockets=${sockets.join(' ')}\n` : ''}Restart=always
RestartSec=1
WatchdogSec=60
# The gateway ends its servers itself, in order; one that takes too much memory ends alone.
KillMode=mixed
OOMPolicy=continue
LimitNOFILE=65536

User=${service.user}
StateDirectory=mcp-gateway
StateDirectoryMode=0700
CacheDirectory=mcp-gateway
CacheDirectoryMode=0700
# Memory that was let go goes back to the system.
Environment=${allocator}
# npx and uvx keep what they fetch here; it may be deleted at any time.
Environment=HOME=${service.cacheDir}
# NAME=value lines for {"$env": "NAME"}. Secrets in files: LoadCredential=NAME:PATH in a drop-in, then
# {"$file": "/run/credentials/${service.unit}/NAME"}.
EnvironmentFile=-${service.environment}
UMask=0077

CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: V8 compiles, here and in the servers that run on Node.

[Install]
WantedBy=multi-user.target
`;
}

/** systemd.syntax(7): a word as it stands, without specifiers and variables. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replace(/[\\"]/g, '\\$&')}"`;
}
