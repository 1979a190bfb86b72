import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { parentFolders, type TarEntry, tar } from './tar.ts';

/** What a container of the image starts with. */
export interface ImageConfig {
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string;
}

export interface Image {
  readonly architecture: 'amd64' | 'arm64';
  /** As `docker.io/library/headwater:0.1.0`: what `ctr images import` and `kind load image-archive` call it. */
  readonly name: string;
  readonly layers: readonly { readonly comment: string; readonly entries: readonly TarEntry[] }[];
  readonly config: ImageConfig;
}

const MEDIA_TYPE = 'application/vnd.oci.image';
/** Images have no time: the same program is the same image. */
const NO_TIME = '1970-01-01T00:00:00Z';

const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** The image as an archive in the layout of the OCI image specification (image-layout.md), and its digest. */
export function ociArchive({ architecture, name, layers, config }: Image): {
  readonly archive: Buffer;
  readonly digest: string;
} {
  const blobs: TarEntry[] = [];
  const store = (mediaType: string, content: Buffer) => {
    const digest = sha256(content);
    blobs.push({ path: `blobs/${digest.replace(':', '/')}`, mode: 0o644, content });
    return { mediaType: `${MEDIA_TYPE}.${mediaType}`, digest, size: content.length };
  };
  const tars = layers.map(({ entries }) => tar([...parentFolders(entries), ...entries]));
  const stored = tars.map((layer) => store('layer.v1.tar+gzip', gzipSync(layer, { level: 6 })));
  const configBlob = store(
    'config.v1+json',
    json({
      created: NO_TIME,
      architecture,
      os: 'linux',
      config: {
        User: config.user,
        Entrypoint: config.entrypoint,
        Cmd: config.command,
        WorkingDir: config.workdir,
        Env: Object.entries(config.env).map(([key, value]) => `${key}=${value}`),
        ExposedPorts: Object.fromEntries(config.ports.map((port) => [port, {}])),
        Volumes: Object.fromEntries(config.volumes.map((volume) => [volume, {}])),
        Labels: config.labels,
        StopSignal: config.stopSignal,
      },
      rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
      history: layers.map(({ comment }) => ({ created: NO_TIME, created_by: comment })),
    }),
  );
  const manifest = store(
    'manifest.v1+json',
    json({ schemaVersion: 2, mediaType: `${MEDIA_TYPE}.manifest.v1+json`, config: configBlob, layers: stored }),
  );
  const index = {
    schemaVersion: 2,
    mediaType: `${MEDIA_TYPE}.index.v1+json`,
    manifests: [
      {
        ...manifest,
        platform: { architecture, os: 'linux' },
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
      },
    ],
  };
  const entries: TarEntry[] = [
    ...blobs,
    { path: 'index.json', mode: 0o644, content: json(index) },
    { path: 'oci-layout', mode: 0o644, content: json({ imageLayoutVersion: '1.0.0' }) },
  ];
  return { archive: tar([...parentFolders(entries), ...entries]), digest: manifest.digest };
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
