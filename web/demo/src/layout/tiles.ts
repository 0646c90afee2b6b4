/** Which tiles a call shows and in what order; says nothing of where they stand (`arrange.ts`). */

/** What this module needs to know of a participant. */
export interface Present {
  readonly identity: string;
  readonly isLocal: boolean;
  readonly isSharing: boolean;
  readonly isSpeaking: boolean;
  readonly lastSpokeAt: number;
}

export interface Tile<M extends Present> {
  /** Stable for the life of the tile. */
  readonly key: string;
  readonly source: 'camera' | 'screen';
  readonly member: M;
}

export interface Scene<M extends Present> {
  /** In order of importance: the stage first when there is one. */
  readonly tiles: readonly Tile<M>[];
  readonly hasStage: boolean;
}

/**
 * A shared screen takes the stage by itself, unless it is the visitor's own; a pinned tile takes it from anything.
 * The visitor comes last among the cameras, as one looks at the others.
 */
export function sceneOf<M extends Present>(members: readonly M[], pinned: string | undefined): Scene<M> {
  const inOrder = [...members.filter((member) => !member.isLocal), ...members.filter((member) => member.isLocal)];
  const screens = inOrder.filter((member) => member.isSharing).map((member) => tile(member, 'screen'));
  const tiles = [...screens, ...inOrder.map((member) => tile(member, 'camera'))];
  const staged = tiles.find(({ key }) => key === pinned) ?? screens.find(({ member }) => !member.isLocal);
  if (!staged) return { tiles, hasStage: false };
  return { tiles: [staged, ...tiles.filter((other) => other !== staged)], hasStage: true };
}

/**
 * The tiles that fit into `places`: the stage and the visitor always, then screens, then whoever spoke last. Those
 * chosen keep their order, so that nobody moves only because somebody else spoke.
 */
export function fitting<M extends Present>({ tiles, hasStage }: Scene<M>, places: number): readonly Tile<M>[] {
  if (tiles.length <= places) return tiles;
  const rank = (index: number): number => {
    const shown = tiles[index];
    if (!shown) return 0;
    if (hasStage && index === 0) return Infinity;
    if (shown.source === 'screen') return 4e15;
    if (shown.member.isLocal) return 3e15;
    return shown.member.isSpeaking ? 2e15 : shown.member.lastSpokeAt;
  };
  const best = tiles
    .map((_, index) => index)
    .sort((a, b) => rank(b) - rank(a) || a - b)
    .slice(0, places);
  return tiles.filter((_, index) => best.includes(index));
}

function tile<M extends Present>(member: M, source: Tile<M>['source']): Tile<M> {
  return { key: `${source}:${member.identity}`, source, member };
}
