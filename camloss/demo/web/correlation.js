// How far maps correlate.

/**
 * The mean correlation of every two of them: 1 for one pattern, whatever its strength; 0 where they have nothing in
 * common. A constant map has nothing in common with any.
 *
 * @param {ArrayLike<number>[]} maps at least two, of one size
 */
export function meanCorrelation(maps) {
  const directions = maps.map(directionOf);
  let [sum, pairs] = [0, 0];
  directions.forEach((one, i) => {
    for (const other of directions.slice(i + 1)) {
      sum += one.reduce((product, value, cell) => product + value * other[cell], 0);
      pairs++;
    }
  });
  return sum / pairs;
}

/** What of a map is not its mean, of length 1. @param {ArrayLike<number>} map */
function directionOf(map) {
  const values = Array.from(map);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const length = Math.hypot(...values.map((value) => value - mean)) || 1;
  return values.map((value) => (value - mean) / length);
}
