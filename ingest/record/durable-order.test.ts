import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DurableOrder } from './durable-order.ts';

describe('durable order', () => {
  it('counts a fragment only when nothing before it is unsynced', () => {
    const order = new DurableOrder();
    const [old, first, second] = [order.issue(1, 100), order.issue(2, 200), order.issue(2, 300)];
    order.acknowledge(second);
    expect(order.mark).toBeUndefined();
    order.acknowledge(old);
    expect(order.mark).toEqual({ seq: 1, dts: 100 });
    order.acknowledge(first);
    expect(order.mark).toEqual({ seq: 2, dts: 300 });
  });

  it('never goes back, whatever the order', () => {
    const ticket = fc.record({ seq: fc.integer({ min: 1, max: 3 }), dts: fc.nat(1000), at: fc.nat() });
    fc.assert(
      fc.property(fc.array(ticket), (tickets) => {
        const order = new DurableOrder();
        const issued = tickets.map(({ seq, dts, at }) => ({ at, ticket: order.issue(seq, dts) }));
        let last = { seq: 0, dts: 0 };
        for (const { ticket: each } of issued.sort((a, b) => a.at - b.at)) {
          order.acknowledge(each);
          const mark = order.mark ?? last;
          expect(mark.seq).toBeGreaterThanOrEqual(last.seq);
          expect(mark.dts).toBeGreaterThanOrEqual(last.dts);
          last = mark;
        }
      }),
    );
  });

  it('what was given up is never acknowledged', () => {
    const order = new DurableOrder();
    const lost = order.issue(1, 100);
    order.abandon();
    order.acknowledge(lost);
    expect(order.mark).toBeUndefined();
    order.acknowledge(order.issue(1, 50));
    expect(order.mark).toEqual({ seq: 1, dts: 50 });
  });
});
