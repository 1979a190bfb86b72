import { beforeEach, describe, expect, it } from 'vitest';
import { Applier } from '../../kube/apply.ts';
import { MemoryApi } from '../../test/support/kube/memory-api.ts';
import { NO_LOG } from '../../test/support/kube/test-log.ts';
import { poolOf, storedStream, streamRecord } from '../../test/support/operator-fixtures.ts';
import type { StoredStream } from '../compile/manifest.ts';
import type { OperatorConfig } from '../config/settings.ts';
import type { Secret, Service } from '../watch/world.ts';
import { DedicatedPorts } from './dedicated-ports.ts';
import { StreamIndex } from './stream-index.ts';
import { StreamRecords } from './stream-records.ts';

const { signal } = new AbortController();

let api: MemoryApi;
let index: StreamIndex;
let records: StreamRecords;

beforeEach(() => {
  api = new MemoryApi();
  index = new StreamIndex(() => {});
  records = new StreamRecords(api.client, api.watched<Secret>('secrets'), 'runtime', 'default');
});

/** The ports 5000 and 5001 of a pool that serves team-* and takes two LiveStreams of a namespace. */
function ports(): DedicatedPorts {
  const srt = { dedicatedPorts: { from: 5000, to: 5001 } };
  const pool = poolOf({ allowedNamespaces: ['team-*'], maxStreamsPerNamespace: 2, srt });
  return new DedicatedPorts({
    ...{ client: api.client, applier: new Applier(api.client, 'headwater'), records, index, log: NO_LOG },
    config: { pool } as OperatorConfig,
    streams: api.watched<StoredStream>('livestreams'),
    services: api.watched<Service>('services'),
  });
}

/** A LiveStream that wants a port, made in this minute. Its uid is its name. */
function made(namespace: string, name: string, minute: number, dedicatedPort = true): void {
  const creationTimestamp = `2026-11-01T10:0${minute}:00Z`;
  const stream = storedStream({ ingest: { dedicatedPort } }, { namespace, name, uid: name, creationTimestamp });
  api.put('livestreams', stream as never);
  index.note(`${namespace}/${name}`, stream, undefined);
}

describe('dedicated ports', () => {
  it('are not taken by a namespace that the pool does not serve', () => {
    made('other', 'foreign-1', 1);
    made('other', 'foreign-2', 2);
    made('team-a', 'cam', 3);
    const all = ports();
    expect(['foreign-1', 'foreign-2', 'cam'].map((uid) => all.portOf(uid))).toEqual([null, null, 5000]);
  });

  it('are not taken by more LiveStreams of a namespace than the pool takes', () => {
    for (const [minute, name] of ['a-1', 'a-2', 'a-3'].entries()) made('team-a', name, minute, name !== 'a-1');
    made('team-b', 'b-1', 5);
    const all = ports();
    expect(['a-2', 'a-3', 'b-1'].map((uid) => all.portOf(uid))).toEqual([5000, null, 5001]);
  });

  it('stay with who has one in force, and is one too many since', async () => {
    const { srt } = streamRecord().config;
    await records.put(streamRecord({ uid: 'a-3', srt: { ...srt, dedicatedPort: 5000 } }), signal);
    for (const [minute, name] of ['a-1', 'a-2', 'a-3'].entries()) made('team-a', name, minute);
    const all = ports();
    expect(['a-1', 'a-2', 'a-3'].map((uid) => all.portOf(uid))).toEqual([5001, null, 5000]);
  });
});
