/**
 * The same items with the members of each group behind one another, where the first of them stands; all else stays in its order.
 * Members keep their order, too. Holds the members of groups alone.
 * @param items can be iterated twice, with the same outcome
 */
export function* inGroupOrder<Item>(
  items: Iterable<Item>,
  groupOf: (item: Item) => number | undefined,
): Generator<Item> {
  const members = new Map<number, Item[]>();
  for (const item of items) {
    const group = groupOf(item);
    if (group === undefined) continue;
    const known = members.get(group);
    if (known === undefined) members.set(group, [item]);
    else known.push(item);
  }
  for (const item of items) {
    const group = groupOf(item);
    if (group === undefined) yield item;
    else {
      yield* members.get(group) ?? [];
      members.delete(group);
    }
  }
}
