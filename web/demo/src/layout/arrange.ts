/**
 * Where the tiles of a call stand. Pure geometry in CSS pixels: a number of tiles and a box go in, rectangles come
 * out. Tiles keep their place in the document and only move, so a video never leaves its element.
 */

export interface Box {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Box {
  readonly x: number;
  readonly y: number;
}

export interface Arrangement {
  /** One rectangle per tile that finds room, in the order of the tiles; the first is the stage when there is one. */
  readonly rects: readonly Rect[];
  /** Tiles that found no room. */
  readonly hidden: number;
}

const WIDEST = 16 / 9;
const GRID_TILE_WIDTH_MIN = 150;
const GRID_TILE_HEIGHT_MIN = 96;
const STRIP_FRACTION = 0.2;
const STRIP_WIDTH_MIN = 150;
const STRIP_WIDTH_MAX = 260;
const STRIP_HEIGHT_MIN = 84;
const STRIP_HEIGHT_MAX = 110;

/** A grid that makes the tiles as large as the box allows; the last row is centred. */
export function grid(count: number, box: Box, gap: number): Arrangement {
  if (count < 1 || box.width <= 0 || box.height <= 0) return { rects: [], hidden: Math.max(count, 0) };
  const shown = Math.min(count, gridCapacity(box, gap));
  const { columns, tile } = bestGrid(shown, box, gap);
  const rows = Math.ceil(shown / columns);
  const top = (box.height - rows * tile.height - (rows - 1) * gap) / 2;
  const rects = Array.from({ length: shown }, (_, index): Rect => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, shown - row * columns);
    const left = (box.width - inRow * tile.width - (inRow - 1) * gap) / 2;
    return {
      x: left + (index % columns) * (tile.width + gap),
      y: top + row * (tile.height + gap),
      ...tile,
    };
  });
  return { rects, hidden: count - shown };
}

/** One large tile and a strip of small ones: beside it in a wide box, below it in a tall one. */
export function stage(count: number, box: Box, gap: number): Arrangement {
  if (count < 2) return { rects: count === 1 ? [{ x: 0, y: 0, ...box }] : [], hidden: 0 };
  if (box.width >= box.height) {
    const width = clamp(box.width * STRIP_FRACTION, STRIP_WIDTH_MIN, STRIP_WIDTH_MAX);
    const share = (box.height - gap * (count - 2)) / (count - 1);
    const tile = { width, height: clamp(share, STRIP_HEIGHT_MIN, width / WIDEST) };
    const places = stripPlaces(count - 1, box.height, tile.height, gap);
    const top = (box.height - places * tile.height - (places - 1) * gap) / 2;
    const x = box.width - width;
    const strip = Array.from({ length: places }, (_, i): Rect => ({ x, y: top + i * (tile.height + gap), ...tile }));
    const main: Rect = { x: 0, y: 0, width: box.width - width - gap, height: box.height };
    return { rects: [main, ...strip], hidden: count - 1 - places };
  }
  const height = clamp(box.height * STRIP_FRACTION, STRIP_HEIGHT_MIN, STRIP_HEIGHT_MAX);
  const tile = { width: height, height };
  const places = stripPlaces(count - 1, box.width, tile.width, gap);
  const left = (box.width - places * tile.width - (places - 1) * gap) / 2;
  const y = box.height - height;
  const strip = Array.from({ length: places }, (_, i): Rect => ({ x: left + i * (tile.width + gap), y, ...tile }));
  const main: Rect = { x: 0, y: 0, width: box.width, height: box.height - height - gap };
  return { rects: [main, ...strip], hidden: count - 1 - places };
}

function bestGrid(count: number, box: Box, gap: number): { columns: number; tile: Box } {
  const narrowest = box.width >= box.height ? 4 / 3 : count === 1 ? 9 / 16 : 3 / 4;
  let best = { columns: 1, tile: { width: 0, height: 0 } };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cell = {
      width: (box.width - gap * (columns - 1)) / columns,
      height: (box.height - gap * (rows - 1)) / rows,
    };
    const tile = fit(cell, narrowest, WIDEST);
    if (tile.width * tile.height > best.tile.width * best.tile.height) best = { columns, tile };
  }
  return best;
}

/** The largest box inside `cell` whose aspect ratio lies between the two. */
function fit(cell: Box, narrowest: number, widest: number): Box {
  const aspect = cell.width / cell.height;
  if (aspect > widest) return { width: cell.height * widest, height: cell.height };
  if (aspect < narrowest) return { width: cell.width, height: cell.width / narrowest };
  return cell;
}

/** How many tiles a grid may hold before they become too small to tell faces apart. */
function gridCapacity(box: Box, gap: number): number {
  const columns = Math.max(1, Math.floor((box.width + gap) / (GRID_TILE_WIDTH_MIN + gap)));
  const rows = Math.max(1, Math.floor((box.height + gap) / (GRID_TILE_HEIGHT_MIN + gap)));
  return columns * rows;
}

function stripPlaces(wanted: number, length: number, tile: number, gap: number): number {
  return Math.max(1, Math.min(wanted, Math.floor((length + gap) / (tile + gap))));
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
