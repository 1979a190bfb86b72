import { describe, expect, it } from 'vitest';
import { parseArguments } from './argv.ts';

const settings = (...argv: string[]) => parseArguments(argv).given.map(({ key, value }) => `${key}=${value}`);
const problems = (...argv: string[]) => parseArguments(argv).problems;

describe('parseArguments', () => {
  it.each([
    [['--listen', ':1'], ['rtmp.listen=:1']],
    [['-listen', ':1'], ['rtmp.listen=:1']],
    [['--listen=:1'], ['rtmp.listen=:1']],
    [['-listen=:1'], ['rtmp.listen=:1']],
    [['--listen='], ['rtmp.listen=']],
    [['--listen', ''], ['rtmp.listen=']],
    [['--segment-pattern', '%s=%T'], ['record.segmentPattern=%s=%T']],
    [['--segment-pattern=-%T'], ['record.segmentPattern=-%T']],
  ])('values: %j', (argv, want) => expect(settings(...argv)).toEqual(want));

  it.each([
    [['--record-all'], ['record.all=true']],
    [['--record-all=false'], ['record.all=false']],
    [['--record-all', 'false'], ['record.all=false']],
    [['-record-all', 'true'], ['record.all=true']],
    [['--no-record-all'], ['record.all=false']],
    [
      ['--record-all', '--listen', ':1'],
      ['record.all=true', 'rtmp.listen=:1'],
    ],
  ])('booleans: %j', (argv, want) => expect(settings(...argv)).toEqual(want));

  it('leaves a word after a boolean alone when it is no truth value', () => {
    const parsed = parseArguments(['--record-all', 'extra']);
    expect(parsed.words).toEqual(['extra']);
    expect(parsed.given).toHaveLength(1);
  });

  it('keeps what follows -- as words', () => {
    expect(parseArguments(['--', '--listen'])).toMatchObject({ words: ['--listen'], given: [], problems: [] });
  });

  it('takes the flags that are no settings', () => {
    const { special } = parseArguments(['-h', '--version', '--config', 'a.yaml', '-record-dir', 'r']);
    expect(Object.fromEntries(special)).toEqual({ help: 'true', version: 'true', config: 'a.yaml', 'record-dir': 'r' });
  });

  it('names the nearest flag, once for a flag and its value', () => {
    expect(problems('--lisen', ':1')).toEqual(['unknown flag --lisen; the nearest is --listen']);
    expect(problems('-segment-durations=6s')).toEqual([
      'unknown flag --segment-durations; the nearest is --segment-duration',
    ]);
  });

  it('says where a setting without a flag is set', () => {
    expect(problems('--relay-max-batch', '50ms')).toEqual([
      '--relay-max-batch is no flag: set relay.maxBatch in the YAML file (--config), or HEADWATER_RELAY_MAX_BATCH in the environment',
    ]);
  });

  it.each([[['--listen']], [['--listen', '--record-all']]])('misses a value in %j', (argv) => {
    expect(problems(...argv)).toEqual(['--listen needs a value: write --listen VALUE or --listen=VALUE']);
  });

  it('refuses a value for --no-x', () => {
    expect(problems('--no-record-all=true')).toEqual(['--no-record-all takes no value']);
  });
});
