import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { APT_TOOLS, type AptToolName, findProgram } from './apt-tools.ts';
import { type CacheEntry, cacheDir } from './cache.ts';
import { HELM, KUBERNETES, type KubernetesCommand } from './kube/build.ts';

/** ffmpeg 9 with Enhanced RTMP: a static build that a Python package carries. */
export const FFMPEG9: CacheEntry & { readonly requirement: string } = {
  name: 'ffmpeg9',
  requirement: 'imageio-ffmpeg==0.8.1',
  recipe: `imageio-ffmpeg==0.8.1 ${process.platform}-${process.arch} 1`,
};

/** MinIO, built from its source by Go. */
export const MINIO: CacheEntry & { readonly module: string } = {
  name: 'minio',
  module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
  recipe: `github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c ${process.platform}-${process.arch} 1`,
};

export type ToolName = AptToolName | KubernetesCommand | 'ffmpeg9' | 'helm' | 'minio';

/** The absolute path of a program that test/setup has seen to. @throws Error with the command to run where it is not there. */
export function tool(name: ToolName): string {
  const path = locate(name);
  if (path && existsSync(path)) return path;
  throw new Error(`${name} is not installed: run \`node test/setup/setup.ts\``);
}

function locate(name: ToolName): string | undefined {
  switch (name) {
    case 'ffmpeg9':
      return join(cacheDir(FFMPEG9), 'bin', 'ffmpeg');
    case 'minio':
      return join(cacheDir(MINIO), 'bin', 'minio');
    case 'helm':
      return join(cacheDir(HELM), 'bin', 'helm');
    case 'etcd':
    case 'kube-apiserver':
    case 'kube-controller-manager':
    case 'kube-scheduler':
    case 'kubelet':
    case 'kube-proxy':
    case 'kubectl':
    case 'coredns':
    case 'pause':
      return join(cacheDir(KUBERNETES), 'bin', name);
    default:
      return name in APT_TOOLS ? findProgram(name) : undefined;
  }
}
