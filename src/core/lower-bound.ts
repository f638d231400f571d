/** Index of the first item for which `isAfter` holds; all after it must hold too. */
export function lowerBound<Item>(items: readonly Item[], isAfter: (item: Item) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(items[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
