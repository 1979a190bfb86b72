import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { API_VERSION, FINALIZER } from '../../crds/names.ts';
import { crdOf, KINDS, type OpenApiSchema } from '../../scripts/crd-definitions.ts';
import { ControlPlane } from '../support/kube/control-plane.ts';
import { type RawAnswer, RawRequests } from '../support/kube/raw-request.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { BAD_POLICIES, BAD_RECORDINGS } from './bad-recordings.ts';
import { BAD_STREAMS } from './bad-streams.ts';
import { GOOD_STREAMS } from './good-objects.ts';
import { policy, stream, type WrittenObject } from './written-object.ts';

const CRDS = path.join(import.meta.dirname, '..', '..', 'crds');
const NAMESPACE = 'team-a';
/** The API server adds it where a type or a limit kept it from asking the rules of the whole object. */
const NOT_ALL_CHECKED = / some validation rules were not checked because the object was invalid;/;

let dir: TempDir;
let plane: ControlPlane;
let api: RawRequests;

beforeAll(async () => {
  dir = new TempDir('schema');
  plane = await ControlPlane.start({ dir: dir.path });
  api = await RawRequests.open(plane.kubeconfig);
  await plane.kubectl('create', 'namespace', NAMESPACE);
  await plane.kubectl('apply', ...KINDS.flatMap(({ plural }) => ['-f', path.join(CRDS, `${plural}.yaml`)]));
  for (const { kind, plural } of KINDS) {
    await waitFor(`${plural} to be served`, async () => {
      const { status } = await api.send({ path: pathOf(kind) });
      return status === 200;
    });
  }
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function pathOf(kind: string, name?: string): string {
  const plural = KINDS.find((one) => one.kind === kind)!.plural;
  return `/apis/${API_VERSION}/namespaces/${NAMESPACE}/${plural}${name === undefined ? '' : `/${name}`}`;
}

/** As `kubectl create` does: unknown fields are mistakes. */
function create(object: WrittenObject, options = ''): Promise<RawAnswer> {
  return api.send({ method: 'POST', path: `${pathOf(object.kind)}?fieldValidation=Strict${options}`, body: object });
}

function merge(name: string, patch: object, { kind = 'LiveStream', subresource = '' } = {}): Promise<RawAnswer> {
  return api.send({
    method: 'PATCH',
    path: `${pathOf(kind, name)}${subresource}?fieldValidation=Strict`,
    body: patch,
    contentType: 'application/merge-patch+json',
  });
}

/** What `kubectl` prints of a refusal, a line for each cause. */
function refusalOf({ status, body }: RawAnswer): string[] {
  if (status < 400) return [];
  const causes: { field: string; message: string }[] = body.details?.causes ?? [];
  if (causes.length === 0) return [body.message];
  return causes
    .filter(({ message }) => !NOT_ALL_CHECKED.test(message))
    .map(({ field, message }) => `${field}: ${message}`);
}

describe('bad objects', () => {
  const bad = [...BAD_STREAMS, ...BAD_RECORDINGS, ...BAD_POLICIES];

  it.each(bad)('$name', async ({ object, refused }) => {
    expect(refusalOf(await create(object))).toEqual(refused);
  });

  it('are more than sixty, and leave nothing behind', async () => {
    expect(bad.length).toBeGreaterThan(60);
    for (const { kind } of KINDS) expect((await api.send({ path: pathOf(kind) })).body.items).toEqual([]);
  });
});

describe('good objects', () => {
  it.each(GOOD_STREAMS)('$name', async ({ object, policy }) => {
    for (const written of policy === undefined ? [object] : [policy, object]) {
      const answer = await create(written, '&dryRun=All');
      expect(refusalOf(answer)).toEqual([]);
      // The only default of the schema.
      if (written.kind === 'LiveStream')
        expect(answer.body.spec).toEqual({ pool: 'default', ...(written.spec as object) });
    }
  });

  it('are more than twenty', () => {
    expect(GOOD_STREAMS.length).toBeGreaterThan(20);
  });

  it('are selected by their pool', async () => {
    await create(stream({}, 'here'));
    await create(stream({ pool: 'elsewhere' }, 'there'));
    const { body } = await api.send({ path: `${pathOf('LiveStream')}?fieldSelector=spec.pool%3Delsewhere` });
    expect(body.items.map((item: WrittenObject) => item.metadata.name)).toEqual(['there']);
  });

  it('are shown by their short names and in their category', async () => {
    const list = await plane.kubectl('get', 'lstream', '-n', NAMESPACE);
    expect(list.split('\n')[0]).toMatch(/^NAME +READY +PHASE +PROTOCOL +VIDEO +BITRATE +AGE *$/);
    const wide = await plane.kubectl('get', 'lstream', '-n', NAMESPACE, '-o', 'wide');
    expect(wide.split('\n')[0]).toMatch(/REASON +AUDIO +POD +POOL +RECORDING +BACKLOG +PUBLISH-TO *$/);
    expect(await plane.kubectl('get', 'headwater', '-n', NAMESPACE, '-o', 'name')).toContain(
      'livestream.headwater.dev/here',
    );
    expect(await plane.kubectl('get', 'recpol', '-n', NAMESPACE, '-o', 'name')).toBe('');
  });
});

describe('changes', () => {
  it.each([
    {
      name: 'the pool stays',
      before: {},
      patch: { pool: 'other' },
      refused: [
        'spec.pool: Invalid value: "other": cannot be changed: delete the LiveStream and make it again in the other pool',
      ],
    },
    {
      name: 'a generation does not fall',
      before: { credentials: { rotation: { generation: 3 } } },
      patch: { credentials: { rotation: { generation: 2 } } },
      refused: ['spec.credentials.rotation.generation: Invalid value: 2: may only grow: add one to the present value'],
    },
    {
      name: 'a generation grows',
      before: { credentials: { rotation: { generation: 3 } } },
      patch: { credentials: { rotation: { generation: 4 } } },
      refused: [],
    },
    { name: 'a stream is suspended', before: {}, patch: { suspend: true }, refused: [] },
  ])('$name', async ({ name, before, patch, refused }) => {
    const object = stream(before, `change-${name.replaceAll(' ', '-')}`);
    expect(refusalOf(await create(object))).toEqual([]);
    expect(refusalOf(await merge(object.metadata.name, { spec: patch }))).toEqual(refused);
  });

  it('status is written by its subresource alone, and conditions by their type', async () => {
    await create(stream({}, 'with-status'));
    await merge('with-status', { status: { phase: 'Live' } });
    expect((await api.send({ path: pathOf('LiveStream', 'with-status') })).body.status).toBeUndefined();
    const condition = (type: string) => ({
      type,
      status: 'True',
      reason: 'Ready',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    });
    const apply = (manager: string, type: string): Promise<RawAnswer> =>
      api.send({
        method: 'PATCH',
        path: `${pathOf('LiveStream', 'with-status')}/status?fieldManager=${manager}`,
        body: {
          apiVersion: API_VERSION,
          kind: 'LiveStream',
          metadata: { name: 'with-status' },
          status: { conditions: [condition(type)] },
        },
        contentType: 'application/apply-patch+yaml',
      });
    expect(refusalOf(await apply('one', 'Ready'))).toEqual([]);
    const both = await apply('two', 'Live');
    expect(both.body.status.conditions.map((one: { type: string }) => one.type).sort()).toEqual(['Live', 'Ready']);
  });
});

interface Outgrown {
  readonly name: string;
  /** As it was written when its leaf had no rules. */
  readonly object: WrittenObject;
  readonly leaf: readonly string[];
  /** A change of other fields, as near to the leaf as may be. */
  readonly beside: object;
  /** A change of the leaf to what is as wrong. */
  readonly again: object;
  readonly refused: RegExp;
}

const KEYS = { credentialsSecretRef: { name: 's3' } };

/** An object that was stored before a rule came must stay usable: a rule is on the value that it speaks of, which is not judged again while it is unchanged. */
describe.each<Outgrown>([
  {
    name: 'a LiveStream with an idle timeout',
    object: stream({ ingest: { idleTimeout: '10 seconds' } }, 'from-before'),
    leaf: ['ingest', 'idleTimeout'],
    beside: { suspend: true, ingest: { onDuplicate: 'Reject' } },
    again: { ingest: { idleTimeout: '11 seconds' } },
    refused: /^spec\.ingest\.idleTimeout: Invalid value: "11 seconds": is no duration: write /,
  },
  {
    name: 'a LiveStream with a bucket',
    object: stream({ recording: { enabled: true, store: { bucket: 'Mine', ...KEYS } } }, 'recorded-before'),
    leaf: ['recording', 'store', 'bucket'],
    beside: { recording: { store: { region: 'eu-central-1' } } },
    again: { recording: { store: { bucket: 'Yours' } } },
    refused: /^spec\.recording\.store\.bucket: Invalid value: "Yours": is no bucket: /,
  },
  {
    name: 'a RecordingPolicy with a segment duration',
    object: policy({ segmentDuration: '10' }, 'from-before'),
    leaf: ['segmentDuration'],
    beside: { format: 'flv' },
    again: { segmentDuration: '11' },
    refused: /^spec\.segmentDuration: Invalid value: "11": has no unit: write /,
  },
  {
    name: 'a RecordingPolicy with a store without credentials',
    object: policy({ store: { bucket: 'mine' } }, 'stored-before'),
    leaf: ['store'],
    beside: { segmentDuration: '9s' },
    again: { store: { bucket: 'yours' } },
    refused: /^spec\.store: Invalid value: needs credentials of its own: /,
  },
])('$name, stored under an older schema', ({ object, leaf, beside, again, refused }) => {
  const { kind, metadata } = object;
  const { name } = metadata;
  const change = (patch: object, subresource = '') => merge(name, patch, { kind, subresource });

  /** The released schema without the leaf's rules: what an earlier release could have been. */
  function olderCrd(): object {
    const crd = structuredClone(crdOf(KINDS.find((each) => each.kind === kind)!)) as {
      spec: { versions: [{ schema: { openAPIV3Schema: OpenApiSchema } }] };
    };
    const spec = crd.spec.versions[0].schema.openAPIV3Schema.properties!.spec!;
    const found = leaf.reduce((node, key) => node.properties![key]!, spec);
    delete (found as { 'x-kubernetes-validations'?: unknown })['x-kubernetes-validations'];
    return crd;
  }

  beforeAll(async () => {
    const present = crdOf(KINDS.find((each) => each.kind === kind)!);
    await plane.apply(stringify(olderCrd(), { aliasDuplicateObjects: false }));
    const old = { ...object, metadata: { name, finalizers: [FINALIZER] } };
    await waitFor('the older schema', async () => (await create(old)).status === 201);
    await plane.apply(stringify(present, { aliasDuplicateObjects: false }));
    const another = { ...object, metadata: { name: 'another' } };
    await waitFor('the present schema', async () => (await create(another, '&dryRun=All')).status === 422);
  });

  it('takes a label, and a status where its kind has one', async () => {
    expect(refusalOf(await change({ metadata: { labels: { a: 'b' } } }))).toEqual([]);
    if (kind !== 'LiveStream') return;
    const answer = await change({ status: { phase: 'Idle', observedGeneration: 1 } }, '/status');
    expect(refusalOf(answer)).toEqual([]);
    expect(answer.body.status.phase).toBe('Idle');
  });

  it('takes a change of another field, beside the one that is wrong now', async () => {
    expect(refusalOf(await change({ spec: beside }))).toEqual([]);
  });

  it('is not given a new wrong value', async () => {
    expect(refusalOf(await change({ spec: again }))).toEqual([expect.stringMatching(refused)]);
  });

  it('loses its finalizer, and goes', async () => {
    await api.send({ method: 'DELETE', path: pathOf(kind, name) });
    expect(refusalOf(await change({ metadata: { finalizers: null } }))).toEqual([]);
    expect((await api.send({ path: pathOf(kind, name) })).status).toBe(404);
  });
});
