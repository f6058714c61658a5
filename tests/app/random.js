// What tests draw at random, the same every time.
export function generator(seed) {
  let state = seed >>> 0;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => next() % n;
  const bytes = (size) => Uint8Array.from({ length: size }, () => next() & 255);
  const pick = (list) => list[below(list.length)];
  return { below, bytes, pick };
}

// One bit of raw, turned.
export function flipped({ below }, raw) {
  const changed = raw.slice();
  changed[below(raw.length)] ^= 1 << below(8);
  return changed;
}
