import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './source-files.ts';
import type { TarEntry } from './tar.ts';

/** What the resolver of glibc loads when the first name is looked up, and no program lists. */
const RESOLVER = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];

/**
 * The project's own Node as a file system: the program, the shared libraries of glibc that it needs, and as much of `/etc` as
 * looking up a name takes. Certificates of authorities are within Node. No shell, no package manager.
 * @throws Error where the machine has no glibc, or the package of its platform is not installed
 */
export function nodeRuntime(user: number): TarEntry[] {
  const node = path.join(ROOT, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  if (!existsSync(node)) throw new Error(`${node} is not there: run npm ci --include=optional on Linux, x64 or arm64`);
  const libraries = sharedLibraries(node);
  const libc = libraries.find((file) => path.basename(file) === 'libc.so.6');
  if (libc === undefined)
    throw new Error(
      'Node does not use glibc here: build the image on a machine whose C library is glibc, or with the Dockerfile',
    );
  const resolver = RESOLVER.map((name) => path.join(path.dirname(libc), name)).filter(existsSync);
  const file = (target: string, source: string, mode = 0o755): TarEntry => ({
    path: target.replace(/^\//, ''),
    mode,
    content: readFileSync(realpathSync(source)),
  });
  const text = (target: string, content: string): TarEntry => ({
    path: target,
    mode: 0o644,
    content: Buffer.from(content),
  });
  return [
    file('usr/bin/node', node),
    ...[...libraries, ...resolver].map((library) => file(library, library)),
    text('etc/passwd', `root:x:0:0:root:/:/sbin/nologin\nheadwater:x:${user}:${user}::/data:/sbin/nologin\n`),
    text('etc/group', `root:x:0:\nheadwater:x:${user}:\n`),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    { path: 'tmp/', mode: 0o1777 },
    { path: 'data/', mode: 0o755, owner: user },
  ];
}

/** Where the loader finds each library of a program, the loader itself included. */
function sharedLibraries(program: string): string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return [...text.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, file]) => file!);
}
