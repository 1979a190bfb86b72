import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { selfSigned } from '../../test/support/certificate.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import type { Log } from '../runtime/log.ts';
import { TlsFiles, type TlsMaterial } from './tls.ts';

it('gives a new pair once, says once what is wrong, keeps the one in force meanwhile, and ends with its signal', async () => {
  using dir = new TempDir('tls');
  const [first, second] = [await selfSigned(dir, 'first'), await selfSigned(dir, 'second')];
  const pair = { cert: dir.join('tls.crt'), key: dir.join('tls.key') };
  copyFileSync(first.cert, pair.cert);
  copyFileSync(first.key, pair.key);
  const said: string[] = [];
  const say = (_: object, message: string): void => void said.push(message);
  const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
  const files = new TlsFiles(pair, log);
  expect(String((await files.load()).cert)).toBe(readFileSync(first.cert, 'utf8'));
  const stop = new AbortController();
  const given: TlsMaterial[] = [];
  files.watch(stop.signal, (material) => given.push(material), 5);

  copyFileSync(second.cert, pair.cert); // the key is still the first one's
  await waitFor('the complaint', () => said.length > 0, { everyMs: 5 });
  await delay(100);
  expect(said).toEqual(['TLS certificate not reloaded']);
  expect(given).toEqual([]);

  copyFileSync(second.key, pair.key);
  await waitFor('the new pair', () => given.length > 0, { everyMs: 5 });
  await delay(100);
  expect(given.map(({ cert }) => String(cert))).toEqual([readFileSync(second.cert, 'utf8')]);
  expect(said).toEqual(['TLS certificate not reloaded', 'TLS certificate reloaded']);

  stop.abort();
  await delay(50);
  writeFileSync(pair.cert, 'no certificate');
  await delay(100);
  expect(said.length).toBe(2);
});
