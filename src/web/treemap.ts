/** Areas in proportion to sizes, within a rectangle: each is cut from the longer side of what is left. Pure. */

export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** @param sizes descending, each more than 0 */
export function treemap(sizes: readonly number[], { x, y, width, height }: Area): Area[] {
  if (sizes.length === 0) return [];
  if (sizes.length === 1) return [{ x, y, width, height }];
  const total = sum(sizes);
  // Two parts as equal as can be: then no area gets very narrow.
  let cut = 1;
  while (cut < sizes.length - 1 && sum(sizes.slice(0, cut)) < total / 2) cut++;
  const share = sum(sizes.slice(0, cut)) / total;
  const [one, other] =
    width >= height
      ? [
          { x, y, width: width * share, height },
          { x: x + width * share, y, width: width * (1 - share), height },
        ]
      : [
          { x, y, width, height: height * share },
          { x, y: y + height * share, width, height: height * (1 - share) },
        ];
  return [...treemap(sizes.slice(0, cut), one), ...treemap(sizes.slice(cut), other)];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
