import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Image, ociArchive } from './oci-archive.ts';

const IMAGE: Image = {
  architecture: 'amd64',
  name: 'docker.io/library/test:1',
  layers: [{ comment: 'one', entries: [{ path: 'usr/bin/x', mode: 0o755, content: Buffer.from('x') }] }],
  config: {
    user: '10001:10001',
    entrypoint: ['/usr/bin/x'],
    command: ['serve'],
    workdir: '/data',
    env: { PATH: '/usr/bin' },
    ports: ['1935/tcp'],
    volumes: ['/data'],
    labels: {},
    stopSignal: 'SIGTERM',
  },
};

const { archive, digest } = ociArchive(IMAGE);
const read = (file: string): Buffer => execFileSync('tar', ['xOf', '-', file], { input: archive });
const blob = (of: string): Buffer => read(`blobs/${of.replace(':', '/')}`);
const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

describe('an OCI archive', () => {
  it('leads from the index to every blob by its digest and size', () => {
    const index = JSON.parse(read('index.json').toString());
    expect(index.manifests[0]).toMatchObject({ digest, annotations: { 'io.containerd.image.name': IMAGE.name } });
    const manifest = JSON.parse(blob(digest).toString());
    for (const descriptor of [manifest.config, ...manifest.layers]) {
      const content = blob(descriptor.digest);
      expect(sha256(content)).toBe(descriptor.digest);
      expect(content.length).toBe(descriptor.size);
    }
  });

  it('names each layer by what it holds uncompressed', () => {
    const manifest = JSON.parse(blob(digest).toString());
    const config = JSON.parse(blob(manifest.config.digest).toString());
    const layer = gunzipSync(blob(manifest.layers[0].digest));
    expect(config.rootfs.diff_ids).toEqual([sha256(layer)]);
    expect(execFileSync('tar', ['tf', '-'], { input: layer, encoding: 'utf8' })).toBe('usr/\nusr/bin/\nusr/bin/x\n');
    expect(config.config).toMatchObject({
      User: '10001:10001',
      Entrypoint: ['/usr/bin/x'],
      Cmd: ['serve'],
      Env: ['PATH=/usr/bin'],
    });
  });

  it('is the same for the same program', () => {
    expect(ociArchive(IMAGE).archive.equals(archive)).toBe(true);
  });
});
