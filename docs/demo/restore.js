// What argan_plugin does to the pixels of a picture, in JavaScript: the arithmetic of arrays.py,
// color.py and restoration.py for 8-bit RGB, and the tiles of tiling.py. It knows nothing of pages
// and networks; the tests hold it to the Python code.
//
// Numbers are float32 as there: Math.fround after each operation. That is exact, because a sum,
// product or quotient of two float32 numbers in double precision, rounded again, is the one that
// float32 arithmetic gives.

const { fround } = Math;
const LUMA_WEIGHTS = [0.299, 0.587, 0.114].map(fround);
const UNIT = Float32Array.from({ length: 256 }, (_, level) => level / 255);

/**
 * Covers a picture with tiles that read the same shape, row by row.
 *
 * A tile is read with a halo around it, and only its middle is kept; it begins at a multiple of
 * `sizeMultiple`, of which the halo is one. Rows and columns are {read, keep, write}, each a [start, stop].
 */
export function planTiles(height, width, { tileSize, halo, sizeMultiple }) {
  const [rows, columns] = [height, width].map((length) =>
    planSpans(length, tileSize, halo, sizeMultiple),
  );
  return rows.flatMap((row) => columns.map((column) => ({ row, column })));
}

function planSpans(length, tileSize, halo, sizeMultiple) {
  const up = (size) => Math.ceil(size / sizeMultiple) * sizeMultiple;
  const count = Math.ceil(length / up(tileSize));
  // The tiles at both ends need a halo on one side alone, and keep so much more.
  let spared = Math.floor(halo / sizeMultiple) * sizeMultiple;
  if (length - 2 * spared < count * sizeMultiple) spared = 0;
  const step = up((length - 2 * spared) / count);
  const cuts = [0];
  for (let cut = spared + step; cut < length && cuts.length < count; cut += step) cuts.push(cut);
  cuts.push(length);
  const starts = cuts.slice(0, -1).map((cut) => Math.max(cut - halo, 0));
  const needed = starts.map((start, at) => Math.min(cuts[at + 1] + halo, length) - start);
  // All read equally much, from multiples of the network's stride.
  let side = Math.max(...needed);
  while ((length - side) % sizeMultiple) side++;
  return starts.map((wanted, at) => {
    const start = Math.min(wanted, length - side);
    return {
      read: [start, start + side],
      keep: [cuts[at] - start, cuts[at + 1] - start],
      write: [cuts[at], cuts[at + 1]],
    };
  });
}

/**
 * Restores a picture in place.
 *
 * @param {Uint8ClampedArray} pixels RGBA, row by row; alpha is not touched
 * @param {number} height
 * @param {number} width
 * @param {(luma: Float32Array, height: number, width: number) => Promise<Float32Array>} network
 *   from luma to restored luma, black at 0 and white at 1
 * @param {{tileSize: number, halo: number, sizeMultiple: number}} geometry
 * @param {(done: number, total: number) => void} progress called after each tile
 */
export async function restore(pixels, height, width, network, geometry, progress) {
  // Tiles are read where their neighbours have written already.
  const original = pixels.slice();
  const tiles = planTiles(height, width, geometry);
  for (const [index, { row, column }] of tiles.entries()) {
    const luma = lumaOf(original, width, row.read, column.read);
    const [tileHeight, tileWidth] = [row, column].map(({ read }) => read[1] - read[0]);
    const restored = await network(luma, tileHeight, tileWidth);
    for (let y = row.keep[0]; y < row.keep[1]; y++) {
      for (let x = column.keep[0]; x < column.keep[1]; x++) {
        const at = y * tileWidth + x;
        const change = fround(fround(restored[at] - luma[at]) * 255);
        if (!Number.isFinite(change)) throw new Error("The model gave NaN or infinity.");
        const first = 4 * ((row.read[0] + y) * width + column.read[0] + x);
        for (let channel = first; channel < first + 3; channel++) {
          // A Uint8ClampedArray limits to 0..255 and rounds halves to even, as numpy.rint does.
          pixels[channel] = fround(original[channel] + change);
        }
      }
    }
    progress(index + 1, tiles.length);
  }
}

function lumaOf(pixels, width, [top, bottom], [left, right]) {
  const [red, green, blue] = LUMA_WEIGHTS;
  const luma = new Float32Array((bottom - top) * (right - left));
  let at = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const first = 4 * (y * width + x);
      const redAndGreen = fround(
        fround(UNIT[pixels[first]] * red) + fround(UNIT[pixels[first + 1]] * green),
      );
      luma[at++] = redAndGreen + fround(UNIT[pixels[first + 2]] * blue);
    }
  }
  return luma;
}
