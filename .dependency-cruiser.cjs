/**
 * Who may import whom. For each folder the folders it may import; what is not listed is forbidden.
 * `a/b` is a folder inside a folder. A folder may always import itself.
 */
const MAY_IMPORT = {
  crds: [],
  kube: ['ingest/runtime'],
  operator: ['crds', 'kube', 'ingest/runtime', 'ingest/observe', 'ingest/config'],
  // Pure: objects in, manifests out.
  'operator/compile': ['crds'],
  'ingest/bytes': [],
  'ingest/runtime': [],
  'ingest/codec': ['ingest/bytes'],
  'ingest/media': [],
  'ingest/protocol': ['ingest/bytes', 'ingest/codec', 'ingest/runtime/fault'],
  'ingest/adapt': ['ingest/protocol', 'ingest/media', 'ingest/codec', 'ingest/bytes'],
  'ingest/relay': ['ingest/media', 'ingest/runtime', 'ingest/adapt'],
  'ingest/spool': [
    'ingest/media',
    'ingest/runtime',
    'ingest/config',
    'ingest/bytes',
    'ingest/protocol/fmp4',
    'ingest/protocol/flv',
  ],
  'ingest/record': [
    'ingest/media',
    'ingest/codec',
    'ingest/bytes',
    'ingest/adapt',
    'ingest/protocol/fmp4',
    'ingest/protocol/flv',
    'ingest/spool',
    'ingest/runtime',
    'ingest/config',
  ],
  'ingest/observe': ['ingest/media', 'ingest/runtime', 'ingest/config'],
  'ingest/upload': ['ingest/spool', 'ingest/runtime', 'ingest/config'],
  'ingest/push': ['ingest/relay', 'ingest/adapt', 'ingest/protocol', 'ingest/media', 'ingest/runtime'],
  'ingest/hooks': ['ingest/runtime', 'ingest/config'],
  'ingest/auth': ['crds', 'ingest/media', 'ingest/runtime', 'ingest/config'],
  'ingest/cluster': ['crds', 'kube', 'ingest/relay', 'ingest/media', 'ingest/runtime', 'ingest/config'],
  'ingest/config': ['crds', 'ingest/runtime'],
  'ingest/serve': [
    'crds',
    'ingest/adapt',
    'ingest/auth',
    'ingest/bytes',
    'ingest/cluster',
    'ingest/codec',
    'ingest/config',
    'ingest/hooks',
    'ingest/media',
    'ingest/observe',
    'ingest/protocol',
    'ingest/push',
    'ingest/relay',
    'ingest/runtime',
  ],
};

/** Node modules and packages that only some folders may touch; the shell of I/O stays thin. */
const RESERVED = [
  {
    name: 'sockets',
    modules: '^(node:)?(net|dgram|tls|http|https|http2)$',
    only: ['ingest/serve/', 'ingest/push/', 'ingest/cluster/', 'ingest/hooks/', 'kube/kubeconfig', 'operator/compile/endpoint-slice', 'operator/health'],
  },
  {
    name: 'files',
    modules: '^(node:)?fs(/promises)?$',
    only: [
      'ingest/spool/',
      'ingest/record/',
      'ingest/upload/',
      'ingest/config/',
      'ingest/auth/srt-passphrase-file',
      'ingest/serve/tls',
      'ingest/serve/api-token',
      'ingest/cluster/',
      'kube/in-cluster',
    ],
  },
  // 60 MB and most of a second to load: only where a kubeconfig is read.
  { name: 'the-kubernetes-client', modules: '^node_modules/@kubernetes/', only: ['kube/kubeconfig'] },
  { name: 'undici', modules: '^node_modules/undici/', only: ['kube/'] },
  { name: 'aws-sdk', modules: '^node_modules/@(aws-sdk|smithy)/', only: ['ingest/upload/s3-'] },
  { name: 'prom-client-and-pino', modules: '^node_modules/(prom-client|pino|pino-pretty)/', only: ['ingest/observe/'] },
  { name: 'zod-and-yaml', modules: '^node_modules/(zod|yaml)/', only: ['ingest/config/', 'crds/', 'operator/config/'] },
];

const ENTRY = '^(cli|ingest/(serve|banner))\\.ts$';
const SOURCE = '^(crds|ingest|kube|operator)/';
const TEST_CODE = '\\.test\\.ts$|^test/';
const inFolder = (folder) => (folder.startsWith('ingest/runtime/') ? `^${folder}\\.ts$` : `^${folder}/`);

const boundaries = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `boundary-of-${folder.replaceAll('/', '-')}`,
  severity: 'error',
  comment: `${folder} may import ${allowed.length === 0 ? 'nothing of ours' : allowed.join(', ')}`,
  from: { path: `^${folder}/`, pathNot: TEST_CODE },
  to: { path: '^(ingest|crds|kube|operator|scripts|test)/|^cli\\.ts$', pathNot: [folder, ...allowed].map(inFolder) },
}));

const reserved = RESERVED.map(({ name, modules, only }) => ({
  name: `only-few-use-${name}`,
  severity: 'error',
  from: { path: SOURCE, pathNot: [TEST_CODE, ...(name === 'files' ? [ENTRY] : []), ...only.map((folder) => `^${folder}`)] },
  to: { path: modules },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...boundaries,
    ...reserved,
    {
      name: 'kube-only-in-a-cluster',
      severity: 'error',
      comment: 'the ingest talks to an API server in ingest/cluster/kubernetes*.ts alone',
      from: { path: '^ingest/', pathNot: [TEST_CODE, '^ingest/cluster/kubernetes'] },
      to: { path: '^kube/' },
    },
    {
      name: 'kubernetes-is-loaded-lazily',
      severity: 'error',
      comment: 'what talks to an API server is imported by import(), so that it costs nothing elsewhere',
      from: { path: '^(ingest/|cli\\.ts)', pathNot: [TEST_CODE, '^ingest/cluster/kubernetes'] },
      to: { path: '^(ingest/cluster/kubernetes|operator/)', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-test-code-in-source',
      severity: 'error',
      from: { path: [SOURCE, '^(scripts/|cli\\.ts)'], pathNot: TEST_CODE },
      to: { path: TEST_CODE },
    },
    {
      name: 'folder-has-a-rule',
      severity: 'error',
      comment: 'a new folder under ingest/ needs an entry in MAY_IMPORT',
      from: {},
      to: { path: '^ingest/[^/]+/', pathNot: Object.keys(MAY_IMPORT).map((folder) => `^${folder}/`) },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'declared-dependencies-only',
      severity: 'error',
      from: { path: [SOURCE, '^cli\\.ts'], pathNot: TEST_CODE },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
