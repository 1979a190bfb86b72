import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { output } from '../process.ts';
import { TempDir } from '../temp-dir.ts';

const TYPE = 'application/vnd.oci.image.';
/** The same bytes from the same files: in the order of their names, without times and owners. */
const REPRODUCIBLE = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Writes an image of one layer, the content of `root`, as an OCI archive that `ctr images import` takes. */
export async function writeOciImage(name: string, root: string, entrypoint: string, archive: string): Promise<void> {
  using dir = new TempDir('image');
  const blobs = dir.join('blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const layer = await layerOf(root, dir, blobs);
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const config = writeBlob(blobs, {
    architecture,
    os: 'linux',
    config: { Entrypoint: [entrypoint] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const manifest = writeBlob(blobs, {
    schemaVersion: 2,
    mediaType: `${TYPE}manifest.v1+json`,
    config: { mediaType: `${TYPE}config.v1+json`, ...config },
    layers: [{ mediaType: `${TYPE}layer.v1.tar`, ...layer }],
  });
  const annotations = { 'io.containerd.image.name': name };
  const manifests = [{ mediaType: `${TYPE}manifest.v1+json`, ...manifest, annotations }];
  writeFileSync(dir.join('index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(dir.join('oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await output('tar', ['-C', dir.path, '-cf', archive, 'oci-layout', 'index.json', 'blobs']);
}

async function layerOf(root: string, dir: TempDir, blobs: string): Promise<Blob> {
  const tar = dir.join('layer.tar');
  await output('tar', [...REPRODUCIBLE, '-C', root, '-cf', tar, '.']);
  const hash = createHash('sha256');
  await pipeline(createReadStream(tar), hash);
  const hex = hash.digest('hex');
  const { size } = statSync(tar);
  renameSync(tar, join(blobs, hex));
  return { digest: `sha256:${hex}`, size };
}

function writeBlob(blobs: string, content: object): Blob {
  const bytes = Buffer.from(JSON.stringify(content));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}
