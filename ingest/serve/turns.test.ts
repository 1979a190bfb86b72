import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

it('Turns runs a few jobs at a time, in order, whatever becomes of them', async () => {
  const turns = new Turns(2);
  const order: string[] = [];
  const release: (() => void)[] = [];
  const job = (name: string) => async () => {
    order.push(`begin ${name}`);
    await new Promise<void>((resolve) => release.push(resolve));
    order.push(`end ${name}`);
    if (name === 'a') throw new Error('a fails');
    return name;
  };
  const all = ['a', 'b', 'c', 'd'].map((name) => turns.run(job(name)));
  const results = Promise.allSettled(all);
  await nextTurn();
  expect(order).toEqual(['begin a', 'begin b']);
  while (release.length > 0) {
    release.shift()!();
    await nextTurn();
  }
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(order.filter((each) => each.startsWith('begin'))).toEqual(['begin a', 'begin b', 'begin c', 'begin d']);
  expect(order.indexOf('begin c')).toBeGreaterThan(order.indexOf('end a'));
  expect(await turns.run(async () => 'later')).toBe('later');
});
