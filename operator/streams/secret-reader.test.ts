import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryApi } from '../../test/support/kube/memory-api.ts';
import { encodeData } from '../compile/manifest.ts';
import { SecretReader } from './secret-reader.ts';

const { signal } = new AbortController();
let api: MemoryApi;
let reader: SecretReader;
let reads: string[];

beforeEach(() => {
  api = new MemoryApi();
  reads = [];
  api.fault = (what) => reads.push(what);
  reader = new SecretReader(api.client, api.watched('secrets'));
});

const put = (value: string) =>
  api.put('secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'a', name: 's' },
    data: encodeData({ key: value }),
  });
const read = () => reader.read('a', 's', signal);

describe('SecretReader', () => {
  it('reads a Secret once for all that name it, and again when it has changed', async () => {
    put('one');
    expect(await Promise.all([read(), read(), read()])).toEqual([{ key: 'one' }, { key: 'one' }, { key: 'one' }]);
    expect(reads).toHaveLength(1);
    put('two');
    expect(await read()).toEqual({ key: 'two' });
    expect(reads).toHaveLength(2);
  });

  it('keeps nothing of a Secret that nobody names any more', async () => {
    put('one');
    await read();
    reader.forget('a/s');
    expect(await read()).toEqual({ key: 'one' });
    expect(reads).toHaveLength(2);
  });

  it('asks for nothing that the metadata says is not there', async () => {
    expect(await read()).toBeUndefined();
    expect(reads).toEqual([]);
  });

  it('reads again what could not be read', async () => {
    put('one');
    api.fault = () => {
      throw new Error('away');
    };
    await expect(read()).rejects.toThrow('away');
    api.fault = () => {};
    expect(await read()).toEqual({ key: 'one' });
  });
});
