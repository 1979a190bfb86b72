import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TempDir } from '../../test/support/temp-dir.ts';
import { LocalFiles } from './local-files.ts';

const policy = (name: string, spec = '{format: flv}', apiVersion = 'headwater.dev/v1alpha1') =>
  `---\napiVersion: ${apiVersion}\nkind: RecordingPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

describe('objects in the files of a folder', () => {
  let dir: TempDir;
  let files: LocalFiles;
  beforeEach(() => {
    dir = new TempDir('local-files');
    files = new LocalFiles(dir.path);
  });
  afterEach(() => dir[Symbol.dispose]());

  let seconds = 0;
  function write(file: string, text: string): void {
    writeFileSync(dir.join(file), text);
    utimesSync(dir.join(file), ++seconds, seconds);
  }
  const names = () => [...files.objects().byName.keys()];
  /** Until nothing is new. */
  async function settle(): Promise<boolean[]> {
    return [await files.look(), await files.look(), await files.look()];
  }

  it('are read at once at the start, later when a file has stayed the same', async () => {
    write('a.yaml', policy('a'));
    write('b.json', JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } }));
    write('c.txt', policy('c'));
    expect(await files.look(true)).toBe(true);
    expect(names()).toEqual(['RecordingPolicy default/a']);
    write('a.yaml', policy('a') + policy('d').slice(0, -4));
    expect(await files.look()).toBe(false);
    write('a.yaml', policy('a') + policy('d'));
    expect(await settle()).toEqual([false, true, false]);
    expect(names()).toEqual(['RecordingPolicy default/a', 'RecordingPolicy default/d']);
    expect(files.problems).toEqual([]);
  });

  it('stay as they were where they can’t be read, and go where they are gone', async () => {
    write('a.yaml', policy('a') + policy('b'));
    await files.look(true);
    write('a.yaml', policy('a', '{format: mkv}'));
    await settle();
    expect(names()).toEqual(['RecordingPolicy default/a']);
    expect(files.objects().byName.get('RecordingPolicy default/a')!.object).toMatchObject({ spec: { format: 'flv' } });
    expect(files.problems).toEqual([expect.stringMatching(/^a\.yaml:5:\d+: spec\.format: /)]);
    write('a.yaml', 'a: [');
    await settle();
    expect(names()).toEqual(['RecordingPolicy default/a']);
    rmSync(dir.join('a.yaml'));
    expect(await files.look()).toBe(true);
    expect([names(), files.problems]).toEqual([[], []]);
  });

  it('count once: of two of one name the first, and it is said', async () => {
    write('a.yaml', policy('a'));
    write('b.yaml', policy('a'));
    await files.look(true);
    expect(names()).toHaveLength(1);
    expect(files.objects().problems).toEqual([
      'b.yaml:2:1: RecordingPolicy default/a is at a.yaml:2:1 too: remove one of them',
    ]);
  });

  it.each([
    {
      name: 'a kind of ours that there is not',
      text: policy('a').replace('RecordingPolicy', 'LiveStreams'),
      want: /there is no kind LiveStreams/,
    },
    { name: 'a version of tomorrow', text: policy('a', '{}', 'headwater.dev/v2'), want: /apiVersion: / },
    {
      name: 'a Secret with a number',
      text: 'apiVersion: v1\nkind: Secret\nmetadata: {name: k}\nstringData: {rtmpKey: 12345678}\n',
      want: /stringData\.rtmpKey must be text/,
    },
    { name: 'a huge file', text: `# ${'x'.repeat(5 * 1024 * 1024)}`, want: /has more than/ },
  ])('refuse $name', async ({ text, want }) => {
    write('a.yaml', text);
    await files.look(true);
    expect(files.problems.join('\n')).toMatch(want);
    expect(files.problems.join('\n')).not.toContain('12345678');
  });

  it('fails where the folder cannot be read: that is not an empty one', async () => {
    await expect(new LocalFiles(dir.join('none')).look()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
