/**
 * Who may import whom. For each folder the folders it may import; what is not listed is forbidden.
 * `a/b` is a folder inside a folder. A folder may always import itself.
 */
const MAY_IMPORT = {
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
  'ingest/auth': ['ingest/runtime', 'ingest/config'],
  'ingest/cluster': ['ingest/relay', 'ingest/media', 'ingest/runtime', 'ingest/config'],
  'ingest/config': ['ingest/runtime'],
  'ingest/serve': [
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
    only: ['ingest/serve/', 'ingest/push/', 'ingest/cluster/', 'ingest/hooks/'],
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
    ],
  },
  { name: 'aws-sdk', modules: '^node_modules/@(aws-sdk|smithy)/', only: ['ingest/upload/s3-'] },
  { name: 'prom-client-and-pino', modules: '^node_modules/(prom-client|pino|pino-pretty)/', only: ['ingest/observe/'] },
  { name: 'zod-and-yaml', modules: '^node_modules/(zod|yaml)/', only: ['ingest/config/'] },
];

const ENTRY = '^(cli|ingest/(serve|banner))\\.ts$';
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
  from: { path: '^ingest/', pathNot: [TEST_CODE, ...(name === 'files' ? [ENTRY] : []), ...only.map((folder) => `^${folder}`)] },
  to: { path: modules },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...boundaries,
    ...reserved,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-test-code-in-source',
      severity: 'error',
      from: { path: '^(ingest/|scripts/|cli\\.ts)', pathNot: TEST_CODE },
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
      from: { path: '^(ingest/|cli\\.ts)', pathNot: TEST_CODE },
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
