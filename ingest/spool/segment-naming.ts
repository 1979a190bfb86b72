import { Layout, type LayoutOptions, type SegmentPlace } from './layout.ts';
import { type ExistingNames, type NameSource, SegmentNames } from './segment-names.ts';

/** Names of segments as the settings have them, or as the stream that they are of: each store and pattern has its own numbers. */
export class SegmentNaming implements NameSource {
  readonly #settings: LayoutOptions;
  readonly #existingIn: (storeUrl: string | undefined) => ExistingNames;
  readonly #layouts = new Map<string, Layout>();
  readonly #names = new Map<string, SegmentNames>();

  /** @param existingIn what can be seen of a store; undefined: of the one of the settings. @throws Fault ERR_CONFIG_PATTERN */
  constructor(settings: LayoutOptions, existingIn: (storeUrl: string | undefined) => ExistingNames) {
    this.#settings = settings;
    this.#existingIn = existingIn;
    this.#layouts.set('', new Layout(settings));
  }

  note(place: SegmentPlace, key: string): void {
    this.#namesOf(place).note(place, key);
  }

  take(place: SegmentPlace): Promise<string> {
    return this.#namesOf(place).take(place);
  }

  /** The layout that a publication's segments are named by. */
  layoutOf({ segmentPattern }: Pick<SegmentPlace, 'segmentPattern'>): Layout {
    const key = patternKey(segmentPattern);
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = new Layout({ ...this.#settings, segmentPattern: segmentPattern ?? null });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #namesOf(place: SegmentPlace): SegmentNames {
    const layout = this.layoutOf(place);
    const key = JSON.stringify([patternKey(place.segmentPattern), place.store?.url, place.store?.endpoint]);
    let names = this.#names.get(key);
    if (names === undefined) {
      names = new SegmentNames(layout, this.#existingIn(place.store?.url));
      this.#names.set(key, names);
    }
    return names;
  }
}

/** No pattern of its own, and the settings' one, are not the same. */
function patternKey(pattern: string | null | undefined): string {
  return pattern === undefined ? '' : `=${pattern ?? ''}`;
}
