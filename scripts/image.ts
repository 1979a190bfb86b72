import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { PORTS } from '../crds/names.ts';
import packageJson from '../package.json' with { type: 'json' };
import { bundleProgram } from './bundle.ts';
import { IMAGE_PORTS } from './image-ports.ts';
import { nodeRuntime } from './node-runtime.ts';
import { ociArchive } from './oci-archive.ts';
import { ROOT } from './source-files.ts';

const USAGE = `usage: npm run image -- [--name NAME] [--output FILE]

Makes an image of this checkout as an OCI archive, without Docker. Load it with one of
  kind load image-archive FILE
  k3s ctr images import FILE
  docker load -i FILE           (Docker 25 or newer)
  skopeo copy oci-archive:FILE docker://REGISTRY/NAME
`;

/** A user without rights; the chart and the Dockerfile say the same. */
const USER = 10_001;
const ARCHITECTURES: Readonly<Record<string, 'amd64' | 'arm64'>> = { x64: 'amd64', arm64: 'arm64' };

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: `docker.io/library/headwater:${packageJson.version}` },
    output: { type: 'string', default: path.join(ROOT, 'build', 'headwater-image.tar') },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const architecture = ARCHITECTURES[process.arch];
if (architecture === undefined) throw new Error(`there is no Node of ours for ${process.arch}: build on x64 or arm64`);

const program = await bundleProgram();
const { archive, digest } = ociArchive({
  architecture,
  name: values.name,
  // Node changes seldom: a new version of the program is a small layer.
  layers: [
    { comment: `Node ${process.versions.node} and glibc`, entries: nodeRuntime(USER) },
    {
      comment: `headwater ${packageJson.version}`,
      entries: [...program].map(([name, content]) => ({ path: `app/${name}`, mode: 0o644, content })),
    },
  ],
  config: {
    user: `${USER}:${USER}`,
    entrypoint: ['/usr/bin/node', '/app/cli.mjs'],
    // Without settings in the environment, which would count before a configuration file.
    command: ['serve', '--metrics-addr', `:${PORTS.internal}`],
    workdir: '/data',
    env: { PATH: '/usr/bin', NODE_ENV: 'production' },
    ports: IMAGE_PORTS,
    volumes: ['/data'],
    labels: {
      'org.opencontainers.image.title': 'headwater',
      'org.opencontainers.image.version': packageJson.version,
      'org.opencontainers.image.licenses': packageJson.license,
    },
    stopSignal: 'SIGTERM',
  },
});
mkdirSync(path.dirname(values.output), { recursive: true });
writeFileSync(values.output, archive);
process.stdout.write(`${values.name}\n${digest}\n${values.output} (${(archive.length / 1e6).toFixed(1)} MB)\n`);
