import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program of the distribution, and the packages (Debian 12) that it needs to be of use here. */
export interface AptTool {
  readonly packages: readonly string[];
  /** Whether it is complete, where its being there does not say so. */
  readonly complete?: () => boolean;
}

const NGINX_RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** Where Debian keeps the programs that make a pod's network. */
export const CNI_PLUGINS = '/usr/lib/cni';

/** Every program the tests run that the distribution has. */
export const APT_TOOLS = {
  ffmpeg: { packages: ['ffmpeg'] },
  ffprobe: { packages: ['ffmpeg'] },
  ffplay: { packages: ['ffmpeg'] },
  obs: { packages: ['obs-studio', 'libgl1-mesa-dri'] },
  cvlc: { packages: ['vlc-bin', 'vlc-plugin-base'] },
  'gst-launch-1.0': {
    packages: [
      'gstreamer1.0-tools',
      'gstreamer1.0-plugins-base',
      'gstreamer1.0-plugins-good',
      'gstreamer1.0-plugins-bad',
      'gstreamer1.0-plugins-ugly',
    ],
    complete: () => GST_ELEMENTS.every((name) => succeeds('gst-inspect-1.0', ['--exists', name])),
  },
  'srt-live-transmit': { packages: ['srt-tools'] },
  rtmpdump: { packages: ['rtmpdump'] },
  nginx: { packages: ['nginx', 'libnginx-mod-rtmp'], complete: () => existsSync(NGINX_RTMP_MODULE) },
  Xvfb: { packages: ['xvfb'] },
  xdotool: { packages: ['xdotool'] },
  'dbus-daemon': { packages: ['dbus-daemon'] },
  openssl: { packages: ['openssl'] },
  nft: { packages: ['nftables'] },
  ip: { packages: ['iproute2'] },
  setpriv: { packages: ['util-linux'] },
  containerd: {
    packages: ['containerd', 'runc', 'containernetworking-plugins'],
    complete: () => ['ctr', 'runc'].every((name) => findProgram(name)) && existsSync(`${CNI_PLUGINS}/bridge`),
  },
  ctr: { packages: ['containerd'] },
  iptables: { packages: ['iptables'] },
  python3: { packages: ['python3', 'python3-pip'], complete: () => succeeds('python3', ['-m', 'pip', '--version']) },
} as const satisfies Record<string, AptTool>;

export type AptToolName = keyof typeof APT_TOOLS;

const GST_ELEMENTS = [
  ...['rtmp2sink', 'rtmp2src', 'srtsink', 'srtsrc', 'x264enc', 'voaacenc', 'flvmux', 'flvdemux'],
  ...['mpegtsmux', 'tsdemux', 'aacparse', 'h264parse'],
];
/** Debian keeps programs of administrators where an ordinary user's PATH does not look, and Go unpacks itself outside of it. */
const EXTRA_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/go/bin'];

/** Where a program is, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...EXTRA_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The packages of those tools that are missing or not complete. */
export function missingPackages(): string[] {
  const missing = new Set<string>();
  for (const [name, tool] of Object.entries<AptTool>(APT_TOOLS)) {
    if (findProgram(name) && (tool.complete?.() ?? true)) continue;
    for (const item of tool.packages) missing.add(item);
  }
  return [...missing];
}

/** The command, as words, that installs packages; a person can paste it too. */
export function aptInstall(packages: readonly string[]): string[] {
  // Waits for another apt-get that is at work.
  return ['apt-get', 'install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...packages];
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
